"""The watch ends RPCs whose reader takes nothing, and no others; all of them when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.service.watch import Rpc, Watch
from tests.support.waiting import PATIENCE_S


async def _rpc(watch: Watch, entered: asyncio.Future[Rpc]) -> None:
    rpc = watch.enter()
    entered.set_result(rpc)
    try:
        await asyncio.Event().wait()
    finally:
        watch.leave(rpc)


async def _begin(watch: Watch) -> tuple[Rpc, asyncio.Task[None]]:
    entered: asyncio.Future[Rpc] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_rpc(watch, entered))
    return await entered, task


async def test_only_the_waiting_one_ends() -> None:
    """One that waits for its reader ends with STALLED_READER; one that waits for a provider does not."""
    watch = Watch(lambda: 0.1)
    stalled, stalled_task = await _begin(watch)
    quiet, quiet_task = await _begin(watch)
    stalled.waits_since_s = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(stalled_task, PATIENCE_S)
    assert stalled.ended is not None
    assert stalled.ended.kind is Kind.STALLED_READER
    assert quiet.ended is None
    assert not quiet_task.done()
    assert watch.open_count == 1
    quiet_task.cancel()
    await asyncio.gather(quiet_task, return_exceptions=True)
    assert watch.open_count == 0


async def test_end_all_ends_each_once() -> None:
    """The reason that came first stays, and a second end does not cancel what is being cleaned up."""
    watch = Watch(lambda: 60.0)
    rpcs = [await _begin(watch) for _ in range(3)]
    first, second = (GatewayError(Kind.UNAVAILABLE, text) for text in ("first", "second"))
    assert watch.end_all(first) == 3
    watch.end_all(second)
    assert all(rpc.ended is first and task.cancelling() == 1 for rpc, task in rpcs)
    await asyncio.gather(*[task for _, task in rpcs], return_exceptions=True)
    assert watch.open_count == 0
