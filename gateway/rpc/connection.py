"""One live link to one service, seen from the frontend: its stream, its calls, its end.

Rules:
    - One reader and one writer task; a call is an entry in a table and a list, never a task.
    - When the stream ends, every open call gets `LOST` as its last item, once.
    - Buffered bytes of a call are bounded by its credit: it grows only as the reader takes.
Not here:
    - Choosing and re-establishing links, retries (link_client).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc

from gateway.core.errors import GatewayError, Kind
from gateway.rpc import frames
from gateway.rpc.contract import CallContext, Head, Raw, Tail
from gateway.rpc.options import FRAME_COST_BYTES, PATH, LinkObserver, LinkOptions
from gateway.rpc.outbox import Outbox
from gateway.rpc.status import from_error
from gateway.wire import json
from gateway.wire.pb import link_pb2

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # missing in the stubs


class _Lost:
    """The link went away before the call ended."""


LOST: Final = _Lost()
Received = str | bytes | Raw | Head | Tail | GatewayError | _Lost


class ClientCall:
    """What arrived for one call and was not taken yet: str, bytes and Raw are events, anything else ends or heads."""

    __slots__ = ("_connection", "_owed_bytes", "_parts", "_parts_bytes", "_waiter", "items", "number")

    def __init__(self, connection: Connection, number: int) -> None:
        self.number = number
        self.items: list[Received] = []
        self._connection = connection
        self._owed_bytes = 0
        self._parts: list[bytes] | None = None
        self._parts_bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    async def take(self) -> list[Received]:
        """Everything that arrived, at least one item; grants credit for it."""
        if not self.items:
            self._waiter = self._connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        items, self.items = self.items, []
        if self._owed_bytes:
            self._grant()
        return items

    def add(self, item: Received, cost_bytes: int = 0) -> None:
        """Keep an item for the reader and wake it."""
        self.items.append(item)
        self._owed_bytes += cost_bytes
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def add_all(self, items: Sequence[Received], cost_bytes: int) -> None:
        """Keep several, as `add` does."""
        self.items += items
        self._owed_bytes += cost_bytes
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def add_part(self, data: bytes, *, is_last: bool, is_json: bool) -> None:
        """Keep a part of a large event; the reader sees it when it is whole."""
        parts = self._parts = self._parts or []
        parts.append(data)
        self._parts_bytes += len(data)
        cost_bytes = len(data) + FRAME_COST_BYTES
        if self._parts_bytes > self._connection.options.event_bytes_max:
            self._connection.leave(self)
            self.add(GatewayError(Kind.INTERNAL, "an event of the service is larger than this frontend accepts"))
        elif is_last:
            self._parts, self._parts_bytes = None, 0
            payload = b"".join(parts)
            self.add(Raw(payload) if is_json else payload, cost_bytes)
        else:
            self._owed_bytes += cost_bytes
            if not self.items:  # the reader waits for this very event: let it go on arriving
                self._grant()

    def _grant(self) -> None:
        if self._owed_bytes * 2 >= self._connection.options.credit_bytes and self.number in self._connection.calls:
            self._connection.outbox.force(frames.credit(self.number, self._owed_bytes))
            self._owed_bytes = 0


class ProtocolMismatch(GatewayError):
    """The service greets in a version of the link this frontend does not speak, or in none."""


class Connection:
    """A greeted stream. Made by `connect`; `run` carries it until it ends."""

    def __init__(
        self,
        stream: grpc.aio.StreamStreamCall[bytes, bytes],
        options: LinkOptions,
        observer: LinkObserver | None,
        *,
        on_settings: Callable[[int, str], None],
        on_drain: Callable[[], None],
    ) -> None:
        self.options = options
        self.outbox = Outbox(options.outbox_bytes, observer)
        self.calls: dict[int, ClientCall] = {}
        self.is_ready = False
        self.is_greeted = False
        self.loop = asyncio.get_running_loop()  # asking for it costs 1 us under uvloop
        self._observer = observer
        self._on_settings = on_settings
        self._on_drain = on_drain
        self._part_bytes = options.part_bytes
        self._stream = stream
        self._last_call = 0

    async def greet(self, instance: str) -> None:
        """Exchange Hello. Raises grpc.aio.AioRpcError, TimeoutError, or ProtocolMismatch when it is no link."""
        options = self.options
        said = frames.hello(options.protocol, instance, 0, options.credit_bytes, options.part_bytes, options.secret)
        async with asyncio.timeout(options.hello_wait_s):
            await self._stream.write(said)
            received = await self._stream.read()
        batch = [] if received is EOF else _frames(received)
        if not batch or batch[0].WhichOneof("kind") != "hello":
            raise ProtocolMismatch(Kind.UNAVAILABLE, "the service did not greet as a link")
        hello = batch[0].hello
        if abs(hello.protocol - options.protocol) > 1:
            message = f"the service speaks link protocol {hello.protocol}, this frontend {options.protocol}"
            raise ProtocolMismatch(Kind.UNAVAILABLE, message)
        self._part_bytes = max(1024, min(options.part_bytes, hello.part_bytes or options.part_bytes))
        self.is_ready = self.is_greeted = True
        for frame in batch[1:]:
            self._take(frame)

    async def run(self) -> None:
        """Carry calls until the stream ends, then give every open call LOST. Raises what ended it, if anything."""
        writer = asyncio.create_task(self.outbox.drive(self._stream.write))
        reader = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.is_ready = False
            self.outbox.close()
            reader.cancel()
            writer.cancel()
            lost, self.calls = self.calls, {}
            for call in lost.values():
                call.add(LOST)
            self._stream.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def cancel(self) -> None:
        """End the stream, greeted or not."""
        self._stream.cancel()

    async def open(self, method: str, payload: bytes, context: CallContext) -> ClientCall:
        """Start a call and send its request. Raises OutboxClosed; cancelling in mid-request leaves no call behind."""
        self._last_call = number = self._last_call + 1
        call = self.calls[number] = ClientCall(self, number)
        is_in_parts = len(payload) > self._part_bytes
        opening = frames.opening(number, method, context, b"" if is_in_parts else payload, is_in_parts=is_in_parts)
        try:
            if not self.outbox.try_put(opening):
                await self.outbox.put(opening)
            if is_in_parts:
                for chunk, _ in frames.parts(number, payload, self._part_bytes):
                    if call.items:
                        break  # it ended already
                    await self.outbox.put(chunk)
        except BaseException:
            self.leave(call)
            raise
        return call

    def leave(self, call: ClientCall) -> None:
        """Nobody reads the call any more: cancel it unless it ended."""
        if self.calls.pop(call.number, None) is not None:
            self.outbox.force(frames.cancel(call.number))

    async def _read(self) -> None:
        read: Callable[[], Awaitable[Any]] = self._stream.read
        observer = self._observer
        while (received := await read()) is not EOF:
            batch = _frames(received)
            if observer is not None:
                observer.batch_received(len(batch), len(received))
            for frame in batch:
                self._take(frame)

    def _take(self, frame: link_pb2.Frame) -> None:
        kind = frame.WhichOneof("kind")
        call = self.calls.get(frame.call)
        if call is None:
            if not frame.call:
                self._take_notice(frame, kind)
        elif kind == "text":
            text = frame.text
            call.add(text, frames.text_cost(text))
        elif kind == "texts":
            several = list(frame.texts.texts)
            call.add_all(several, frames.texts_cost(several))
        elif kind == "whole":
            del self.calls[frame.call]
            call.add_all(_whole(frame.whole), 0)
        elif kind == "event":
            payload = frame.event
            call.add(payload, len(payload) + FRAME_COST_BYTES)
        elif kind == "json":
            answer = Raw(frame.json)
            call.add(answer, len(answer.json) + FRAME_COST_BYTES)
        elif kind == "head":
            call.add(Head(dict(frame.head.headers)))
        elif kind == "end":
            del self.calls[frame.call]
            call.add(_ending(frame.end))
        elif kind == "part":
            call.add_part(frame.part.data, is_last=frame.part.is_last, is_json=frame.part.is_json)

    def _take_notice(self, frame: link_pb2.Frame, kind: str | None) -> None:
        if kind == "drain":
            self.is_ready = False
            self._on_drain()
        elif kind == "settings":
            self._on_settings(frame.settings.generation, frame.settings.json)


def open_stream(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall[bytes, bytes]:
    """The stream of a link, bytes in, bytes out."""
    exchange: Any = channel.stream_stream(PATH)  # type: ignore[call-arg]  # no serializers: bytes
    stream: grpc.aio.StreamStreamCall[bytes, bytes] = exchange()
    return stream


def _whole(whole: link_pb2.Whole) -> list[Received]:
    """What a call that came in one frame consists of."""
    try:
        headers, trailers = json.loads_own(whole.headers), json.loads_own(whole.trailers)
    except json.JsonInvalid:
        return [GatewayError(Kind.INTERNAL, "the service sent headers that are no JSON")]
    answer = Raw(whole.json) if whole.HasField("json") else whole.event
    return [Head(headers), answer, Tail(trailers)]


def _ending(end: link_pb2.End) -> Tail | GatewayError:
    trailers = dict(end.trailers)
    if end.state == link_pb2.END_STATE_COMPLETE:
        return Tail(trailers)
    failure = from_error(end.error)
    failure.trailers = trailers
    return failure


def _frames(received: Any) -> Any:
    """The frames of a batch (repeated field); typed Any for speed of reading."""
    return link_pb2.FrameBatch.FromString(received).frames
