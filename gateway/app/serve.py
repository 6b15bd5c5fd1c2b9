"""`gateway serve`: one service, some frontends and, in development, the simulator, under a supervisor.

Rules:
    - What stays is light: a short-lived child reads the configuration and prints the plan as JSON, and this process
      becomes (exec) the resident one, without the command line's libraries: 15 MB less beside every gateway.
    - Children find each other by a private runtime directory (0700): the link's unix socket, and the
      files in which their metrics add up. It is removed at the end.
Not here:
    - What stays (resident); restart, signals, drain (supervisor); what a child does (its own module).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.app import grpc_tuning
from gateway.app.resident import METRICS, Job, write_job
from gateway.supervisor.children import ChildSpec, Policy
from gateway.supervisor.run import SIGNALS

EXIT_CONFIGURATION = 78
DRAIN_SPARE_S = 5.0  # for last words and logs, after the children's own drain time is over
Plan = dict[str, Any]


def main(announce: Callable[[Plan], None]) -> int:
    """Become the supervisor of everything. `announce` is called with the plan before.

    Returns only when nothing can be started: an exit code.
    """
    plan = read_plan()
    if plan is None:
        return EXIT_CONFIGURATION
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # they wait until the supervisor takes them
    runtime_dir = Path(tempfile.mkdtemp(prefix="gateway-"))
    try:
        job = _job(plan, runtime_dir)
        announce(plan)
        write_job(runtime_dir, job)
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "gateway.app.resident", str(runtime_dir)])  # noqa: S606 - our own
    finally:
        shutil.rmtree(runtime_dir, ignore_errors=True)


def read_plan() -> Plan | None:
    """What to start, as `gateway.app.plan` prints it; None when it already said what is wrong."""
    done = subprocess.run([sys.executable, "-m", "gateway.app.plan"], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return None
    plan: Plan = json.loads(done.stdout)
    return plan


def _job(plan: Plan, runtime_dir: Path) -> Job:
    metrics_dir = runtime_dir / METRICS
    metrics_dir.mkdir()
    environment = {
        "GATEWAY_INTERNAL_LINK": f"unix:{runtime_dir}/link.sock",
        **grpc_tuning.variables(),
        "GATEWAY_INTERNAL_LINK_OPTIONS": json.dumps(plan["link_options"]),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir),
    }
    if plan["has_simulator"]:
        plan["simulator_port"] = plan["simulator_port"] or free_port(plan["simulator_host"])
        environment["GATEWAY_SIMULATOR__PORT"] = str(plan["simulator_port"])
    if plan["frontends"] > 1:
        environment["GATEWAY_INTERNAL_SHARED_PORT"] = "1"
    policy = Policy(
        drain_s=plan["drain_s"] + DRAIN_SPARE_S,
        backoff_first_s=plan["backoff_base_s"],
        backoff_max_s=plan["backoff_max_s"],
    )
    return Job(_children(plan, environment), policy, plan["log_level"], plan["log_format"])


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
