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
from gateway.observe.metrics import LOOP_LAG, TASKS
from gateway.observe.tally import flush

EVERY_S = 0.5
TASKS_EVERY = 10


async def watch_lag(log: Log, role: str, warn_s: float, sample: Callable[[], None] = lambda: None) -> None:
    """Measure until cancelled; lag above `warn_s` is logged. Gathered counts are handed over on the way.

    `sample` sets gauges of the caller's own; it must not wait.
    """
    loop = asyncio.get_running_loop()
    gauge, tasks = LOOP_LAG.labels(role), TASKS.labels(role)
    for number in count():
        sample()
        if number % TASKS_EVERY == 0:
            tasks.set(len(asyncio.all_tasks(loop)))
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        flush()
        lag_s = max(0.0, loop.time() - due)
        gauge.set(lag_s)
        if lag_s > warn_s:
            log.write("warning", "event loop lag", lag_s=round(lag_s, 3))
