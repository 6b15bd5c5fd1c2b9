"""`gateway serve`: one service, some frontends and, in development, the simulator, under a supervisor.

Rules:
    - This process stays light: a short-lived child reads the configuration and prints the plan as JSON.
    - Children find each other by a private runtime directory (0700): the link's unix socket, and the
      files in which their metrics add up. It is removed at the end.
Not here:
    - Restart, signals, drain (supervisor); what a child does (its own module).
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.observe.log import LEVELS, make_log
from gateway.supervisor.children import ChildSpec, Policy
from gateway.supervisor.run import Log, run

EXIT_CONFIGURATION = 78
DRAIN_SPARE_S = 5.0  # for last words and logs, after the children's own drain time is over
Plan = dict[str, Any]


def main(announce: Callable[[Plan], None]) -> int:
    """Run everything until told to stop. `announce` is called with the plan before the children start."""
    plan = read_plan()
    if plan is None:
        return EXIT_CONFIGURATION
    runtime_dir = Path(tempfile.mkdtemp(prefix="gateway-"))
    try:
        return _run(plan, runtime_dir, announce)
    finally:
        shutil.rmtree(runtime_dir, ignore_errors=True)


def read_plan() -> Plan | None:
    """What to start, as `gateway.app.plan` prints it; None when it already said what is wrong."""
    done = subprocess.run([sys.executable, "-m", "gateway.app.plan"], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return None
    plan: Plan = json.loads(done.stdout)
    return plan


def _run(plan: Plan, runtime_dir: Path, announce: Callable[[Plan], None]) -> int:
    metrics_dir = runtime_dir / "metrics"
    metrics_dir.mkdir()
    environment = {
        "GATEWAY_INTERNAL_LINK": f"unix:{runtime_dir}/link.sock",
        "GRPC_VERBOSITY": "ERROR",  # a link that drains is no news
        "GATEWAY_INTERNAL_LINK_OPTIONS": json.dumps(plan["link_options"]),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir),
    }
    if plan["has_simulator"]:
        plan["simulator_port"] = plan["simulator_port"] or free_port(plan["simulator_host"])
        environment["GATEWAY_SIMULATOR__PORT"] = str(plan["simulator_port"])
    if plan["frontends"] > 1:
        environment["GATEWAY_INTERNAL_SHARED_PORT"] = "1"
    announce(plan)
    policy = Policy(
        drain_s=plan["drain_s"] + DRAIN_SPARE_S,
        backoff_first_s=plan["backoff_base_s"],
        backoff_max_s=plan["backoff_max_s"],
    )
    return run(
        _children(plan, environment),
        policy,
        on_exit=lambda _spec, pid, _code: _forget_gauges(metrics_dir, pid),
        log=_log(plan["log_level"], plan["log_format"]),
    )


def _log(level: str, log_format: str) -> Log:
    """The supervisor's records in the shape of all others."""
    log = make_log(level, log_format, "supervisor")

    def write(line: dict[str, object]) -> None:
        fields = dict(line)
        said, event = str(fields.pop("level")), str(fields.pop("event"))
        log.write_record(said if said in LEVELS else "error", event, fields)

    return write


def _children(plan: Plan, environment: dict[str, str]) -> list[ChildSpec]:
    def child(name: str, module: str, role: Any, notice: int | None = None) -> ChildSpec:
        return ChildSpec(name, (sys.executable, "-m", module), role, environment, notice)

    children = [child("simulator", "gateway.app.simulator", "simulator")] if plan["has_simulator"] else []
    children.append(child("service", "gateway.app.service", "service", signal.SIGUSR1))
    numbers = range(1, plan["frontends"] + 1)
    children += [child(f"frontend-{number}", "gateway.app.frontend", "frontend") for number in numbers]
    return children


def free_port(host: str) -> int:
    """A port nobody listens on now."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.bind(address)
        port: int = probe.getsockname()[1]
    return port


def _forget_gauges(metrics_dir: Path, pid: int) -> None:
    """Live gauges of a process end with it; its counters stay in the sums."""
    for path in metrics_dir.glob(f"gauge_live*_{pid}.db"):
        path.unlink(missing_ok=True)
