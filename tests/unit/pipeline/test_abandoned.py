"""What a call costs whose caller left, or let its time pass, before anything was answered."""

from __future__ import annotations

import asyncio

import pytest

from gateway.rpc.contract import CHAT, STREAM_CHAT
from gateway.wire.openai import chat
from tests.support.waiting import eventually
from tests.unit.pipeline.scripted import Step, call, scripted

WORDS = "word " * 40


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_leaves_pays_for_the_prompt(stream: bool) -> None:
    """The provider was sent it, and bills it; nothing was answered."""
    request = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": WORDS}], "stream": stream})
    async with scripted({"a": ["silent"]}, silence_s=30.0) as (made, script):
        task = asyncio.create_task(made.call(STREAM_CHAT if stream else CHAT, request))
        await eventually(lambda: script.seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (record,) = made.log.records()
        assert (record["prompt_tokens"], record["completion_tokens"], record["is_estimate"]) == (54, 0, True)


async def test_a_deadline_that_passes_is_the_callers_too() -> None:
    """It chose the time."""
    async with scripted({"a": ["silent"]}) as (made, _):
        assert (await call(made, timeout_ms=60)).error is not None
        (record,) = made.log.records()
        assert (record["outcome"], record["completion_tokens"]) == ("deadline_exceeded", 0)
        assert record["prompt_tokens"] > 0


@pytest.mark.parametrize("step", [503, "silent", b""])
async def test_a_provider_that_fails_costs_the_caller_nothing(step: Step) -> None:
    """Whatever it bills."""
    async with scripted({"a": [step]}) as (made, _):
        assert (await call(made, stream=True)).error is not None
        (record,) = made.log.records()
        assert (record["prompt_tokens"], record["completion_tokens"]) == (0, 0)


async def test_a_caller_that_leaves_between_two_attempts_pays_nothing() -> None:
    """No provider works for it then."""
    async with scripted({"a": [(503, "5")]}) as (made, script):
        task = asyncio.create_task(call(made))
        await eventually(lambda: script.seen)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (record,) = made.log.records()
        assert record["prompt_tokens"] == 0
