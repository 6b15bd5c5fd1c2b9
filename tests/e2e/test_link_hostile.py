"""Whatever frames arrive, in whatever order: the service lives, stays bounded, and other calls are unharmed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.rpc.connection import open_stream
from gateway.rpc.contract import CallContext, Head, Item, Tail
from gateway.rpc.options import LinkOptions, channel_arguments
from gateway.rpc.outbox import Outbox
from gateway.wire.pb import chat_pb2, link_pb2
from tests.e2e.link_toy import WAIT_S, Toy, for_ever, linked, never, take_all, until

Frame = link_pb2.Frame
HELLO = Frame(hello=link_pb2.Hello(protocol=1, credit_bytes=1000))


def opening(call: int, model: str = "echo", **more: Any) -> link_pb2.Frame:
    request = chat_pb2.ChatRequest(model=model).SerializeToString()
    return Frame(call=call, open=link_pb2.Open(**{"method": "Chat", "request": request, **more}))


class Raw:
    """A frontend without manners."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.got: list[link_pb2.Frame] = []

    async def send(self, *frames: link_pb2.Frame) -> None:
        await self.stream.write(link_pb2.FrameBatch(frames=frames).SerializeToString())

    async def read(self) -> bool:
        """Take one batch; False at the end of the stream."""
        async with asyncio.timeout(WAIT_S):
            received = await self.stream.read()
        if received is grpc.aio.EOF:
            return False
        self.got.extend(link_pb2.FrameBatch.FromString(received).frames)
        return True

    async def ending(self, call: int) -> link_pb2.End:
        """The End of a call."""
        while True:
            for frame in self.got:
                if frame.call == call and frame.HasField("end"):
                    return frame.end
            assert await self.read(), "the stream ended"

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """How the service ended the stream."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await self.read():
                pass
        return await self.stream.code(), await self.stream.details()


@contextlib.asynccontextmanager
async def raw(address: str) -> AsyncIterator[Raw]:
    async with grpc.aio.insecure_channel(address, options=channel_arguments()) as channel:
        stream = open_stream(channel)
        try:
            yield Raw(stream)
        finally:
            stream.cancel()


@contextlib.asynccontextmanager
async def attacked(toy: Toy | None = None, options: LinkOptions | None = None) -> AsyncIterator[tuple[Any, Raw]]:
    async with linked(toy or Toy(never=never), options) as link, raw(link.address) as stream:
        yield link, stream


FIRST = [
    ("open before hello", [opening(1)], grpc.StatusCode.FAILED_PRECONDITION, "must be Hello"),
    ("nothing in the batch", [], grpc.StatusCode.FAILED_PRECONDITION, "must be Hello"),
    ("an unknown kind", [Frame(call=4)], grpc.StatusCode.FAILED_PRECONDITION, "must be Hello"),
    ("hello twice", [HELLO, HELLO], grpc.StatusCode.INVALID_ARGUMENT, "twice"),
    ("another version", [Frame(hello=link_pb2.Hello(protocol=9))], grpc.StatusCode.FAILED_PRECONDITION, "protocol 1"),
]


@pytest.mark.parametrize(("batch", "code", "text"), [case[1:] for case in FIRST], ids=[case[0] for case in FIRST])
async def test_a_wrong_greeting_ends_the_link_with_a_reason(
    batch: list[link_pb2.Frame], code: grpc.StatusCode, text: str
) -> None:
    """The status says what was expected; other links do not notice."""
    async with attacked() as (link, stream):
        await stream.send(*batch)
        ended, details = await stream.status()
        assert ended is code
        assert text in details
        assert len(await take_all(link.call("echo"))) == 3
        await until(lambda: link.server.links == 1)


@pytest.mark.parametrize("is_greeted", [False, True])
async def test_bytes_that_are_no_batch_end_the_link(is_greeted: bool) -> None:
    """INVALID_ARGUMENT, whenever they come."""
    async with attacked() as (link, stream):
        if is_greeted:
            await stream.send(HELLO)
            assert await stream.read()
        await stream.stream.write(b"\xff\xff\xff")
        assert (await stream.status())[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert len(await take_all(link.call("echo"))) == 3


async def test_a_frontend_that_says_nothing_is_sent_away() -> None:
    """Without Hello the stream ends after hello_wait_s; one that closes at once ends too."""
    async with attacked(options=LinkOptions(hello_wait_s=0.1)) as (link, stream):
        assert (await stream.status())[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        async with raw(link.address) as other:
            await other.stream.done_writing()
            assert (await other.status())[0] is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_number_used_twice_ends_that_call() -> None:
    """The running call is closed and told why; a later call of a used number is refused; the next number works."""
    async with attacked() as (link, stream):
        await stream.send(HELLO, opening(5, "never"), opening(6, "never"), opening(5))
        end = await stream.ending(5)
        assert "used before" in end.error.message
        await stream.send(opening(3), opening(7))
        assert "used before" in (await stream.ending(3)).error.message
        assert (await stream.ending(7)).state == link_pb2.END_STATE_COMPLETE
        assert link.server.calls == 1  # number 6


async def test_calls_that_are_cancelled_at_once_count_until_they_are_over() -> None:
    """However many a batch opens and cancels, a link has no more than calls_max; the one too many is told so."""
    async with attacked(options=LinkOptions(calls_max=2)) as (link, stream):
        begun = [opening(1, "never"), opening(2, "never"), opening(3)]
        cancelled = [Frame(call=number, cancel=link_pb2.Cancel()) for number in (1, 2)]
        await stream.send(HELLO, begun[0], cancelled[0], begun[1], cancelled[1], begun[2])
        assert "2 calls are open" in (await stream.ending(3)).error.message
        await stream.send(opening(4))
        assert (await stream.ending(4)).state == link_pb2.END_STATE_COMPLETE
        assert link.server.calls == 0


CALLS = [
    ("no such method", {"method": "Nope"}, "no method 'Nope'"),
    ("a request that is none", {"request": b"\xff\xff"}, "not a gateway.v1.ChatRequest"),
]


@pytest.mark.parametrize(("opened", "text"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS])
async def test_a_wrong_call_is_answered(opened: dict[str, Any], text: str) -> None:
    """It ends with an error that names the cause; the link goes on."""
    async with attacked() as (_, stream):
        await stream.send(HELLO, opening(1, **opened), opening(2))
        assert text in (await stream.ending(1)).error.message
        assert (await stream.ending(2)).state == link_pb2.END_STATE_COMPLETE


async def test_parts_are_bounded_over_all_calls() -> None:
    """Requests arriving at once share assembly_bytes_max: the one that passes it is shed, room comes back."""
    async with attacked(options=LinkOptions(assembly_bytes_max=100_000)) as (_, stream):
        part = link_pb2.Part(data=b"x" * 60_000)
        await stream.send(HELLO, opening(1, request=b"", is_in_parts=True), opening(2, request=b"", is_in_parts=True))
        await stream.send(Frame(call=1, part=part), Frame(call=2, part=part))
        assert "too many large requests" in (await stream.ending(2)).error.message
        await stream.send(Frame(call=1, cancel=link_pb2.Cancel()))
        await stream.send(opening(3, request=b"", is_in_parts=True), Frame(call=3, part=part))
        body = chat_pb2.ChatRequest(model="echo").SerializeToString()
        last = link_pb2.Part(data=body, is_last=True)
        await stream.send(opening(4, request=b"", is_in_parts=True), Frame(call=4, part=last))
        assert (await stream.ending(4)).state == link_pb2.END_STATE_COMPLETE


def refused(number: int) -> list[link_pb2.Frame]:
    return [opening(number, method="Nope")]


def overfull(number: int) -> list[link_pb2.Frame]:
    part = Frame(call=number, part=link_pb2.Part(data=b"x" * 600))
    return [opening(number, request=b"", is_in_parts=True), part]


@pytest.mark.parametrize("junk", [refused, overfull])
async def test_a_frontend_that_does_not_read_costs_a_bounded_queue(junk: Any) -> None:
    """Events and refusals for a peer that never reads stop at the outbox's limit: its frames are read no further."""
    options = LinkOptions(outbox_bytes=20_000, request_bytes_max=500)

    async def flood(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        while True:
            yield [chat_pb2.ChatChunk(id="x" * 1000)]

    async with linked(Toy(flood=flood), options) as link, raw(link.address) as stream:
        await stream.send(Frame(hello=link_pb2.Hello(protocol=1, credit_bytes=1 << 62)))
        assert await stream.read()
        await stream.send(*[opening(n, "flood", method="StreamChat") for n in range(1, 50)])
        server_link = next(one for one in link.server._links if one.credit_bytes == 1 << 62)
        await until(lambda: len(server_link.calls) == 49)
        await until_stuck(server_link.outbox)
        sending = asyncio.create_task(send_for_ever(stream, junk))
        for _ in range(50):
            await asyncio.sleep(0.005)
            assert server_link.outbox.used_bytes < 2 * 20_000 + 1100
        assert len(await take_all(link.call("echo"))) == 3
        assert not sending.done()
        sending.cancel()
        stream.stream.cancel()
        await until(lambda: not server_link.calls and len(link.toy.closed) >= 49)


async def until_stuck(outbox: Outbox) -> None:
    """Wait until gRPC takes no more: the buffers of both processes are full."""
    async with asyncio.timeout(WAIT_S):
        chunks: list[bytes] | None = None
        while outbox._chunks is not chunks or not chunks:
            chunks = outbox._chunks
            await asyncio.sleep(0.2)


async def send_for_ever(stream: Raw, junk: Any) -> None:
    for number in range(100, 10**9, 100):
        await stream.send(*[frame for one in range(number, number + 100) for frame in junk(one)])


async def test_a_frontend_that_vanishes_has_its_calls_cancelled() -> None:
    """All generators of a broken link are closed, in whatever phase they were."""
    toy = Toy(never=never, for_ever=for_ever)
    async with attacked(toy) as (link, stream):
        await stream.send(HELLO, *[opening(n, "never" if n % 2 else "for_ever") for n in range(1, 101)])
        await stream.send(opening(101, is_in_parts=True, request=b""), Frame(call=101, part=link_pb2.Part(data=b"x")))
        await until(lambda: len(toy.began) == 100)
        stream.stream.cancel()
        await until(lambda: len(toy.closed) == 100)
        await until(lambda: link.server.links == 1 and not link.server.calls)


CALL = st.integers(0, 6)
DATA = st.binary(max_size=40)
MODELS = st.sampled_from(["echo", "never", "for_ever", "flood", "missing"])
CONTEXTS = st.builds(CallContext, credential=st.text(max_size=5), timeout_ms=st.none() | st.integers(0, 2000))
REQUESTS = DATA | MODELS.map(lambda model: chat_pb2.ChatRequest(model=model).SerializeToString())
OPENS = st.builds(
    link_pb2.Open,
    method=st.sampled_from(["Chat", "StreamChat", "Embed", "", "x" * 500]),
    context=CONTEXTS,
    request=REQUESTS,
    is_in_parts=st.booleans(),
)
FRAMES = st.one_of(
    st.builds(Frame, call=CALL, open=OPENS),
    st.builds(Frame, call=CALL, open=OPENS),
    st.builds(Frame, call=CALL, part=st.builds(link_pb2.Part, data=REQUESTS, is_last=st.booleans())),
    st.builds(Frame, call=CALL, cancel=st.just(link_pb2.Cancel())),
    st.builds(Frame, call=CALL, credit=st.integers(0, 2**64 - 1)),
    st.builds(Frame, call=CALL, event=DATA),
    st.builds(Frame, call=CALL, text=st.text(max_size=5)),
    st.builds(Frame, call=CALL, end=st.builds(link_pb2.End)),
    st.builds(Frame, call=CALL, head=st.builds(link_pb2.Head)),
    st.builds(Frame, call=CALL, drain=st.just(link_pb2.Drain())),
    st.builds(Frame, call=CALL, settings=st.builds(link_pb2.Settings, json=st.text(max_size=5))),
    st.builds(Frame, call=CALL),
)
BATCHES = st.lists(st.lists(FRAMES, max_size=8), max_size=8)


async def flood_some(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    yield Head({})
    for _ in range(50):
        yield ["x" * 100]
    yield Tail({})


def test_any_sequence_of_frames_harms_nobody_else() -> None:
    """After any frames: the service runs, another frontend's calls finish, every begun call is closed."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(batches=BATCHES, credit_bytes=st.integers(0, 2**64 - 1), part_bytes=st.sampled_from([0, 1, 2**64 - 1]))
    def attack(batches: list[list[link_pb2.Frame]], credit_bytes: int, part_bytes: int) -> None:
        loop.run_until_complete(one_attack(batches, credit_bytes, part_bytes))

    async def one_attack(batches: list[list[link_pb2.Frame]], credit_bytes: int, part_bytes: int) -> None:
        toy.began.clear()
        toy.closed.clear()
        async with raw(link.address) as stream:
            hello = link_pb2.Hello(protocol=1, credit_bytes=credit_bytes, part_bytes=part_bytes)
            await stream.send(Frame(hello=hello))
            assert await stream.read()
            for batch in batches:
                await stream.send(*batch)
            assert len(await take_all(link.call("echo", name="other"))) == 3
            await stream.send(opening(2**64 - 1), Frame(call=2**64 - 1, credit=1000))
            end = await stream.ending(2**64 - 1)
            assert end.state == link_pb2.END_STATE_COMPLETE
        await until(lambda: link.server.links == 1 and not link.server.calls)
        assert sorted(toy.began) == sorted(toy.closed)

    loop = asyncio.new_event_loop()
    toy = Toy(never=never, for_ever=for_ever, flood=flood_some)
    manager = linked(toy)
    link = loop.run_until_complete(manager.__aenter__())
    try:
        attack()
    finally:
        loop.run_until_complete(manager.__aexit__(None, None, None))
        loop.close()
