"""What strangers may send to the gRPC listener: sizes, floods, broken messages, odd metadata."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import INFERENCE, METHODS, Tail
from gateway.wire.pb import chat_pb2
from tests.support import h2
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.service.test_edge import ASKED, HEAD, WHOLE, Scripted, failed, reason, served

CHAT = f"/{INFERENCE}/Chat"
UNARY = sorted(name for name, method in METHODS.items() if not method.is_stream)


def answering() -> Scripted:
    """A service where everything works."""
    return Scripted(HEAD, [WHOLE], Tail({}))


def raw(channel: Any, path: str = CHAT) -> Any:
    """A call that takes any bytes for its request."""
    return channel.unary_unary(path)


def raw_stream(channel: Any) -> Any:
    """The same, streamed."""
    return channel.unary_stream(f"/{INFERENCE}/StreamChat")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xff", id="no-tag"),
        pytest.param(b"\x0a\x02\xff\xfe", id="text-not-utf8"),
        pytest.param(b"\x0a\x03\xed\xa0\x80", id="text-half-a-surrogate-pair"),
        pytest.param(b"\x0b" * 200, id="groups-that-never-end"),
        pytest.param(b"\x0a\xff\xff\xff\xff\x7f", id="length-beyond-the-message"),
        pytest.param(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", id="length-of-too-many-bytes"),
        pytest.param(b"\x00", id="field-zero"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_S11_what_is_no_message_is_the_callers_fault(data: bytes, is_stream: bool) -> None:
    """INVALID_ARGUMENT with our reason, nothing quoted, no call made; the connection goes on."""
    caller = answering()
    async with served(caller) as (stub, server):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            if is_stream:
                stream = raw_stream(channel)(data)
                error = await failed(stream.read())
            else:
                error = await failed(raw(channel)(data))
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason(error).kind is Kind.INVALID_REQUEST
            assert "gateway.v1.ChatRequest" in str(error.details())
            assert caller.contexts == []
        assert await stub.Chat(ASKED) == WHOLE


async def test_S11_random_bytes_never_make_a_method_fail() -> None:
    """Each method, for bytes of any kind: an answer or INVALID_ARGUMENT, never INTERNAL or UNKNOWN."""
    draw = random.Random(11)
    caller = Scripted(GatewayError(Kind.NOT_FOUND, "so far it came"))
    fine = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    whole = chat_pb2.ChatRequest(model="m", messages=[{"role": "user", "blocks": [{"text": "hi"}]}]).SerializeToString()
    async with served(caller) as (_, server), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for name in UNARY:
            for _ in range(12):
                data = bytearray(draw.randbytes(draw.randrange(40)) if draw.random() < 0.5 else whole)
                if data:
                    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
                method = METHODS[name]
                error = await failed(raw(channel, f"/{method.service}/{method.name}")(bytes(data)))
                assert error.code() in fine, (name, bytes(data), error.details())


async def test_S10_a_compression_bomb_is_refused_by_its_real_size() -> None:
    """60 MB of one letter are 60 KB on the wire: the bound counts what they become, before anybody reads them."""
    caller = answering()
    async with served(caller, message_max_bytes=65_536) as (stub, server):
        options = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
            bomb = chat_pb2.ChatRequest(model="x" * 60_000_000).SerializeToString()
            error = await failed(raw(channel)(bomb, compression=grpc.Compression.Gzip))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caller.contexts == []
        assert await stub.Chat(ASKED, compression=grpc.Compression.Gzip) == WHOLE


async def test_S10_metadata_has_a_bound() -> None:
    """More than 20 KB of metadata is refused before the call exists."""
    caller = answering()
    async with served(caller) as (stub, _):
        error = await failed(stub.Chat(ASKED, metadata=(("x-much", "y" * 24_000),)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caller.contexts == []


async def test_S10_calls_of_one_connection_wait_their_turn() -> None:
    """Above `max_concurrent_streams` a connection's further calls are not begun."""
    caller = Scripted(HEAD, "wait")
    async with served(caller, max_concurrent_streams=5) as (stub, _):
        calls = [stub.Chat(ASKED) for _ in range(12)]
        await eventually(lambda: len(caller.contexts) == 5)
        await asyncio.sleep(0.2)
        assert len(caller.contexts) == 5
        for call in calls:
            call.cancel()


async def test_S10_calls_of_all_connections_are_bounded() -> None:
    """One more than `max_calls` is RESOURCE_EXHAUSTED; when one ends, the next is taken."""
    caller = Scripted(HEAD, "wait")
    async with served(caller, max_calls=3) as (stub, _):
        calls = [stub.Chat(ASKED) for _ in range(3)]
        await eventually(lambda: len(caller.contexts) == 3)
        error = await failed(stub.Chat(ASKED))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        calls[0].cancel()
        await eventually(lambda: caller.closed == 1)
        caller.items = (HEAD, [WHOLE], Tail({}))
        assert await stub.Chat(ASKED) == WHOLE
        for call in calls[1:]:
            call.cancel()


