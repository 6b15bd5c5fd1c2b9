"""Lives of connections: clients that leave, stall, trickle or pipeline; limits; drain."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Head, Tail
from tests.support.waiting import PATIENCE_S
from tests.unit.frontend.harness import CHAT_BODY, Front, chat_response, chunk, error_of, frontend, post, split, until

PATH = "/v1/chat/completions"
STREAM = {**CHAT_BODY, "stream": True}


def keeping(path: str, body: bytes = b"", *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    """A request that keeps its connection."""
    return post(path, body, *headers, method=method, version=version).replace(b"Connection: close\r\n", b"")


@asynccontextmanager
async def connected(front: Front) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def never(method, request, context):
    """A call that waits before its head."""
    await asyncio.Event().wait()
    yield Head({})


async def silent_after_head(method, request, context):
    """A call that waits before its first content."""
    yield Head({})
    await asyncio.Event().wait()


async def silent_mid_stream(method, request, context):
    """A call that waits after its first content."""
    yield Head({})
    yield [chunk("a")]
    await asyncio.Event().wait()


async def endless(method, request, context):
    """A call that gives content as fast as it is taken."""
    yield Head({})
    while True:
        yield [chunk("x" * 10_000)]
        await asyncio.sleep(0)


@pytest.mark.parametrize("body", [CHAT_BODY, STREAM], ids=["json", "stream"])
@pytest.mark.parametrize("script", [never, silent_after_head, silent_mid_stream, endless])
@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_call_ends_when_its_client_leaves(script, body, ending) -> None:
    """In every phase the generator of the call is closed when its client goes; nothing else would end it so soon."""
    async with frontend(script) as front:
        _, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(keeping(PATH, json.dumps(body).encode()))
        await until(lambda: bool(front.toy.running))
        await asyncio.sleep(0.02)
        if ending == "reset":
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        else:
            writer.close()
        await asyncio.wait_for(front.toy.closed.wait(), PATIENCE_S)
        (observation,) = await front.observed()
    assert front.toy.running == 0
    assert observation.outcome == "cancelled"
    assert observation.status == (200 if body is STREAM and script in (silent_mid_stream, endless) else 499)


async def test_client_that_leaves_while_sending_makes_no_call() -> None:
    """A body that is cut off is no request."""
    async with frontend() as front:
        async with connected(front) as (_, writer):
            writer.write(keeping(PATH, b'{"model"', "Content-Length: 500"))
            await writer.drain()
            await asyncio.sleep(0.05)
        (observation,) = await front.observed()
        assert front.toy.calls == []
    assert (observation.status, observation.outcome) == (499, "cancelled")


async def test_stalled_reader_is_ended_and_others_are_not() -> None:
    """A reader that takes nothing is ended after `stalled_for_s`, within its buffer bound; a reading one goes on."""
    http = {"stalled_for_s": 3.0, "stream_buffer_max_bytes": 32_768}  # the one that reads may stand still as well
    async with frontend(endless, http=http) as front, connected(front) as (still, writer):
        writer.write(keeping(PATH, json.dumps(STREAM).encode()))
        await still.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        async with connected(front) as (reader, other):
            other.write(keeping(PATH, json.dumps(STREAM).encode()))
            taken = 0
            async with asyncio.timeout(PATIENCE_S):
                while not front.observations:
                    taken += len(await reader.read(65_536))
            before = taken
            taken += len(await reader.readexactly(1_000_000))
        (observation, _) = await front.observed(2)
    assert observation.outcome == "stalled"
    assert taken > before > 0


async def test_stalled_reader_of_a_whole_answer_is_ended() -> None:
    """The same holds for a large JSON answer."""

    async def script(method, request, context):
        yield [chat_response("x" * 12_000_000)]
        yield Tail({})

    async with frontend(script, http={"stalled_for_s": 0.3}) as front, connected(front) as (still, writer):
        writer.transport.pause_reading()
        writer.write(keeping(PATH, json.dumps(CHAT_BODY).encode()))
        (observation,) = await front.observed()
        await until(lambda: not front.running.connection_count)
        del still
    assert (observation.status, observation.outcome) == (200, "stalled")


async def test_connection_that_closes_over_unread_bytes_is_ended() -> None:
    """A stream that failed while its reader stalls does not hold its connection for ever."""

    async def script(method, request, context):
        yield [chunk("x" * 8_000_000)]
        raise GatewayError(Kind.STREAM_CUT, "Cut.")

    http = {"stalled_for_s": 0.3, "stream_buffer_max_bytes": 100_000_000}
    async with frontend(script, http=http) as front, connected(front) as (still, writer):
        writer.transport.pause_reading()
        writer.write(keeping(PATH, json.dumps(STREAM).encode()))
        (observation,) = await front.observed()
        assert front.running.connection_count == 1
        await until(lambda: not front.running.connection_count)
        del still
    assert observation.outcome == "error"


async def test_trickling_reader_is_not_stalled() -> None:
    """A reader that takes something now and then is slow, not stalled: it gets its whole stream."""

    async def script(method, request, context):
        for _ in range(200):
            yield [chunk("x" * 100_000)]
        yield Tail({})

    http = {"stalled_for_s": 3.0, "stream_buffer_max_bytes": 32_768}
    loop = asyncio.get_running_loop()
    async with frontend(script, http=http) as front, connected(front) as (reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        writer.write(post(PATH, STREAM))
        data, began_s = bytearray(), loop.time()
        while piece := await reader.read(150_000):
            data += piece
            await asyncio.sleep(0.03)
        assert loop.time() - began_s > http["stalled_for_s"], "it was read before it could be taken for stalled"
        (observation,) = await front.observed()
    assert data.endswith(b"0\r\n\r\n")
    assert observation.outcome == "complete"


async def test_quiet_stream_carries_comments() -> None:
    """After `stream_ping_s` without an event a stream carries an SSE comment, and again; events are undisturbed."""

    has_pinged = asyncio.Event()

    async def script(method, request, context):
        yield [chunk("a")]
        await has_pinged.wait()
        yield ["b"]
        yield Tail({})

    async with frontend(script, http={"stream_ping_s": 0.1}) as front, connected(front) as (reader, writer):
        writer.write(post(PATH, STREAM))
        raw = b""
        while raw.count(b": ping") < 2:
            raw += await reader.read(1000)
        has_pinged.set()
        _, _, body = split(raw + await reader.read())
    frames = body.split(b"\n\n")
    assert [frame[:7] for frame in frames if frame != b": ping"] == [b"data: {", b"data: {", b"data: [", b""]


async def test_slow_body_is_408() -> None:
    """A body that does not arrive within `body_timeout_s` is refused with an answer."""
    async with frontend(http={"body_timeout_s": 0.2}) as front:
        status, headers, body = split(await front.raw(keeping(PATH, b'{"mo', "Content-Length: 100")))
        assert front.toy.calls == []
    assert status == 408
    assert error_of(body)["code"] == "request_timeout"
    assert headers["connection"] == "close"


async def test_slow_head_is_408() -> None:
    """S6: a request head that trickles in is refused; a silent connection is closed without words."""
    async with frontend(http={"headers_timeout_s": 0.2}) as front:
        status, _, body = split(await front.raw(b"GET / HTTP/1.1\r\nHost: x\r\nx-a: "))
        silence = await front.raw(b"")
    assert status == 408
    assert error_of(body)["code"] == "request_timeout"
    assert silence == b""


async def test_slow_second_head_is_408() -> None:
    """The clock of the head also runs for later requests of a connection, from their first byte."""
    async with frontend(http={"headers_timeout_s": 0.2}) as front, connected(front) as (reader, writer):
        writer.write(keeping("/health", method="GET"))
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.4)
        writer.write(b"GET / HTTP/1.1\r\n")
        rest = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert b"HTTP/1.1 408" in rest


async def test_endless_head_is_431() -> None:
    """A head of many small lines in many pieces is refused at its size limit."""
    async with frontend(http={"headers_max_bytes": 4096}) as front, connected(front) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for _ in range(60):
            writer.write(b"x-a: " + b"y" * 90 + b"\r\n")
            await asyncio.sleep(0.001)
        status, _, body = split(await asyncio.wait_for(reader.read(), PATIENCE_S))
    assert status == 431
    assert error_of(body)["code"] == "headers_too_large"


async def test_broken_chunks_after_the_head_are_400() -> None:
    """Chunks that turn out to be malformed while the body is read are an error answer, and no call."""
    async with frontend() as front, connected(front) as (reader, writer):
        writer.write(keeping(PATH, b"", "Transfer-Encoding: chunked"))
        await asyncio.sleep(0.05)
        writer.write(b"zz\r\n")
        status, _, body = split(await asyncio.wait_for(reader.read(), PATIENCE_S))
        assert front.toy.calls == []
    assert status == 400
    assert "malformed" in error_of(body)["message"]


async def test_idle_connection_is_closed() -> None:
    """A kept connection without a request is closed after `keepalive_s`."""
    async with frontend(http={"keepalive_s": 0.2}) as front, connected(front) as (reader, writer):
        writer.write(keeping("/health", method="GET"))
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert split(answer)[0] == 200


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Several requests in one packet get their answers in order on one connection, errors included."""
    data = keeping("/health", method="GET") + keeping("/v1/nope", b"{}") + keeping(PATH, json.dumps(CHAT_BODY).encode())
    async with frontend() as front:
        answer = await front.raw(data + post("/health", b"", method="GET"))
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"200", b"200"]


