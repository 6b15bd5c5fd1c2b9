"""`on_client_gone`: a caller that leaves closes the provider's answer - or has it read to its end, for exact usage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.rpc.contract import STREAM_CHAT, Head
from gateway.simulator import server as simulator
from gateway.wire.openai import chat
from tests.support.simulated import Simulated, unique
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import Bench, bench, config_of, model, provider


@asynccontextmanager
async def leaving(policy: str, name: str) -> AsyncIterator[tuple[Bench, Simulated]]:
    """A call that was begun under this policy, and left after its first events."""
    upstream = await simulator.serve("127.0.0.1", 0)
    config = config_of({"p": provider(f"{upstream.url}/v1")}, {"m": model("p", on_client_gone=policy)},
                       limits={"concurrency": 3})  # fmt: skip
    try:
        async with bench(config) as made:
            request: Any = chat.decode_request(
                {"model": name, "messages": [{"role": "user", "content": "x"}], "stream": True}
            )
            items = made.start(STREAM_CHAT, request)
            assert isinstance(await anext(items), Head)
            await anext(items)
            await items.aclose()
            yield made, Simulated(upstream.url)
    finally:
        await upstream.stop()


async def test_by_default_the_provider_is_left_as_well() -> None:
    """At once: nothing is held when the call is over, and the provider sees it."""
    name = unique("sim-chunks-20-pace-20")
    async with leaving("cancel", name) as (made, seen):
        assert made.is_at_rest
        await seen.until(name, aborted=1)
        assert made.kit.background == set()


async def test_where_asked_the_answer_is_read_to_its_end() -> None:
    """The caller's place stays taken until then; the usage is the provider's own count."""
    name = unique("sim-chunks-20-pace-10")
    async with leaving("drain", name) as (made, seen):
        assert made.kit.quota.in_flight("test") == 1
        await eventually(lambda: made.is_at_rest)
        await seen.until(name, completed=1, aborted=0)
        (record,) = made.log.records()
        assert (record["outcome"], "is_estimate" in record) == ("cancelled", False)
        assert record["completion_tokens"] >= 20


@pytest.mark.parametrize("moments", [0, 5])
async def test_stopping_settles_what_is_still_read(moments: int) -> None:
    """Also what was begun in the very moment of the stop."""
    name = unique("sim-chunks-500-pace-20")
    async with leaving("drain", name) as (made, _):
        for _ in range(moments):
            await asyncio.sleep(0)
        await made.kit.stop()
        assert made.is_at_rest
        assert len(made.log.records()) == 1
