"""Event-loop lag: measured, said when too large, and gathered counts are handed over on the way."""

from __future__ import annotations

import asyncio
import time

from gateway.observe.lag import EVERY_S, watch_lag
from gateway.observe.metrics import LOOP_LAG
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import KeptLog


async def test_a_blocked_loop_is_measured_and_logged() -> None:
    """What blocks it for 0.2 s shows up as lag."""
    log, sampled = KeptLog(), []
    task = asyncio.create_task(watch_lag(log, "lag-test", lambda: 0.05, lambda: sampled.append(1)))
    await asyncio.sleep(EVERY_S - 0.1)
    time.sleep(0.3)  # noqa: ASYNC251  # the thing to be measured
    await eventually(lambda: log.records("event loop lag"))
    assert log.records("event loop lag")[0]["lag_s"] >= 0.1
    assert LOOP_LAG.labels("lag-test")._value.get() >= 0.1  # prometheus_client has no reader
    assert sampled
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    log.close()
