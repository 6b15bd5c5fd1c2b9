"""How late the event loop runs what is due: the first sign of a process at its limit.

Rules:
    - Measured twice a second by a sleeping task; costs nothing between.
Not here:
    - What to do about it (operators, and load shedding).
"""

from __future__ import annotations

import asyncio

from gateway.observe.log import Log
from gateway.observe.metrics import LOOP_LAG

EVERY_S = 0.5


async def watch_lag(log: Log, role: str, warn_s: float) -> None:
    """Measure until cancelled; lag above `warn_s` is logged."""
    loop = asyncio.get_running_loop()
    gauge = LOOP_LAG.labels(role)
    while True:
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        lag_s = max(0.0, loop.time() - due)
        gauge.set(lag_s)
        if lag_s > warn_s:
            log.write("warning", "event loop lag", lag_s=round(lag_s, 3))
