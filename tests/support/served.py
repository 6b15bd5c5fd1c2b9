"""The real `gateway serve` as its own processes: what a user starts, with a directory and ports of its own.

Rules: ready means: HTTP, gRPC, link and simulator all answer; a gateway that cannot start fails the test with its log;
    nothing is left behind, also when the test is interrupted.
Not here: a gateway in the test's own process (single).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.place import KEY, Layer, clean_environ, key_record, patience, variables, write_files, write_layer
from tests.support.simulated import Simulated
from tests.support.waiting import free_port

GATEWAY = Path(sys.executable).with_name("gateway")
READY_S = 60.0
STOP_S = 30.0
STARTS_MAX = 3
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(slots=True)
class Served:
    """A running `gateway serve`. `key` is its development key unless the layer defines others."""

    root: Path
    env: dict[str, str]
    url: str
    grpc_address: str
    simulator: Simulated
    process: subprocess.Popen[bytes]
    log_path: Path
    key: str = KEY
    is_single: bool = False
    has_simulator: bool = True
    _stopped: list[int] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as base_url."""
        return f"{self.url}/v1"

    @property
    def environ(self) -> dict[str, str]:
        """Variables that point SDKs and clients at this gateway."""
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": self.key,
            "GATEWAY_API_KEY": self.key,
            "GATEWAY_GRPC_ADDRESS": self.grpc_address,
            "GATEWAY_BASE_URL": self.url,
        }

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `gateway ARGUMENTS` beside it: same directory, same variables."""
        return subprocess.run(
            [str(GATEWAY), *arguments],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=False,
        )

    def pids(self) -> dict[str, int]:
        """Ids of the processes running now: `supervisor` and its children `service`, `frontend-1`, `simulator`."""
        found = {"supervisor": self.process.pid}
        for line in self.logs():
            if line.get("event") == "child started":
                found[line["child"]] = line["pid"]
            elif line.get("event") == "child exited" and found.get(line["child"]) == line["pid"]:
                del found[line["child"]]
        return found

    def logs(self) -> list[dict[str, Any]]:
        """The records written so far that are JSON objects, oldest first."""
        found = []
        for line in self.log_path.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    def log_text(self) -> str:
        """Standard output and standard error so far."""
        return self.log_path.read_text(errors="replace")

    def write_layer(self, layer: Layer) -> None:
        """Replace the layer this gateway was started with; it reloads by itself or by `signal(SIGHUP)`."""
        write_layer(self.root, layer)

    def signal(self, number: int, name: str = "supervisor") -> None:
        """Send a signal to one of `pids()`."""
        os.kill(self.pids()[name], number)

    def is_ready(self) -> bool:
        """Whether HTTP, the link behind it and the simulator (if there is one) answer now."""
        is_simulated = not self.has_simulator or _answers(f"{self.simulator.url}/health")
        return is_simulated and _answers(f"{self.url}/readyz")

    def stop(self) -> int:
        """SIGTERM, wait for the drain, return the exit code. Killed after STOP_S. Safe to call twice."""
        if not self._stopped:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                self._stopped.append(self.process.wait(STOP_S))
            except subprocess.TimeoutExpired:
                self.process.kill()  # its children die with it
                self._stopped.append(self.process.wait(STOP_S))
        return self._stopped[0]


def _answers(url: str) -> bool:
    try:
        with _direct.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def served(
    layer: Layer | None = None,
    *,
    environment: str = "development",
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, Layer] | None = None,
    arguments: Sequence[str] = (),
    key: str | None = KEY,
) -> Iterator[Served]:
    """Run `gateway serve` until the block ends.

    `layer` is written as `config/local.yaml`; `files` are further files there;
    `environ` adds variables; `arguments` follow the command (`--single`).
    `key` is accepted without limits; with None the gateway makes one itself and `Served.key` is empty.
    In production there is no simulator.
    Raises AssertionError, with the log, when it is not ready in READY_S.
    """
    root = Path(tempfile.mkdtemp(prefix="gateway-test-"))
    running: Served | None = None
    try:
        write_files(root, {"local.yaml": layer or {}, **(files or {})})
        if environment == "production" and key is not None:  # where development keys are refused
            write_files(root, {"../state/keys.yaml": {"keys": {"harness": key_record(key)}}})
        more = {**patience(layer), "GATEWAY_DEV_KEY": key or "", **(environ or {})}
        running = _start(root, environment, more, arguments)
        running.key = key or ""
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(root, ignore_errors=True)


def _start(root: Path, environment: str, more: Mapping[str, str], arguments: Sequence[str]) -> Served:
    """Start and wait; another process may take a port between finding and binding it, so try some times."""
    for number in range(1, STARTS_MAX + 1):
        running = _spawn(root, environment, more, arguments, root / f"gateway-{number}.log")
        if _wait(running):
            return running
        running.stop()
        if number == STARTS_MAX or "in use" not in running.log_text():
            raise AssertionError(f"gateway serve did not become ready:\n{running.log_text()}")
    raise AssertionError("unreachable")


def _spawn(root: Path, environment: str, more: Mapping[str, str], arguments: Sequence[str], log: Path) -> Served:
    http_port, grpc_port, simulator_port = free_port(), free_port(), free_port()
    ports = {
        "GATEWAY_HTTP__PORT": str(http_port),
        "GATEWAY_GRPC__PORT": str(grpc_port),
        "GATEWAY_SIMULATOR__PORT": str(simulator_port),
    }
    env = clean_environ() | {"PYTHONUNBUFFERED": "1"} | variables(root, environment, {**ports, **more})
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(GATEWAY), "serve", *arguments],
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    return Served(
        root=root,
        env=env,
        url=f"http://127.0.0.1:{http_port}",
        grpc_address=f"127.0.0.1:{grpc_port}",
        simulator=Simulated(f"http://127.0.0.1:{simulator_port}"),
        process=process,
        log_path=log,
        is_single="--single" in arguments,
        has_simulator=environment != "production",
    )


def _wait(running: Served) -> bool:
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s and running.process.poll() is None:
        if running.is_ready():
            return True
        time.sleep(0.05)
    return False
