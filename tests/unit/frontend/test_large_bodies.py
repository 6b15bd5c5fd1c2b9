"""A body larger than a head may be: none of its bytes are taken for a request head, whenever they arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp.helpers import DEFAULT_CHUNK_SIZE

from gateway.rpc.contract import CallContext, Item, Method
from tests.support.waiting import PATIENCE_S
from tests.unit.frontend.harness import CHAT_BODY, answers, frontend, post, split, until
from tests.unit.frontend.test_connections import connected, keeping

CHAT = "/v1/chat/completions"


async def test_refused_body_that_still_comes_is_no_head() -> None:
    """A client that goes on sending after its 413 gets that one answer and nothing after it."""
    async with frontend() as front, connected(front) as (reader, writer):
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 50000000\r\n\r\n"
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert b" 413 " in head
        for _ in range(8):
            writer.write(b"x" * 16_384)
            await writer.drain()
            await asyncio.sleep(0)
        rest = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert b"HTTP/1.1" not in rest, rest


async def test_body_that_follows_its_head_at_once_is_no_head() -> None:
    """Bytes of a body may arrive in any turn of the loop after the head's, also before the request is begun."""
    async with frontend() as front:
        body = {"model": "m", "messages": [{"role": "user", "content": "x" * 100_000}]}
        data = post(CHAT, body)
        cut = data.index(b"\r\n\r\n") + 4
        for turns in range(8):
            async with connected(front) as (reader, _):
                [protocol] = [p for p in front.running._open[0][1].connections if p.transport is not None]
                protocol.data_received(data[: cut + 10])
                for _ in range(turns):
                    await asyncio.sleep(0)
                protocol.data_received(data[cut + 10 :])
                status, _, _ = split(await asyncio.wait_for(reader.read(), PATIENCE_S))
                assert status == 200, turns


async def test_body_behind_a_running_request_is_held_back_and_read_later() -> None:
    """Of a pipelined body a part is buffered, the rest waits until its own request is begun; all of it is read then."""
    go_on = asyncio.Event()

    async def waiting(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        await go_on.wait()
        async for item in answers(method, request, context):
            yield item

    text = "x" * 4_000_000
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    async with frontend(waiting) as front, connected(front) as (reader, writer):
        writer.write(keeping(CHAT, json.dumps(CHAT_BODY).encode()) + post(CHAT, body))
        await until(lambda: len(front.toy.calls) == 1)
        [protocol] = [p for p in front.running._open[0][1].connections if p.transport is not None]
        await until(lambda: protocol.transport is not None and not protocol.transport.is_reading())
        go_on.set()
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert answer.count(b"HTTP/1.1 200 ") == 2
        assert front.toy.calls[1][1].messages[0].blocks[0].text == text


async def test_body_of_very_many_chunks_leaves_its_connection_as_it_was() -> None:
    """The last chunk of a body may pause reading, just before the body ends: the next request is read all the same."""
    body = json.dumps(CHAT_BODY).encode()
    pieces = body + b" " * (DEFAULT_CHUNK_SIZE // 16 + 1 - len(body))
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in pieces) + b"0\r\n\r\n"
    async with frontend() as front, connected(front) as (reader, writer):
        await until(lambda: any(p.transport is not None for p in front.running._open[0][1].connections))
        [protocol] = [p for p in front.running._open[0][1].connections if p.transport is not None]
        protocol.data_received(keeping(CHAT, b"", "Transfer-Encoding: chunked") + chunked)
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        writer.write(post(CHAT, body))
        assert b"HTTP/1.1 200 " in await asyncio.wait_for(reader.read(), PATIENCE_S)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_many_requests_behind_a_body_that_came_late_are_all_answered(method: str) -> None:
    """More than the parser reads ahead, and its count is one too high after a body that followed its head."""
    first = keeping(CHAT, json.dumps(CHAT_BODY).encode())
    cut = first.index(b"\r\n\r\n") + 4
    path, body = (CHAT, json.dumps(CHAT_BODY).encode()) if method == "POST" else ("/health", b"")
    more, last = keeping(path, body, method=method), post(path, body, method=method)
    async with frontend() as front, connected(front) as (reader, _):
        await until(lambda: any(p.transport is not None for p in front.running._open[0][1].connections))
        [protocol] = [p for p in front.running._open[0][1].connections if p.transport is not None]
        protocol.data_received(first[:cut])
        await until(lambda: protocol._request_in_progress)
        protocol.data_received(first[cut:] + more * 39 + last)
        answers = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert answers.count(b"HTTP/1.1 200 ") == 41
