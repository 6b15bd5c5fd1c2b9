"""Trying the candidates of a plan until one answers: retry, fallback, and the promise made once.

Rules:
    - Nothing is given before the first content arrived (or `HELD_MAX_EVENTS` events without any); until then
      a failure moves on to another try, afterwards it ends the call.
    - A retry (same deployment) needs a failure that may pass, an attempt left, budget and time; a
      fallback (next deployment) needs only a candidate. A silent deployment is not asked again.
    - A provider's `retry-after` is honoured up to `retry_after_max_s`, never past the deadline.
    - Each try works from the same unchanged request; its response is closed before the next begins.
    - An answer that fails a try is noted for the debug log; nothing else of it is kept.
Not here:
    - Which candidates, in which order (routing.plan); what a failure means (dialects, transport).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment, Entry
from gateway.core import hops
from gateway.core.errors import GatewayError, Kind, Next
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress, Try
from gateway.pipeline.said import note
from gateway.providers.registry import DIALECTS
from gateway.providers.transport import Reply
from gateway.providers.upstream import STREAM_MEDIA_TYPES, Dialect, StreamDecoder
from gateway.rpc.contract import Batch, Event, Method, Raw

OK_STATUS = 200
HELD_MAX_EVENTS = 1000


class Order(NamedTuple):
    """What every try of a call is made from. `deadline_s` is loop time."""

    method: Method
    request: Message
    model: str
    entry: Entry
    deadline_s: float
    raw_dialect: str = ""  # the caller takes a whole answer of this dialect as it is; empty = of none
    hops: str = ""  # the gateways it passed, this one included, for the provider to see


class Attempts:
    """The tries of one call. `first` once, then `next` until it gives nothing, then `close` in any case.

    All raise GatewayError; a cancelled wait leaves `close` to be called.
    """

    __slots__ = ("_decoder", "_failure", "_kit", "_progress", "_reply", "_try")

    def __init__(self, kit: Kit, progress: Progress) -> None:
        self._kit = kit
        self._progress = progress
        self._reply: Reply | None = None
        self._decoder: StreamDecoder | None = None
        self._try: Try | None = None
        self._failure: GatewayError | None = None  # to be raised when the events before it were given

    async def first(self, order: Order) -> Batch:
        """The first events of the first try that answers; they hold the first content. `order` is not kept."""
        progress = self._progress
        candidates = progress.plan.candidates if progress.plan else ()
        failure = GatewayError(Kind.UNAVAILABLE, f"No deployment of model `{order.model}` can be used now.")
        for place, deployment in enumerate(candidates, 1):
            for number in range(order.entry.attempts_max):
                try:
                    batch = await self._begin(order, deployment)
                except GatewayError as error:
                    await self._end(error.kind.name.lower(), error.cause)
                    if error.row.next is Next.STOP:
                        raise
                    failure = error
                else:
                    progress.commit()
                    return batch
                wait_s = _retry_in_s(self._kit, order, failure, number, has_more=place < len(candidates))
                if wait_s is None:
                    break
                await asyncio.sleep(wait_s)
        raise failure

    async def next(self) -> Batch | None:
        """More events as they come; None when the answer is complete."""
        reply, decoder = self._reply, self._decoder
        if reply is None or decoder is None:
            return None
        if self._failure is not None:
            raise self._failure
        while not decoder.is_done:
            data = await reply.next()
            if not data:
                return decoder.finish() or None
            try:
                events = decoder.feed(data)
            except GatewayError as failure:
                self._note(reply, data)
                if not failure.before:
                    raise
                self._failure = failure  # what came whole before it is the caller's
                return failure.before
            if events:
                return events
        await reply.finish()
        return None

    async def close(self, outcome: str, cause: str = "") -> None:
        """End the last try, if one is open: read counters, close the connection. The second call does nothing."""
        if self._try is not None:
            await self._end(outcome, cause)

    async def _begin(self, order: Order, deployment: Deployment) -> Batch:
        """One try, up to its first content."""
        self._try = self._progress.begin_try(deployment)
        dialect = DIALECTS[deployment.dialect]
        request = dialect.encode(order.method, order.request, deployment, order.model)
        if request.unsupported:
            self._progress.left_out = _left_out(order, deployment, request.unsupported)
        request.headers[hops.HEADER] = order.hops
        self._reply = reply = await self._kit.transport.open(deployment, request, order.deadline_s)
        if reply.status != OK_STATUS:
            body = await reply.read()
            self._note(reply, body)
            raise _refusal(reply, dialect, body)
        if not order.method.is_stream:
            body = await reply.read()
            try:
                return [self._whole(order, deployment, body)]
            except GatewayError:
                self._note(reply, body)
                raise
        if reply.media_type not in STREAM_MEDIA_TYPES:
            self._note(reply, b"")
            raise _not_a_stream(reply)
        self._decoder = decoder = dialect.stream_decoder(order.method, order.request, deployment)
        return await self._first_content(reply, decoder)

    def _whole(self, order: Order, deployment: Deployment, body: bytes) -> Event:
        """The event of a whole answer, and its usage."""
        dialect = DIALECTS[deployment.dialect]
        if deployment.dialect == order.raw_dialect:
            self._progress.usage = dialect.usage_of_reply(order.method, body)
            return Raw(body)
        message = dialect.decode_reply(order.method, body)
        self._progress.usage = message.usage if message.HasField("usage") else None  # type: ignore[attr-defined]  # all replies have it
        return message

    async def _first_content(self, reply: Reply, decoder: StreamDecoder) -> Batch:
        """Events up to and with the first content; what comes before is held back with it, but not without end."""
        held: Batch = []
        while data := await reply.next():
            try:
                held += decoder.feed(data)
            except GatewayError:
                self._note(reply, data)
                raise
            if decoder.has_content or decoder.is_done or len(held) > HELD_MAX_EVENTS:
                break
        else:
            held += decoder.finish()
        if not held:
            raise GatewayError(Kind.PROVIDER_INVALID, "The provider's stream was empty.")
        reply.content_came()
        return held

    def _note(self, reply: Reply, body: bytes) -> None:
        """Tell the debug log what a failing try was answered."""
        if self._try is not None:
            note(self._kit.log, self._progress.request_id, self._try.deployment, reply.status, body)

    async def _end(self, outcome: str, cause: str) -> None:
        """The current try is over: its counters go to the call's progress, its connection is closed."""
        attempt, reply, decoder, progress = self._try, self._reply, self._decoder, self._progress
        self._try = self._reply = self._decoder = None
        if decoder is not None:
            progress.usage, progress.output_chars, progress.chunks = decoder.usage, decoder.output_chars, decoder.chunks
        if attempt is not None:
            attempt.end(outcome, cause)
            self._kit.metrics.tried(attempt.deployment.provider, outcome)
        if reply is not None:
            await reply.close()


