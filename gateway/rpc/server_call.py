"""One call on the service's end of a link: its request, its task, its credit.

Rules:
    - States: assembling (parts arrive) -> running (a task) -> over. `stop` is right in each of them.
    - The generator is closed before the call's end is sent, except when the reader itself is gone.
    - Of a call without stream nothing is sent before its end is known: head, event and end leave together, as one
      frame where the frontend takes it.
    - A call without credit waits; after `stalled_for_s` it ends with STALLED_READER.
    - Anything but GatewayError raised by the dispatch is a bug: one traceback in the log, INTERNAL outside.
Not here:
    - The stream and its bounds (link_server), the pipeline's own deadline (pipeline).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import groupby
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError, Message

from gateway.core.errors import GatewayError, Kind
from gateway.rpc import frames
from gateway.rpc.contract import METHODS, Batch, CallContext, Event, Head, Item, Raw, Tail
from gateway.rpc.options import FRAME_COST_BYTES
from gateway.rpc.outbox import OutboxClosed
from gateway.wire.pb import link_pb2

if TYPE_CHECKING:
    from gateway.rpc.link_server import _ServerLink

_log = logging.getLogger(__name__)
_NO_CONTEXT = CallContext()


class ServerCall:
    """A call between its Open and its End. `task` is None while the request is still arriving."""

    __slots__ = (
        "_context",
        "_credit_bytes",
        "_deadline",
        "_failure",
        "_has_begun",
        "_held",
        "_is_stopped",
        "_last_frames",
        "_link",
        "_method",
        "_parts",
        "_request",
        "_request_id",
        "_takes_texts",
        "_takes_whole",
        "_waiter",
        "number",
        "request_bytes",
        "task",
    )

    def __init__(self, link: _ServerLink, number: int, opened: link_pb2.Open) -> None:
        self.number = number
        self.task: asyncio.Task[None] | None = None
        self.request_bytes = 0
        self._link = link
        self._method = METHODS[opened.method]
        self._context = CallContext()
        self._context.CopyFrom(opened.context)  # a reference would keep the whole batch alive
        self._request_id = self._context.request_id
        self._takes_texts = self._context.takes_texts
        self._takes_whole = self._context.takes_whole
        self._request = opened.request
        self._parts: list[bytes] | None = [] if opened.is_in_parts else None
        self._credit_bytes = link.credit_bytes
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._has_begun = self._is_stopped = False
        self._failure: GatewayError | None = None  # what to say of a stopped call; None: nobody listens
        self._held: Head | None = None  # of a call without stream, until it ends
        self._last_frames = 1  # how many leave with the end

    @property
    def is_assembling(self) -> bool:
        """Whether parts of the request are still to come."""
        return self._parts is not None

    def add_part(self, data: bytes) -> int:
        """Keep a part; the bytes kept so far."""
        if self._parts is not None:
            self._parts.append(data)
            self.request_bytes += len(data)
        return self.request_bytes

    def drop_request(self) -> int:
        """Let go of parts; how many bytes they were."""
        dropped = self.request_bytes if self._parts is not None else 0
        self._parts = None
        return dropped

    def start(self) -> None:
        """The request is whole: run it."""
        if self._parts is not None:
            self._request = b"".join(self._parts)
            self._parts = None
        loop = self._link.loop
        self.task = loop.create_task(self._run())
        if self._context.HasField("timeout_ms"):
            allowed_s = self._context.timeout_ms / 1000 + self._link.options.deadline_grace_s
            self._deadline = loop.call_later(allowed_s, self._expire)

    def stop(self, failure: GatewayError | None) -> None:
        """Close the generator; tell the frontend why, unless `failure` is None (it left).

        A call that is stopping already is left to its cleanup: a second cancel would cut that short.
        """
        if self.task is not None:
            self._failure = failure
            if not self._is_stopped:
                self._is_stopped = True
                self.task.cancel()
                if not self._has_begun:
                    self.task.add_done_callback(self._never_began)
            return
        self._leave()
        if failure is not None:
            self._link.outbox.force(frames.failed(self.number, failure))

    def add_credit(self, size_bytes: int) -> None:
        """The reader took so much."""
        self._credit_bytes += size_bytes
        if self._credit_bytes > 0 and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        self.stop(GatewayError(Kind.DEADLINE_EXCEEDED, "the call's deadline passed"))

    def _never_began(self, _task: asyncio.Task[None]) -> None:
        """Stopped before its first step; until then it counts among the link's calls, which are bounded."""
        self._leave()
        if self._failure is not None:
            self._link.outbox.force(frames.failed(self.number, self._failure))

    def _leave(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._link.forget(self)

    async def _run(self) -> None:
        self._has_begun = True
        ending: bytes | None = None
        try:
            ending = await self._ending()
            if ending is not None:
                await self._send(ending, self._last_frames)
        except OutboxClosed:
            return
        except asyncio.CancelledError:
            if self._failure is not None and ending is not None:  # the deadline passed while the end stood in line
                self._link.outbox.force(ending)
        except Exception:  # noqa: BLE001  # a bug of the link ends one call, not the link
            _log.exception("a call's task failed")
        finally:
            self._leave()

    async def _ending(self) -> bytes | None:
        """Run the call; what is left to send of it, its end frame at least; None when nobody listens."""
        try:
            request, context = self._decode(), self._context
            self._context = _NO_CONTEXT  # a stream may stay open for hours
            async with aclosing(self._link.dispatch(self._method, request, context)) as items:
                del request, context
                return await (self._carry_stream(items) if self._method.is_stream else self._carry_whole(items))
        except asyncio.CancelledError:
            if self._is_stopped and self._failure is None:
                return None
            failure = self._failure or GatewayError(Kind.INTERNAL, "internal error", cause="cancelled from inside")
        except OutboxClosed:
            return None
        except GatewayError as known:
            failure = known
        except Exception:  # noqa: BLE001  # a bug of the service ends one call, not the link
            _log.exception("call failed", extra={"request_id": self._request_id})
            failure = GatewayError(Kind.INTERNAL, "internal error")
        ending = frames.failed(self.number, failure)
        if self._held is None:
            return ending
        self._last_frames = 2
        return frames.head(self.number, self._held.headers) + ending

    async def _carry_stream(self, items: AsyncGenerator[Item, None]) -> bytes:
        ending: bytes | None = None
        async for item in items:
            if type(item) is list:
                await self._send_batch(item)
            elif type(item) is Head:
                await self._send(frames.head(self.number, item.headers))
            elif type(item) is Tail:
                ending = frames.complete(self.number, item.trailers)
        if ending is None:
            raise RuntimeError(f"{self._method.name} ended without a Tail")
        return ending

    async def _carry_whole(self, items: AsyncGenerator[Item, None]) -> bytes:
        events: Batch = []
        tail: Tail | None = None
        async for item in items:
            if type(item) is list:
                events += item
            elif type(item) is Head:
                self._held = item
            elif type(item) is Tail:
                tail = item
        if tail is None:
            raise RuntimeError(f"{self._method.name} ended without a Tail")
        if self._held is not None and len(events) == 1:
            make = frames.whole if self._takes_whole else frames.whole_apart
            whole = make(self.number, self._held.headers, events[0], tail.trailers)
            if len(whole) <= self._link.part_bytes:
                self._last_frames = 1 if self._takes_whole else 3
                return whole
        return await self._carry_in_pieces(events, tail)

    async def _carry_in_pieces(self, events: Batch, tail: Tail) -> bytes:
        """What does not fit one chunk."""
        head, self._held = self._held, None
        if head is not None:
            await self._send(frames.head(self.number, head.headers))
        await self._send_batch(events)
        return frames.complete(self.number, tail.trailers)

    def _decode(self) -> Message:
        payload, self._request = self._request, b""
        try:
            return self._method.request.FromString(payload)
        except DecodeError as error:
            name = self._method.request.DESCRIPTOR.full_name
            raise GatewayError(Kind.INVALID_REQUEST, f"the request is not a {name}") from error

    async def _send_batch(self, batch: Batch) -> None:
        """Send events in order, neighbouring texts as one frame where the frontend and its credit take it."""
        if len(batch) == 1 or not self._takes_texts:
            await self._send_events(batch)
            return
        for kind, run in groupby(batch, type):
            events = list(run)
            if kind is str and (cost := frames.texts_cost(events)) <= min(self._credit_bytes, self._link.part_bytes):
                self._credit_bytes -= cost
                await self._send(frames.texts(self.number, events))
            else:
                await self._send_events(events)

    async def _send_events(self, batch: Batch) -> None:
        """Send events in order, in as few chunks as credit and part size allow."""
        number, part_bytes = self.number, self._link.part_bytes
        pending = link_pb2.FrameBatch()
        count = size_bytes = 0
        for event in batch:
            if self._credit_bytes <= 0 or size_bytes > part_bytes:
                if count:
                    await self._send(pending.SerializeToString(), count)
                    pending, count, size_bytes = link_pb2.FrameBatch(), 0, 0
                if self._credit_bytes <= 0:
                    await self._credit()
            if type(event) is str:
                pending.frames.add(call=number, text=event)
                cost = frames.text_cost(event)
            else:
                payload = _payload(event)
                is_json = type(event) is Raw
                cost = len(payload) + FRAME_COST_BYTES
                if cost > part_bytes:
                    if count:
                        await self._send(pending.SerializeToString(), count)
                        pending, count, size_bytes = link_pb2.FrameBatch(), 0, 0
                    await self._send_parts(payload, is_json=is_json)
                    continue
                if is_json:
                    pending.frames.add(call=number, json=payload)
                else:
                    pending.frames.add(call=number, event=payload)
            count += 1
            size_bytes += cost
            self._credit_bytes -= cost
        if count:
            await self._send(pending.SerializeToString(), count)

    async def _send_parts(self, payload: bytes, *, is_json: bool) -> None:
        for chunk, cost in frames.parts(self.number, payload, self._link.part_bytes, is_json=is_json):
            if self._credit_bytes <= 0:
                await self._credit()
            self._credit_bytes -= cost
            await self._send(chunk)

    async def _send(self, chunk: bytes, count: int = 1) -> None:
        outbox = self._link.outbox
        if not outbox.try_put(chunk, count):
            await outbox.put(chunk, count)

    async def _credit(self) -> None:
        """Wait for credit. Raises STALLED_READER."""
        if self._link.observer is not None:
            self._link.observer.call_stalled()
        options = self._link.options
        self._waiter = self._link.loop.create_future()
        try:
            async with asyncio.timeout(options.stalled_for_s):
                await self._waiter
        except TimeoutError:
            message = f"the stream was not read for {options.stalled_for_s:g} s"
            raise GatewayError(Kind.STALLED_READER, message) from None
        finally:
            self._waiter = None


def _payload(event: Event) -> bytes:
    """The bytes of an event that is no text."""
    return event.json if type(event) is Raw else event.SerializeToString()  # type: ignore[union-attr]  # a message
