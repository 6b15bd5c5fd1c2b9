"""Several `gateway service` processes that share a Valkey and a PostgreSQL server, one frontend before all of them.

Rules: each service has a state directory and a gRPC port of its own, as on machines of their own; one simulator serves
    them all, and they count metrics in one place, as under a supervisor; everything is gone when the block ends, and
    what it logged is shown when it does not start.
Not here: one service under its supervisor (served), a gateway in the test's own process (single).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.place import KEY, Layer, clean_environ, patience, variables, write_files
from tests.support.served import GATEWAY
from tests.support.simulated import Simulated
from tests.support.waiting import free_port

START_S = 60.0
STOP_S = 30.0
SECRET = "between-the-halves"


@dataclass(slots=True)
class Process:
    """One process of a cluster."""

    running: subprocess.Popen[bytes]
    log: Path

    def record(self, event: str) -> dict[str, Any]:
        """Its first log record of that name; waits for it."""
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s and self.running.poll() is None:
            for line in self.log.read_text(errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    if line.startswith("{") and (found := json.loads(line))["event"] == event:
                        record: dict[str, Any] = found
                        return record
            time.sleep(0.05)
        raise AssertionError(f"no {event!r}:\n{self.log.read_text()}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        self.running.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.running.wait(STOP_S)
        self.running.kill()
        self.running.wait(STOP_S)


@dataclass(slots=True)
class Cluster:
    """A running cluster. `url` is the frontend's; `grpc` has the address of each service."""

    root: Path
    key: str = KEY
    url: str = ""
    grpc: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    services: list[Process] = field(default_factory=list)
    simulator: Simulated = field(default_factory=lambda: Simulated(""))
    _started: list[Process] = field(default_factory=list)

    def start(self, arguments: list[str], environ: Mapping[str, str]) -> Process:
        """`gateway ARGUMENTS` with those variables."""
        log = self.root / f"{len(self._started)}.log"
        metrics = self.root / "metrics"
        metrics.mkdir(exist_ok=True)
        known = {**clean_environ(), "PYTHONUNBUFFERED": "1", "PROMETHEUS_MULTIPROC_DIR": str(metrics), **environ}
        with log.open("wb") as out:
            running = subprocess.Popen(
                [str(GATEWAY), *arguments],
                cwd=self.root, env=known, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._started.append(Process(running, log))
        return self._started[-1]

    def frontend(self) -> Process:
        """A frontend linked with every service."""
        linked = [word for address in self.links for word in ("--service", address)]
        return self.start(["frontend", *linked, "--port", "0"], {"GATEWAY_LINK_SECRET": SECRET})

    def stop(self) -> None:
        """End every process."""
        for process in self._started:
            process.running.terminate()
        for process in self._started:
            process.stop()


@contextlib.contextmanager
def cluster(
    layer: Layer, count: int, environ: Mapping[str, str], files: Mapping[str, Layer] | None = None
) -> Iterator[Cluster]:
    """Run `count` services and a frontend until the block ends; `environ` says where store and database are.

    `files` are further files of the configuration, which stand in for shipped ones of the same name.
    """
    root = Path(tempfile.mkdtemp(prefix="gateway-test-"))
    made = Cluster(root)
    try:
        own = {"process": {"drain_s": 1}, "observe": {"log_format": "json"}, **layer}
        write_files(root, {"local.yaml": own, **(files or {})})
        simulator = free_port()
        made.simulator = Simulated(f"http://127.0.0.1:{simulator}")
        made.start(["simulate", "--port", str(simulator)], {})
        ports = {"GATEWAY_GRPC__PORT": "0", "GATEWAY_SIMULATOR__PORT": str(simulator), "GATEWAY_LINK_SECRET": SECRET}
        for number in range(count):
            made.links.append(f"127.0.0.1:{free_port()}")
            alone = {"GATEWAY_STATE_DIR": str(root / f"state-{number}")}
            known = variables(root, "development", {**patience(own), **ports, **environ}) | alone
            made.services.append(made.start(["service", "--link", made.links[-1]], known))
        frontend = made.frontend()
        made.grpc = [f"127.0.0.1:{each.record('service ready')['grpc_port']}" for each in made.services]
        made.url = frontend.record("frontend ready")["url"]
        yield made
    finally:
        made.stop()
        shutil.rmtree(root, ignore_errors=True)
