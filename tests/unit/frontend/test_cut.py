"""The end of a drain: what still runs is cut, whether its client is there or not."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.rpc.contract import Head
from tests.unit.frontend.harness import CHAT_BODY, chunk, frontend, post, until


async def before_its_head(method, request, context):
    """A call that has said nothing yet."""
    await asyncio.Event().wait()
    yield Head({})


async def in_its_stream(method, request, context):
    """A call that has begun."""
    yield Head({})
    yield [chunk("a")]
    await asyncio.Event().wait()


@pytest.mark.parametrize("script", [before_its_head, in_its_stream])
async def test_a_client_that_is_gone(script, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is left to be told: a normal end, observed once, with nothing in the log."""
    with caplog.at_level(logging.INFO):
        async with frontend(script) as front:
            _, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(post("/v1/chat/completions", {**CHAT_BODY, "stream": True}))
            await until(lambda: front.toy.running == 1)
            (reply,) = front.running.edge.replies
            await until(lambda: reply.has_begun or script is before_its_head)
            assert reply.request.transport is not None
            reply.request.transport.abort()
            front.running.edge.cut_all()
            (observation,) = await front.observed()
            writer.close()
            assert front.toy.running == 0
    assert observation.error == "UNAVAILABLE"
    assert observation.outcome in {"cut", "error"}
    assert caplog.messages == []
