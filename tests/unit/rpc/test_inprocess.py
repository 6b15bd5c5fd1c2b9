"""The in-process link behaves as the link over a stream does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CHAT, CallContext, Head, Item, Method, Tail
from gateway.rpc.inprocess import InProcessLink
from gateway.wire.pb import chat_pb2


class Dispatch:
    """Yields a head and a text, then does what `request.user` says."""

    def __init__(self) -> None:
        self.closed = 0

    async def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        assert isinstance(request, chat_pb2.ChatRequest)
        try:
            yield Head({})
            yield ["text"]
            if request.user == "wait":
                await asyncio.Event().wait()
            if request.user == "bug":
                raise ZeroDivisionError
            if request.user == "fail":
                raise GatewayError(Kind.NOT_FOUND, "no")
            yield Tail({})
        finally:
            self.closed += 1


def begin(link: InProcessLink, user: str) -> AsyncGenerator[Item, None]:
    return link(CHAT, chat_pb2.ChatRequest(user=user), CallContext())


async def test_items_pass_unchanged() -> None:
    """A call gives what the dispatch gives; `calls` counts the open ones."""
    dispatch = Dispatch()
    link = InProcessLink(dispatch)
    assert [item async for item in begin(link, "")] == [Head({}), ["text"], Tail({})]
    assert (dispatch.closed, link.calls) == (1, 0)


@pytest.mark.parametrize(("user", "kind"), [("bug", Kind.INTERNAL), ("fail", Kind.NOT_FOUND)])
async def test_failures_are_gateway_errors(user: str, kind: Kind) -> None:
    """A bug becomes INTERNAL, a failure stays itself."""
    link = InProcessLink(Dispatch())
    with pytest.raises(GatewayError) as caught:
        _ = [item async for item in begin(link, user)]
    assert (caught.value.kind, link.calls) == (kind, 0)


async def test_closing_and_cancelling_close_the_dispatch() -> None:
    """Both ways of leaving run the dispatch's cleanup before they return."""
    dispatch = Dispatch()
    link = InProcessLink(dispatch)
    call = begin(link, "wait")
    await anext(call)
    assert link.calls == 1
    await call.aclose()
    assert (dispatch.closed, link.calls) == (1, 0)
    call = begin(link, "wait")
    await anext(call)
    await anext(call)
    waiting = asyncio.create_task(anext(call))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (dispatch.closed, link.calls) == (2, 0)


async def test_closed_is_unavailable_and_settings_are_handed_over() -> None:
    """publish calls on_settings at once; after aclose calls fail with UNAVAILABLE."""
    got: list[tuple[int, str]] = []
    link = InProcessLink(Dispatch(), on_settings=lambda generation, json: got.append((generation, json)))
    link.publish("{}", 4)
    assert got == [(4, "{}")]
    assert (link.state, await link.ready()) == ("ready", True)
    await link.aclose()
    assert (link.state, await link.ready()) == ("closed", False)
    with pytest.raises(GatewayError) as caught:
        await anext(begin(link, ""))
    assert caught.value.kind is Kind.UNAVAILABLE
