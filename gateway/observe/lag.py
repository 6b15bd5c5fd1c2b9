"""How late the event loop runs what is due: the first sign of a process at its limit.

Rules:
    - Measured twice a second by a sleeping task; costs nothing between. Whoever starts it may have its own
      gauges sampled at the same moment; tasks are counted every tenth time, since counting walks them all.
Not here:
    - What to do about it (operators, and load shedding).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from gateway.observe.log import Log
from gateway.observe.metrics import FAILURES, LOOP_LAG, TASKS
from gateway.observe.tally import failures, flush, not_failing

EVERY_S = 0.5
TASKS_EVERY = 10


async def watch_lag(
    log: Log, role: str, warn_s: Callable[[], float], sample: Callable[[], None] = lambda: None
) -> None:
    """Measure until cancelled; lag above `warn_s()` is logged. Gathered counts are handed over on the way.

    `sample` sets gauges of the caller's own; it must not wait.
    """
    loop = asyncio.get_running_loop()
    gauge, tasks = LOOP_LAG.labels(role), TASKS.labels(role)
    told = 0
    for number in count():
        with not_failing():
            sample()
            if number % TASKS_EVERY == 0:
                tasks.set(len(asyncio.all_tasks(loop)))
                FAILURES.set(failures.count)
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        flush()
        lag_s = max(0.0, loop.time() - due)
        with not_failing():
            gauge.set(lag_s)
        if failures.count > told:
            told = failures.count
            log.write("error", "telemetry failed", count=told, traceback=failures.latest)
        if lag_s > warn_s():
            log.write("warning", "event loop lag", lag_s=round(lag_s, 3))
