"""Calls over a real link: order, isolation, credit, parts, cancel, deadlines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CHAT, STREAM_CHAT, CallContext, Head, Item, Tail
from gateway.rpc.options import LinkOptions
from gateway.wire.pb import chat_pb2, link_pb2
from tests.e2e.link_toy import WAIT_S, ReceivedFrames, Toy, events, failure_of, for_ever, linked, never, take_all, until


async def count(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    """`user` batches: each a message with its number, then two texts."""
    yield Head({"n": request.user})
    for number in range(int(request.user)):
        yield [chat_pb2.ChatChunk(id=f"{context.request_id}/{number}"), f"a{number}", f"b{number}\u20ac"]
        if number % 7 == 0:
            await asyncio.sleep(0)
    yield Tail({"t": request.user})


def counted(name: str, batches: int) -> list[object]:
    found: list[object] = []
    for number in range(batches):
        found += [chat_pb2.ChatChunk(id=f"{name}/{number}"), f"a{number}", f"b{number}\u20ac"]
    return found


@pytest.mark.parametrize("takes_texts", [False, True])
async def test_500_calls_at_once_each_get_their_own_events_in_order(takes_texts: bool) -> None:
    """Every call sees one Head, all its events in order and one Tail, whatever the others do."""
    async with linked(Toy(count=count)) as link:
        calls = [take_all(link.call("count", str(n % 40), f"c{n}", takes_texts=takes_texts)) for n in range(500)]
        for n, items in enumerate(await asyncio.gather(*calls)):
            assert (items[0], items[-1]) == (Head({"n": str(n % 40)}), Tail({"t": str(n % 40)}))
            assert all(isinstance(item, list) and item for item in items[1:-1])
            assert events(items) == counted(f"c{n}", n % 40)
        await until(lambda: not link.server.calls)
        assert link.client.calls == 0
        assert sorted(link.toy.began) == sorted(link.toy.closed)


async def test_context_and_request_arrive_as_sent() -> None:
    """What the frontend knows of a call reaches the dispatch unchanged."""
    seen: list[object] = []

    async def look(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        seen.extend([request, context])
        yield Tail({})

    context = CallContext(credential="gw-1.x", request_id="r", timeout_ms=9000, peer="1.2.3.4:5", headers={"a": "b"})
    request = chat_pb2.ChatRequest(model="look", user="\u20ac", extra='{"x":1}')
    async with linked(Toy(look=look)) as link:
        assert await take_all(link.client(CHAT, request, context)) == [Tail({})]
    assert seen == [request, context]


async def fail(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    yield Head({})
    yield ["partial"]
    failure = GatewayError(Kind.RATE_LIMITED, "slow down", param="p", retry_after_s=2.5, limit="tokens", cause="hush")
    failure.trailers = {"server-timing": "x"}
    raise failure


async def test_a_failure_arrives_whole_after_what_came_before_it() -> None:
    """Events before a failure are delivered; the failure keeps its members and trailers, never its cause."""
    async with linked(Toy(fail=fail)) as link:
        items: list[Item] = []
        with pytest.raises(GatewayError) as caught:
            async for item in link.call("fail"):
                items.append(item)  # noqa: PERF401  # a comprehension would lose them when it fails
    failure = caught.value
    assert events(items) == ["partial"]
    assert (failure.kind, failure.message, failure.param) == (Kind.RATE_LIMITED, "slow down", "p")
    assert (failure.retry_after_s, failure.limit, failure.cause) == (2.5, "tokens", "")
    assert failure.trailers == {"server-timing": "x"}


async def bug(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    yield Head({})
    if request.user == "cancelled":
        raise asyncio.CancelledError
    if request.user == "surrogate":
        yield ["\ud800"]
    elif request.user != "no tail":
        raise ZeroDivisionError("secret detail")


@pytest.mark.parametrize("how", ["raises", "no tail", "cancelled", "surrogate"])
async def test_a_bug_of_the_dispatch_is_internal_and_ends_one_call(how: str) -> None:
    """Whatever goes wrong inside becomes INTERNAL without its text; the next call works."""
    async with linked(Toy(bug=bug)) as link:
        failure = await failure_of(link.call("bug", how))
        assert (failure.kind, failure.message) == (Kind.INTERNAL, "internal error")
        assert len(await take_all(link.call("echo"))) == 3


async def test_a_reply_of_the_wrong_type_is_internal() -> None:
    """An event that cannot be decoded as the method's reply ends the call, not the link."""

    async def wrong(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        yield [link_pb2.Part(data=b"\xff")]  # as a ChatChunk: an id that is not UTF-8
        yield Tail({})

    async with linked(Toy(wrong=wrong)) as link:
        failure = await failure_of(link.call("wrong"))
        assert failure.kind is Kind.INTERNAL
        assert "gateway.v1.ChatChunk" in failure.message
        assert len(await take_all(link.call("echo"))) == 3


class Flood:
    """A stream that counts what it could hand over."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.sent = 0

    async def __call__(self, request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        for number in range(self.events):
            yield [chat_pb2.ChatChunk(id=f"{number:08}" + "x" * 992)]
            self.sent += 1
        yield Tail({})


async def test_a_stalled_reader_holds_only_itself() -> None:
    """While one reader stands still, 200 others get every event; the still one costs its credit, and loses nothing."""
    options = LinkOptions(credit_bytes=32 * 1024)
    flood = Flood(1000)
    async with linked(Toy(flood=flood, count=count), options) as link:
        stalled = link.call("flood", name="stalled")
        first = [await anext(stalled), await anext(stalled)]
        others = [take_all(link.call("count", "50", f"c{n}")) for n in range(200)]
        for n, items in enumerate(await asyncio.gather(*others)):
            assert events(items) == counted(f"c{n}", 50)
        assert flood.sent * 1000 <= 2 * options.credit_bytes + 2000
        assert "stalled" not in link.toy.closed
        rest = await take_all(stalled)
        ids = [event.id[:8] for event in events(first + rest)]
        assert ids == [f"{number:08}" for number in range(1000)]


async def test_a_reader_that_stays_away_is_ended() -> None:
    """After stalled_for_s without credit the generator is closed and the reader finds STALLED_READER at the end."""
    options = LinkOptions(credit_bytes=4096, stalled_for_s=0.1)
    async with linked(Toy(flood=Flood(1000)), options) as link:
        call = link.call("flood")
        await anext(call)
        await until(lambda: link.toy.closed)
        assert (await failure_of(call)).kind is Kind.STALLED_READER


async def texts(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    """Forty texts in one batch, between two messages."""
    yield Head({})
    yield [chat_pb2.ChatChunk(id="first"), *map(str, range(40)), chat_pb2.ChatChunk(id="last")]
    yield Tail({})


@pytest.mark.parametrize(("takes_texts", "count"), [(False, 44), (True, 5)])
async def test_neighbouring_texts_are_one_frame_for_who_takes_it(takes_texts: bool, count: int) -> None:
    """The same events either way; a frontend that does not know such frames is sent none."""
    observer = ReceivedFrames()
    async with linked(Toy(texts=texts), observer=observer) as link:
        observer.counts.clear()  # of the greeting
        found = events(await take_all(link.call("texts", takes_texts=takes_texts)))
    assert found == [chat_pb2.ChatChunk(id="first"), *map(str, range(40)), chat_pb2.ChatChunk(id="last")]
    assert sum(observer.counts) == count  # head, two messages, the texts, end


@pytest.mark.parametrize("takes_texts", [False, True])
@pytest.mark.parametrize("credit_bytes", [1, 1000, 64 * 1024])
async def test_credit_is_given_back_exactly(credit_bytes: int, takes_texts: bool) -> None:
    """A stream many times its credit, of texts, messages and large events, arrives whole whatever the window."""

    async def mixed(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        for number in range(200):
            yield [chat_pb2.ChatChunk(id="m" * number * 10), "t" * number, "\u20ac" * number]
        yield [chat_pb2.ChatChunk(id="b" * 100_000), "after"]
        yield Tail({})

    async with linked(Toy(mixed=mixed), LinkOptions(credit_bytes=credit_bytes, part_bytes=8192)) as link:
        got = events(await take_all(link.call("mixed", takes_texts=takes_texts)))
    assert len(got) == 602
    assert got[:600:3] == [chat_pb2.ChatChunk(id="m" * number * 10) for number in range(200)]
    assert got[2:600:3] == ["\u20ac" * number for number in range(200)]
    assert (len(got[600].id), got[601]) == (100_000, "after")


async def test_a_large_body_does_not_hold_up_small_calls() -> None:
    """While 20 MB travel to the service in parts, small calls finish; the body arrives whole, both ways."""
    done: list[str] = []

    async with linked(Toy()) as link:

        async def run(user: str, name: str) -> str:
            items = await take_all(link.call("echo", user, name))
            done.append(name)
            return str(events(items)[0].id)

        body = "0123456789abcdef" * (20 * 1024 * 1024 // 16)
        big = asyncio.create_task(run(body, "big"))
        await until(lambda: link.client.calls)
        for number in range(5):
            assert await run("small", f"small{number}") == "small"
        assert await big == body
    assert done[0] == "small0"
    assert link.toy.began[0] == "small0"


PHASES = ["before head", "after head", "in a stream", "without credit", "unread"]


@pytest.mark.parametrize("phase", PHASES)
async def test_leaving_closes_the_generator(phase: str) -> None:
    """Closing a call in any phase runs the dispatch's cleanup; nothing of it stays on either side."""
    toy = Toy(never=never, for_ever=for_ever, flood=Flood(10**9), count=count)
    model = {"before head": "never", "after head": "for_ever"}.get(phase, "flood")
    async with linked(toy, LinkOptions(credit_bytes=8192)) as link:
        call = link.call(model)
        if phase == "before head":
            waiting = asyncio.create_task(anext(call))
            await until(lambda: toy.began)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        else:
            await anext(call)
            for _ in range(20 if phase == "in a stream" else 0):
                await anext(call)
            if phase == "without credit":
                await asyncio.sleep(0.05)
            await call.aclose()
        await until(lambda: toy.closed == ["call"])
        await until(lambda: not link.server.calls)
        assert link.client.calls == 0
        assert len(await take_all(link.call("count", "3"))) >= 3


async def test_leaving_in_the_middle_of_an_upload_starts_nothing() -> None:
    """A call cancelled while its request is in parts is never dispatched, and its parts are let go."""
    toy = Toy()
    async with linked(toy, LinkOptions(outbox_bytes=4096, part_bytes=1024)) as link:
        call = asyncio.create_task(take_all(link.call("echo", "x" * 30_000_000, "upload")))
        await until(lambda: link.server.calls)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await until(lambda: not link.server.calls)
        await take_all(link.call("echo", name="next"))
    assert toy.began == ["next"]


async def test_a_deadline_the_dispatch_forgets_is_kept_by_the_link() -> None:
    """timeout_ms plus the grace ends a call that hangs, on both sides."""
    async with linked(Toy(never=never), LinkOptions(deadline_grace_s=0.05)) as link:
        failure = await failure_of(link.call("never", timeout_ms=50))
        assert failure.kind is Kind.DEADLINE_EXCEEDED
        await until(lambda: link.toy.closed == ["call"])


async def test_a_service_that_stands_still_does_not_hold_a_deadline() -> None:
    """The frontend's own net works when the service says nothing at all."""
    server, client = LinkOptions(deadline_grace_s=1000), LinkOptions(deadline_grace_s=0.05)
    async with linked(Toy(never=never), server, client) as link:
        assert (await failure_of(link.call("never", timeout_ms=50))).kind is Kind.DEADLINE_EXCEEDED
        await until(lambda: link.toy.closed == ["call"])


async def test_calls_over_the_limit_are_shed() -> None:
    """The link's bound on calls answers OVERLOADED at once and the open calls go on."""
    async with linked(Toy(never=never, for_ever=for_ever), LinkOptions(calls_max=3)) as link:
        held = [link.call("for_ever", name=str(n)) for n in range(3)]
        for call in held:
            await anext(call)
        failure = await failure_of(link.call("echo"))
        assert (failure.kind, failure.retry_after_s) == (Kind.OVERLOADED, 1)
        await held[0].aclose()
        await until(lambda: link.server.calls == 2)
        assert len(await take_all(link.call("echo"))) == 3
        for call in held:
            await call.aclose()


@pytest.mark.parametrize("is_in_parts", [False, True])
async def test_a_request_over_the_limit_is_refused(is_in_parts: bool) -> None:
    """REQUEST_TOO_LARGE, before the whole of it was sent, and the link lives on."""
    options = LinkOptions(request_bytes_max=50_000, part_bytes=10_000 if is_in_parts else 256 * 1024)
    async with linked(Toy(), options) as link:
        assert (await failure_of(link.call("echo", "x" * 60_000))).kind is Kind.REQUEST_TOO_LARGE
        assert len(await take_all(link.call("echo", "x" * 40_000))) == 3
    assert len(link.toy.began) == 1


async def test_unread_batches_are_merged_for_the_reader() -> None:
    """Events that arrived while the reader was elsewhere come as one batch."""
    async with linked(Toy(count=count)) as link:
        call = link.client(STREAM_CHAT, chat_pb2.ChatRequest(model="count", user="10"), CallContext(request_id="c"))
        assert isinstance(await anext(call), Head)
        await until(lambda: not link.server.calls)
        await asyncio.wait_for(asyncio.sleep(0.05), WAIT_S)
        rest = await take_all(call)
        assert len(rest) <= 3
        assert len(events(rest)) == 30


@pytest.mark.parametrize("how", ["cancel, then the link", "deadline, then cancel"])
async def test_cleanup_is_cancelled_once(how: str) -> None:
    """What the dispatch awaits while it cleans up (settling, say) finishes, though the call is stopped again."""
    settling, settled, finish = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def careful(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        try:
            yield Head({})
            await asyncio.Event().wait()
        finally:
            settling.set()
            await finish.wait()
            settled.set()

    async with linked(Toy(careful=careful), LinkOptions(deadline_grace_s=0.01)) as link:
        call = link.call("careful", timeout_ms=None if how.startswith("cancel") else 10)
        await anext(call)
        if how.startswith("cancel"):
            await call.aclose()
        await asyncio.wait_for(settling.wait(), WAIT_S)
        if how.startswith("cancel"):
            await link.client.aclose()
        else:
            await call.aclose()
        await asyncio.sleep(0.05)
        finish.set()
        await asyncio.wait_for(settled.wait(), WAIT_S)
        await until(lambda: link.toy.closed == ["call"])


async def test_the_head_of_a_failed_call_arrives_too() -> None:
    """A call without stream keeps its head back until it ends, however it ends."""

    async def refuse(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({"a": "b"})
        raise GatewayError(Kind.RATE_LIMITED, "slow down")

    async with linked(Toy(refuse=refuse)) as link:
        call, items = link.client(CHAT, chat_pb2.ChatRequest(model="refuse"), CallContext()), []
        with pytest.raises(GatewayError, match="slow down"):
            async for item in call:
                items.append(item)  # noqa: PERF401  # what came before the failure
    assert items == [Head({"a": "b"})]
