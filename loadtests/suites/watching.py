"""Watching a gateway while a suite runs: memory and descriptors per process, gauges, and when all is quiet again.

Rules:
    - Figures come from /proc and from /metrics, nothing inside the gateway is asked for them.
    - A gateway given by URL without a process id has gauges only.
Not here:
    - What the figures must be (the suites' checks).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from loadtests import procfs
from loadtests.stack import Gateway

OPEN = {
    "calls in flight": "gateway_calls_in_flight",
    "reservations": "gateway_reservations_open",
    "upstream replies": "gateway_upstream_replies_open",
}
TASKS = "gateway_asyncio_tasks"
CALLS = "gateway_calls_total"
TASKS_EVERY_S = 5.0


def gauges(gateway: Gateway) -> dict[str, float]:
    """What is open now, and the tasks of each role."""
    metrics = gateway.metrics()
    found = {name: total(metrics, metric) for name, metric in OPEN.items()}
    tasks = {name: value for name, value in metrics.items() if name.startswith(f"{TASKS}{{")}
    return found | {f"tasks {name.split('role=')[1].split(chr(34))[1]}": value for name, value in tasks.items()}


def total(metrics: dict[str, float], name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(value for key, value in metrics.items() if key == name or key.startswith(f"{name}{{"))


def processes(gateway: Gateway) -> dict[str, procfs.Usage]:
    """Frontend, service or single; empty when the process is unknown."""
    found = procfs.usage_by_role(gateway.pid)
    return {role: used for role, used in found.items() if role in ("frontend", "service", "single")}


def sample(gateway: Gateway, started_s: float, **more: Any) -> dict[str, Any]:
    """One line of the samples: what each process holds now."""
    line: dict[str, Any] = {"t_s": round(time.monotonic() - started_s, 1), **more}
    for role, used in processes(gateway).items():
        line |= {f"{role}_rss_mb": round(used.rss_kb / 1024, 1), f"{role}_pss_mb": round(used.pss_kb / 1024, 1)}
        line |= {f"{role}_fds": used.fds, f"{role}_cpu_s": round(used.cpu_s, 2)}
    return line


async def quiet(gateway: Gateway, within_s: float, *, and_also: Callable[[], bool] = lambda: True) -> float:
    """Wait until nothing is open (and `and_also` holds); seconds it took, or `within_s` when it did not come."""
    started_s = time.monotonic()
    while (spent_s := time.monotonic() - started_s) < within_s:
        now = await asyncio.to_thread(gauges, gateway)
        if not any(now[name] for name in OPEN) and and_also():
            return spent_s
        await asyncio.sleep(0.5)
    return within_s


def fds_are_back(gateway: Gateway, before: dict[str, procfs.Usage], slack: int) -> Callable[[], bool]:
    """Whether no process holds more descriptors than before, give or take."""

    def ask() -> bool:
        now = processes(gateway)
        return all(now[role].fds <= before[role].fds + slack for role in before if role in now)

    return ask
