"""Starting what is under load, and what stands around it, as processes of their own on free ports.

Rules:
    - Everything listens on loopback, on ports nobody used a moment ago; state and configuration live in a
      temporary directory that is removed at the end.
    - What was started here is ended here, the gateway first, each by its process id.
    - The gateway runs with everything on: keys, limits on the key (too high to refuse), prices, metrics, the journal
      with its database, and logs to a file; `paying_key` adds a wallet that every call is held and taken from.
    - Its upstream is a provider block like any other; the built-in stand-in is off.
Not here:
    - What to measure (bench, suites); nginx and the pace car (bench.others).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"requests_per_minute": 10**9, "tokens_per_minute": 10**12, "concurrency": 10**6}
KEY = "gw-load.0123456789abcdefghijklmnopqrstuvwxyz"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 40.0
NOFILE = 65_536


class NotStarted(RuntimeError):
    """A process ended, or did not answer in time; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: `base_url` for HTTP, `grpc` as host:port, `pid` of its first process ('' and 0: unknown)."""

    base_url: str
    grpc: str
    key: str
    pid: int

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self.base_url.removesuffix("/v1")

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics` by its name with labels."""
        with urllib.request.urlopen(f"{self.origin}/metrics", timeout=30) as reply:
            lines = reply.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def allow_many_files() -> int:
    """Raise this process's (and so its children's) limit of open files as far as it goes; returns it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = NOFILE if hard == resource.RLIM_INFINITY else min(hard, NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return max(soft, wanted)


@contextmanager
def process(
    arguments: list[str],
    log: Path,
    *,
    is_ready: Callable[[], bool],
    cwd: Path = ROOT,
    environ: Mapping[str, str] | None = None,
    ready_within_s: float = READY_WITHIN_S,
) -> Iterator[int]:
    """Run a process until the block ends; gives its id once `is_ready`. Raises NotStarted."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            arguments, cwd=cwd, env=environ, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    try:
        give_up_s = time.monotonic() + ready_within_s
        while not is_ready():
            if child.poll() is not None or time.monotonic() > give_up_s:
                tail = log.read_text(errors="replace")[-2000:]
                raise NotStarted(f"{' '.join(arguments[-3:])} did not start; the end of {log.name}:\n{tail}")
            time.sleep(0.05)
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def answers(url: str) -> Callable[[], bool]:
    """Whether something answers 200 there."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ask


@contextmanager
def place(name: str = "gateway-load-") -> Iterator[Path]:
    """A temporary directory."""
    folder = Path(tempfile.mkdtemp(prefix=name))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def canned_upstream(log: Path) -> Iterator[str]:
    """The canned upstream; gives its origin."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "loadtests.upstream", str(port)]
    with process(command, log, is_ready=answers(f"{url}/_stats")):
        yield url


@contextmanager
def simulator(log: Path) -> Iterator[str]:
    """The simulator; gives its origin."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gateway", "simulate", "--port", str(port)]
    with process(command, log, is_ready=answers(f"{url}/health"), environ=clean_environ()):
        yield url


@contextmanager
def gateway(
    upstream: str,
    folder: Path,
    log: Path,
    *,
    is_single: bool = False,
    more: Mapping[str, Any] | None = None,
    root: Path = ROOT,
    under: Sequence[str] = (),
    ready_within_s: float = READY_WITHIN_S,
) -> Iterator[Gateway]:
    """A gateway whose models `bench*` and `sim*` go to `upstream`, `anthropic/*` too, in Anthropic's format.

    `more` is merged over its configuration, `root` is the checkout it runs from, `under` a command that runs it.
    """
    http, grpc = free_port(), free_port()
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    tree = _merged(configuration(upstream, http, grpc), more or {})
    (config / "local.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    environ = {
        **clean_environ(),
        "PYTHONPATH": str(root),
        "GATEWAY_STATE_DIR": str(folder / "state"),
        "GATEWAY_DEV_KEY": KEY,
    }
    command = [*under, sys.executable, "-m", "gateway", "serve", *(["--single"] if is_single else [])]
    url = f"http://127.0.0.1:{http}"
    is_ready = answers(f"{url}/readyz")
    with process(command, log, is_ready=is_ready, cwd=folder, environ=environ, ready_within_s=ready_within_s) as pid:
        yield Gateway(f"{url}/v1", f"127.0.0.1:{grpc}", KEY, pid)


def paying_key(gateway: Gateway) -> str:
    """A key of a user whose wallet pays for every call, with limits of its own."""
    user = _post(gateway, "/admin/users", {"email": "load@example.org", "password": "a password for the load"})
    money = {"amount_usd_micros": 10**12, "idempotency_key": "load", "note": "load"}
    _post(gateway, f"/admin/users/{user['id']}/top-up", money)
    made = _post(gateway, f"/admin/users/{user['id']}/keys", {"name": "load", "limits": LIMITS})
    return str(made["key"])


def _post(gateway: Gateway, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask as an administrator."""
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    url = gateway.base_url.removesuffix("/v1") + path
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as reply:
        answer: dict[str, Any] = json.loads(reply.read())
    return answer


def configuration(upstream: str, http_port: int, grpc_port: int) -> dict[str, Any]:
    """`local.yaml` of the gateway under load."""
    price = {"input_usd_per_million": "0.15", "output_usd_per_million": "0.60"}
    model = {
        "names": ["bench*", "sim*"],
        "capabilities": ["chat", "completion", "embedding", "function_calling", "json_mode", "json_schema"],
        "has_dimensions": True,
        "pricing": price,
        "candidates": [{"provider": "upstream"}],
    }
    provider = {
        "dialect": "openai",
        "base_url": f"{upstream}/v1",
        "auth": "none",
        "is_local": True,
        "connections_max": 100_000,
    }
    return {
        "http": {"port": http_port, "backlog": 8192},
        "grpc": {"port": grpc_port, "max_concurrent_streams": 20_000},
        "simulator": {"enabled": "off"},
        "limits": LIMITS,
        "accounts": {"is_charged": True},
        "providers": {"upstream": provider, "upstream-anthropic": {**provider, "dialect": "anthropic"}},
        "models": {
            "load": model,
            "translated": {**model, "names": ["anthropic/*"], "candidates": [{"provider": "upstream-anthropic"}]},
        },
    }


def clean_environ() -> dict[str, str]:
    """The environment without settings, keys and proxies of whoever runs this; the project is importable.

    Processes may keep their bytecode: a process that compiles its modules holds more memory than one that reads them.
    """
    foreign = ("GATEWAY_", "OPENAI_", "PROMETHEUS_", "PYTHONDONTWRITEBYTECODE")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.endswith("_API_KEY") and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for name, value in above.items():
        have = both.get(name)
        both[name] = _merged(have, value) if isinstance(have, dict) and isinstance(value, dict) else value
    return both