def _refusal(reply: Reply, dialect: Dialect, body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    if reply.status == hops.LOOP_STATUS and reply.headers.get("x-should-retry") == "false":
        return hops.in_a_ring(f"HTTP {reply.status}")  # said by a gateway, which may be this one; in any dialect
    return dialect.classify(reply.status, reply.headers, body)


def _left_out(order: Order, deployment: Deployment, unsupported: tuple[str, ...]) -> tuple[str, ...]:
    """What the provider does not get of the request. Raises UNSUPPORTED_PARAMETER where that is not allowed."""
    if order.entry.on_unsupported == "error":
        for path in unsupported:
            if path.partition("[")[0].partition(".")[0] not in deployment.drop:
                text = (
                    f"Models of this provider cannot take `{path}`. Leave it out, "
                    "or set `on_unsupported: drop` for the model."
                )
                raise GatewayError(Kind.UNSUPPORTED_PARAMETER, text, param=path)
    return unsupported


def _not_a_stream(reply: Reply) -> GatewayError:
    media = reply.media_type[:100] or "no content type"
    return GatewayError(Kind.PROVIDER_INVALID, f"The provider answered a stream request with {media}.")


def _retry_in_s(kit: Kit, order: Order, failure: GatewayError, number: int, *, has_more: bool) -> float | None:
    """Seconds to wait before the same deployment is tried again; None = go on to the next one."""
    entry = order.entry
    if failure.row.next is not Next.RETRY or number + 1 >= entry.attempts_max:
        return None
    if failure.kind is Kind.PROVIDER_RATE_LIMITED and has_more:
        return None
    wait_s = kit.draw() * min(entry.backoff_max_s, entry.backoff_base_s * 2**number)
    if failure.retry_after_s is not None:
        if failure.retry_after_s > entry.retry_after_max_s:
            return None
        wait_s = failure.retry_after_s + wait_s / 10
    if asyncio.get_running_loop().time() + wait_s >= order.deadline_s:
        return None  # the caller is told what failed, not that a time passed which did not
    return wait_s if kit.budget.take() else None