async def test_http_1_0() -> None:
    """An HTTP/1.0 client gets a whole answer and a stream without chunks, ended by its connection."""
    async with frontend() as front:
        status, headers, body = split(await front.raw(post(PATH, CHAT_BODY, version="1.0")))
        assert (status, headers["connection"]) == (200, "close")
        assert json.loads(body)
        kept = keeping("/health", b"", "Connection: keep-alive", method="GET", version="1.0")
        async with connected(front) as (reader, writer):
            writer.write(kept)
            head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: keep-alive" in head
        _, headers, body = split(await front.raw(post(PATH, STREAM, version="1.0")))
    assert "transfer-encoding" not in headers
    assert body.endswith(b"data: [DONE]\n\n")


async def test_connections_beyond_the_limit_are_503() -> None:
    """Connections beyond `max_connections` are told so; when others end there is room again."""
    async with frontend(http={"max_connections": 2}) as front:
        async with connected(front), connected(front):
            await asyncio.sleep(0.05)
            status, headers, body = split(await front.raw(post(PATH, CHAT_BODY)))
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert error_of(body)["code"] == "overloaded"
        await until(lambda: not front.running.connection_count)
        assert split(await front.raw(post(PATH, CHAT_BODY)))[0] == 200


async def test_connections_far_beyond_the_limit_are_closed() -> None:
    """A flood of connections is not even answered."""
    async with frontend(http={"max_connections": 2}) as front, connected(front), connected(front), connected(front):
        await asyncio.sleep(0.05)
        async with connected(front) as (reader, _):
            assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""


