"""Calls without stream over a real link: head, event and end leave together."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from gateway.rpc.contract import CHAT, CallContext, Head, Item, Raw, Tail
from gateway.rpc.options import LinkOptions
from gateway.wire.pb import chat_pb2
from tests.e2e.link_toy import ReceivedFrames, Toy, linked, take_all, until


async def raw(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    """A whole answer of `user` bytes as it is."""
    yield Head({"n": request.user})
    yield [Raw(b"x" * int(request.user))]
    yield Tail({})


@pytest.mark.parametrize("takes_whole", [False, True])
@pytest.mark.parametrize("size", [0, 1, 10_000, 300_000])
async def test_a_raw_answer_arrives_as_it_is(size: int, takes_whole: bool) -> None:
    """Also in parts, and it is not taken for a message."""
    options = LinkOptions(part_bytes=4096)
    context = CallContext(takes_whole=takes_whole)
    async with linked(Toy(raw=raw), options, options) as link:
        items = await take_all(link.client(CHAT, chat_pb2.ChatRequest(model="raw", user=str(size)), context))
        await until(lambda: not link.server.calls)
        assert link.client.calls == 0
    assert items == [Head({"n": str(size)}), [Raw(b"x" * size)], Tail({})]


@pytest.mark.parametrize(("takes_whole", "count"), [(False, 3), (True, 1)])
async def test_a_call_with_one_event_is_one_frame_for_who_takes_it(takes_whole: bool, count: int) -> None:
    """The same items either way, an empty message and odd headers included."""
    headers = {"x-a": 'quote " and \u20ac', "x-empty": ""}

    async def one(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head(headers)
        yield [chat_pb2.ChatResponse(id=request.user)]
        yield Tail({"server-timing": "a;dur=1"})

    observer = ReceivedFrames()
    async with linked(Toy(one=one), observer=observer) as link:
        for user in ("", "me"):
            observer.counts.clear()  # of the greeting, of the call before
            request, context = chat_pb2.ChatRequest(model="one", user=user), CallContext(takes_whole=takes_whole)
            items = await take_all(link.client(CHAT, request, context))
            assert items == [Head(headers), [chat_pb2.ChatResponse(id=user)], Tail({"server-timing": "a;dur=1"})]
            assert sum(observer.counts) == count
