"""A dispatch whose calls do what a test says, and a link around it over a unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from gateway.core.errors import GatewayError
from gateway.rpc.contract import CHAT, STREAM_CHAT, CallContext, Head, Item, Method, Tail
from gateway.rpc.link_client import LinkClient
from gateway.rpc.link_server import LinkServer, serve
from gateway.rpc.options import LinkOptions
from gateway.wire.pb import chat_pb2

WAIT_S = 30.0
Script = Callable[[chat_pb2.ChatRequest, CallContext], AsyncGenerator[Item, None]]


class Toy:
    """Runs the script named by the request's model; remembers which calls began and which ended."""

    def __init__(self, **scripts: Script) -> None:
        self.scripts: dict[str, Script] = {"echo": echo, **scripts}
        self.began: list[str] = []
        self.closed: list[str] = []

    async def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        assert isinstance(request, chat_pb2.ChatRequest)
        self.began.append(context.request_id)
        try:
            async with contextlib.aclosing(self.scripts[request.model](request, context)) as items:
                async for item in items:
                    yield item
        finally:
            self.closed.append(context.request_id)


async def echo(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    """One response with the `user` that came."""
    yield Head({"x-request-id": context.request_id})
    yield [chat_pb2.ChatResponse(id=request.user)]
    yield Tail({"done": "1"})


async def for_ever(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    """A head, one chunk, then silence."""
    yield Head({})
    yield [chat_pb2.ChatChunk(id="first")]
    await asyncio.Event().wait()


async def never(request: chat_pb2.ChatRequest, context: CallContext) -> AsyncGenerator[Item, None]:
    """Silence from the start."""
    await asyncio.Event().wait()
    yield Head({})


class ReceivedFrames:
    """An observer of a frontend's links that keeps how many frames each batch had."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def batch_sent(self, frames: int, size_bytes: int, waiting: int) -> None:
        pass

    def batch_received(self, frames: int, size_bytes: int) -> None:
        self.counts.append(frames)

    def call_stalled(self) -> None:
        pass

    def links_changed(self, links: int) -> None:
        pass


class Linked:
    """A service and a frontend."""

    def __init__(self, toy: Toy, server: LinkServer, client: LinkClient, address: str, grpc_server: Any) -> None:
        self.toy = toy
        self.server = server
        self.client = client
        self.address = address
        self.grpc_server = grpc_server

    def call(self, model: str, user: str = "", name: str = "call", **context: Any) -> AsyncGenerator[Item, None]:
        """Begin a streamed call with request id `name`; `echo` is unary."""
        return begin(self.client, model, user, name, **context)


def begin(client: LinkClient, model: str, user: str = "", name: str = "call", **context: Any) -> Any:
    method = CHAT if model == "echo" else STREAM_CHAT
    return client(method, chat_pb2.ChatRequest(model=model, user=user), CallContext(request_id=name, **context))


@contextlib.contextmanager
def socket_address() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        yield f"unix:{Path(folder) / 'link'}"


@contextlib.asynccontextmanager
async def linked(
    toy: Toy, server_options: LinkOptions | None = None, client_options: LinkOptions | None = None, **more: Any
) -> AsyncIterator[Linked]:
    """A service with `toy` and a frontend linked to it."""
    with socket_address() as address:
        client = LinkClient([address], client_options or server_options, **more)
        async with serving(toy, address, server_options) as (server, grpc_server), client:
            assert await client.ready(WAIT_S), client.last_error
            yield Linked(toy, server, client, address, grpc_server)


@contextlib.asynccontextmanager
async def serving(
    toy: Toy, address: str, options: LinkOptions | None = None
) -> AsyncIterator[tuple[LinkServer, grpc.aio.Server]]:
    """A service alone."""
    server = LinkServer(toy, options)
    grpc_server, _ = await serve(server, address)
    try:
        yield server, grpc_server
    finally:
        await grpc_server.stop(0)


async def take_all(items: AsyncGenerator[Item, None]) -> list[Item]:
    """Every item of a call."""
    async with contextlib.aclosing(items) as call:
        return [item async for item in call]


def events(items: Sequence[Item]) -> list[Any]:
    """The events of a call, without the borders of batches."""
    return [event for item in items if isinstance(item, list) for event in item]


async def failure_of(items: AsyncGenerator[Item, None]) -> GatewayError:
    """The failure a call ends with."""
    try:
        got = await take_all(items)
    except GatewayError as failure:
        return failure
    raise AssertionError(f"the call did not fail: {got[-1:]}")


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  # any condition, of either side
            await asyncio.sleep(0.005)
