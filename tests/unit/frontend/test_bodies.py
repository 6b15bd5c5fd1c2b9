"""What a frontend holds of request bodies is counted and bounded, whoever sends them and however slowly."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.support.waiting import PATIENCE_S
from tests.unit.frontend.harness import Front, answers, error_of, frontend, post, split, until
from tests.unit.frontend.test_connections import connected, never, silent_mid_stream

CHAT = "/v1/chat/completions"
MAX_BYTES = 1_000_000
HTTP = {"bodies_max_bytes": MAX_BYTES, "body_max_bytes": MAX_BYTES}
READ_BYTES = 300_000  # what one connection may have handed over in one turn


def chat_of(size_bytes: int, *, is_stream: bool = False) -> bytes:
    """A chat request whose body has that size."""
    body = {"model": "m", "stream": is_stream, "messages": [{"role": "user", "content": ""}]}
    body["messages"] = [{"role": "user", "content": "x" * (size_bytes - len(json.dumps(body)))}]
    return json.dumps(body).encode()


def held_bytes(front: Front) -> int:
    """What the frontend holds now."""
    return front.running.edge.bodies.held_bytes


def is_settled(front: Front, read: asyncio.Task[bytes], size_bytes: int) -> bool:
    """Whether an upload is refused, or in so far that so much is held."""
    return read.done() or held_bytes(front) > size_bytes


async def ask(front: Front, body: bytes, *headers: str) -> int:
    """The status of a whole request; a refusal is exactly the one of this limit."""
    return status_of(await front.raw(post(CHAT, body, *headers)))


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    """One answer, without waiting for the end of its connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(int(split(head)[1]["content-length"]))


def status_of(answer: bytes) -> int:
    """The status of an answer, which is checked if it is a refusal."""
    status, headers, body = split(answer)
    if status != 200:
        assert (status, headers["retry-after"]) == (503, "1")
        assert error_of(body)["code"] == "overloaded"
        assert "http.bodies_max_bytes" in error_of(body)["message"]
    return status


async def test_slow_uploads_together_stay_under_the_limit() -> None:
    """Those beyond it are refused unread, small bodies pass, and who was taken is answered; at the end nothing is held.

    Each of forty announces 400 KB and sends a quarter of it, then waits: seven fit under 1 MB.
    """
    data = post(CHAT, chat_of(400_000))
    async with frontend(http=HTTP) as front, AsyncExitStack() as stack:
        slow: list[tuple[asyncio.StreamWriter, asyncio.Task[bytes]]] = []
        refused: list[asyncio.Task[bytes]] = []
        for _ in range(40):
            reader, writer = await stack.enter_async_context(connected(front))
            before = held_bytes(front)
            writer.write(data[:100_000])
            read = asyncio.create_task(answer_of(reader))
            await until(partial(is_settled, front, read, before + 99_000))
            if read.done():
                refused.append(read)
            else:
                slow.append((writer, read))
            assert held_bytes(front) <= MAX_BYTES
        assert len(slow) == 7
        assert {status_of(read.result()) for read in refused} == {503}
        assert await ask(front, chat_of(60_000)) == 200

        most_bytes = 0
        for writer, read in slow:
            writer.write(data[100_000:])
            while not read.done():
                most_bytes = max(most_bytes, held_bytes(front))
                await asyncio.sleep(0)
        assert 200 in [status_of(read.result()) for _, read in slow]
        assert most_bytes <= MAX_BYTES + READ_BYTES
        await until(lambda: held_bytes(front) == 0)
        assert await ask(front, chat_of(900_000)) == 200


async def test_a_body_counts_until_its_answer_begins() -> None:
    """A call that waits for its provider may still have to be sent again; a stream under way holds nothing."""
    async with frontend(never, http=HTTP) as front, connected(front) as (_, writer):
        writer.write(post(CHAT, chat_of(900_000)))
        await until(lambda: front.toy.running == 1)
        assert held_bytes(front) == 900_000
        assert await ask(front, chat_of(200_000)) == 503
        front.toy.script = answers
        assert await ask(front, chat_of(60_000)) == 200
        writer.close()
        await until(lambda: held_bytes(front) == 0)
        assert await ask(front, chat_of(200_000)) == 200


async def test_a_stream_under_way_holds_nothing() -> None:
    """It may stay open for hours."""
    async with frontend(silent_mid_stream, http=HTTP) as front, connected(front) as (reader, writer):
        writer.write(post(CHAT, chat_of(900_000, is_stream=True)))
        await asyncio.wait_for(reader.readuntil(b'"a"'), PATIENCE_S)
        assert held_bytes(front) == 0
        assert front.toy.running == 1


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_of_unknown_size_is_refused_when_it_outgrows_what_is_left(is_chunked: bool) -> None:
    """No length before it, or little of it before it is decompressed."""
    async with frontend(never, http=HTTP) as front, connected(front) as (_, writer):
        writer.write(post(CHAT, chat_of(900_000)))
        await until(lambda: front.toy.running == 1)
        front.toy.script = answers
        body = chat_of(300_000)
        if is_chunked:
            coded = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            assert await ask(front, coded, "Transfer-Encoding: chunked") == 503
        else:
            assert await ask(front, gzip.compress(body), "Content-Encoding: gzip") == 503
        await until(lambda: held_bytes(front) == 900_000)


@pytest.mark.parametrize("sent", [b'{"model": "m", ', b"[1]", b"{" * 100_000])
async def test_nothing_stays_held_of_a_request_that_failed(sent: bytes) -> None:
    """Cut off, of a wrong shape, or no JSON."""
    async with frontend(http=HTTP) as front:
        await front.raw(post(CHAT, sent, "Content-Length: 200000" if len(sent) < 20 else "X-A: b"), eof=True)
        assert front.observations
        assert held_bytes(front) == 0


async def test_a_reload_changes_the_limit() -> None:
    """For the next request; the count goes on."""
    async with frontend(never, http=HTTP) as front, connected(front) as (_, writer):
        writer.write(post(CHAT, chat_of(900_000)))
        await until(lambda: front.toy.running == 1)
        front.toy.script = answers
        assert await ask(front, chat_of(500_000)) == 503
        front.settings = front.settings.from_json(json.dumps({"http": {**HTTP, "bodies_max_bytes": 2 * MAX_BYTES}}))
        assert await ask(front, chat_of(500_000)) == 200