async def test_draining_is_not_ready() -> None:
    """A frontend that drains says so on connections it still has."""
    async with frontend() as front, connected(front) as (reader, writer):
        writer.write(keeping("/readyz", method="GET"))
        await reader.readuntil(b'{"status":"ready"}')
        front.running.edge.begin_drain()
        writer.write(keeping("/readyz", method="GET"))
        status, headers, _ = split(await asyncio.wait_for(reader.read(), PATIENCE_S))
    assert (status, headers["connection"]) == (503, "close")


async def test_observer_that_fails_does_not_spoil_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the observer is logged; connection and answer are whole."""

    def broken(observation):
        raise RuntimeError("bug")

    async with frontend() as front:
        front.running.edge.observer = broken
        data = keeping("/health", method="GET") + post("/health", b"", method="GET")
        answer = await front.raw(data)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert len(caplog.records) == 2


async def test_drain_finishes_what_runs() -> None:
    """Draining takes no new connection, closes idle ones, and lets a running stream end well."""
    proceed = asyncio.Event()

    async def script(method, request, context):
        yield [chunk("a")]
        await proceed.wait()
        yield Tail({})

    async with frontend(script) as front, connected(front) as (idle, _), connected(front) as (reader, writer):
        writer.write(keeping(PATH, json.dumps(STREAM).encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        draining = asyncio.create_task(front.running.drain(5.0))
        assert await asyncio.wait_for(idle.read(), PATIENCE_S) == b""
        with pytest.raises(OSError, match=r".*"):
            await asyncio.open_connection("127.0.0.1", front.port)
        proceed.set()
        rest = await asyncio.wait_for(reader.read(), PATIENCE_S)
        await asyncio.wait_for(draining, PATIENCE_S)
    assert b"connection" not in head
    assert rest.endswith(b"0\r\n\r\n")
    assert b"[DONE]" in rest


@pytest.mark.parametrize("body", [CHAT_BODY, STREAM], ids=["json", "stream"])
async def test_drain_cuts_what_does_not_end(body) -> None:
    """What still runs at the end of the bound is ended with an explicit error, and its generator is closed."""
    async with frontend(silent_mid_stream) as front, connected(front) as (reader, writer):
        writer.write(keeping(PATH, json.dumps(body).encode()))
        await until(lambda: bool(front.toy.running))
        await asyncio.sleep(0.02)
        await asyncio.wait_for(front.running.drain(0.1), PATIENCE_S)
        status, _, answer = split(await asyncio.wait_for(reader.read(), PATIENCE_S))
        assert front.toy.running == 0
        (observation,) = await front.observed()
    if body is STREAM:
        assert status == 200
        assert b'"unavailable"' in answer
        assert answer.endswith(b"<cut>")
    else:
        assert status == 503
        assert error_of(answer)["code"] == "unavailable"
    assert observation.error == "UNAVAILABLE"


async def test_request_keeps_the_settings_it_started_with() -> None:
    """A reload between two requests of one connection counts for the second."""
    async with frontend() as front, connected(front) as (reader, writer):
        writer.write(keeping("/health", b"", "x-request-id: mine", method="GET"))
        first = await reader.readuntil(b"\r\n\r\n")
        front.settings = front.settings.from_json('{"http": {"is_request_id_trusted": false}}')
        writer.write(post("/health", b"", "x-request-id: mine", method="GET"))
        second = await reader.read()
    assert b"x-request-id: mine" in first
    assert b"x-request-id: mine" not in second


async def test_nothing_is_left_after_many_requests() -> None:
    """Answered, failed and abandoned requests leave no connection, reply or task behind."""
    async with frontend() as front:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            await front.raw(post(PATH, CHAT_BODY))
            await front.raw(post(PATH, STREAM))
            await front.raw(post(PATH, b"{"))
            async with connected(front) as (_, writer):
                writer.write(keeping(PATH, json.dumps(STREAM).encode()))
        await until(lambda: not front.running.connection_count and len(asyncio.all_tasks()) <= before)
        assert front.running.edge.replies == set()
        assert front.toy.running == 0
