"""What the gateway is compared with: nginx where it is installed, and the pace car.

Rules:
    - Each forwards to the same upstream and keeps its connections to it.
Not here:
    - The gateway itself (stack); other gateways are given by URL on the command line.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.stack import free_port, process

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 30000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  upstream canned {{ server {upstream}; keepalive 2000; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass http://canned;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


def has_nginx() -> bool:
    """Whether nginx is installed."""
    return shutil.which("nginx") is not None


@contextmanager
def nginx(upstream: str, folder: Path, log: Path) -> Iterator[tuple[str, int]]:
    """A reverse proxy; gives base URL and process id."""
    port, folder = free_port(), folder / "nginx"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(
        NGINX.format(folder=folder, upstream=upstream.removeprefix("http://"), port=port), encoding="utf-8"
    )
    command = [shutil.which("nginx") or "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with process(command, log, is_ready=listens(port)) as pid:
        yield f"http://127.0.0.1:{port}/v1", pid


@contextmanager
def pacecar(upstream: str, log: Path) -> Iterator[tuple[str, int]]:
    """The bare aiohttp proxy; gives base URL and process id."""
    port = free_port()
    command = [sys.executable, "-m", "loadtests.bench.pacecar", upstream, str(port)]
    with process(command, log, is_ready=listens(port)) as pid:
        yield f"http://127.0.0.1:{port}/v1", pid


def listens(port: int) -> Callable[[], bool]:
    """Whether something accepts connections there."""

    def ask() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return ask