async def test_S10_connections_are_bounded() -> None:
    """One more than `max_connections` is closed; the others go on."""
    async with served(answering(), max_connections=2) as (stub, server):
        assert await stub.Chat(ASKED) == WHOLE
        _, second = await h2.connect(server.port)
        await asyncio.sleep(0.1)
        reader, third = await h2.connect(server.port)
        assert (await h2.frames_until(reader, set()))[-1] == -1
        assert await stub.Chat(ASKED) == WHOLE
        second.close()
        third.close()


async def test_S10_rapid_reset_leaves_nothing_behind() -> None:
    """3,000 calls opened and reset in one breath: another client is served, and every call that began was closed."""
    caller = Scripted(HEAD, "wait")
    async with served(caller, max_concurrent_streams=100) as (stub, server):
        _, writer = await h2.connect(server.port)
        head, message = (
            h2.call_head(CHAT),
            b"\0" + len(ASKED.SerializeToString()).to_bytes(4) + ASKED.SerializeToString(),
        )
        for number in range(1, 6001, 2):
            writer.write(
                h2.frame(h2.HEADERS, h2.END_HEADERS, number, head)
                + h2.frame(h2.DATA, h2.END_STREAM, number, message)
                + h2.frame(h2.RST_STREAM, 0, number, h2.CANCEL.to_bytes(4))
            )
        waiting = stub.Chat(ASKED)
        await eventually(lambda: any(context.peer for context in caller.contexts))
        waiting.cancel()
        writer.close()
        await eventually(lambda: caller.closed == len(caller.contexts))
        caller.items = (HEAD, [WHOLE], Tail({}))
        assert await stub.Chat(ASKED) == WHOLE


async def test_S10_a_flood_of_pings_ends_its_connection() -> None:
    """Pings faster than every 10 s are strikes: the connection is told GOAWAY and closed."""
    async with served(answering()) as (stub, server):
        reader, writer = await h2.connect(server.port)
        for _ in range(50):
            writer.write(h2.frame(h2.PING, 0, 0, b"\0" * 8))
        seen = await h2.frames_until(reader, {h2.GOAWAY})
        assert seen[-1] in {h2.GOAWAY, -1}
        writer.close()
        assert await stub.Chat(ASKED) == WHOLE


async def test_S10_a_connection_that_says_nothing_is_closed() -> None:
    """No preface within the time for a handshake: closed."""
    async with served(answering(), handshake_timeout_s=0.5) as (_, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(PATIENCE_S):
            while await reader.read(1000):
                pass
        writer.close()


@pytest.mark.parametrize("value", [b"a\r\nauthorization: Bearer x", b"a\nb", b"a\0b", b"a\rb"])
async def test_S4_metadata_with_line_breaks_makes_no_call(value: bytes) -> None:
    """Sent as raw HTTP/2, past every client library: refused, and nothing of it reaches a call."""
    caller = answering()
    async with served(caller) as (stub, server):
        for name in ("x-request-id", "traceparent", "authorization", "x-gateway-hop", "cache-control"):
            reader, writer = await h2.connect(server.port)
            message = b"\0" + len(ASKED.SerializeToString()).to_bytes(4) + ASKED.SerializeToString()
            writer.write(
                h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.call_head(CHAT, (name, value)))
                + h2.frame(h2.DATA, h2.END_STREAM, 1, message)
            )
            await h2.frames_until(reader, {h2.HEADERS, h2.RST_STREAM, h2.GOAWAY})
            writer.close()
        assert caller.contexts == []
        assert await stub.Chat(ASKED) == WHOLE


async def test_S12_two_credentials_are_refused() -> None:
    """Several `authorization` metadata are INVALID_ARGUMENT, as over HTTP; no call is made."""
    caller = answering()
    async with served(caller) as (stub, _):
        error = await failed(stub.Chat(ASKED, metadata=(("authorization", "Bearer a"), ("authorization", "Bearer b"))))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caller.contexts == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0af7651916cd43dd8448eb211c80319c", False),
        ("<script>", False),
    ],
)
async def test_S4_a_trace_that_is_none_is_not_carried(given: str, kept: bool) -> None:
    """Only the form of the standard reaches the call."""
    caller = answering()
    async with served(caller) as (stub, _):
        await stub.Chat(ASKED, metadata=(("traceparent", given),))
    assert caller.contexts[0].traceparent == (given if kept else "")
