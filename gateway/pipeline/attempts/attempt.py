"""One attempt: a call against one deployment, from its request to the last byte that is read.

Rules:
    - Nothing is given before the first content arrived (or `HELD_MAX_EVENTS` events without any).
    - The board hears of every attempt that began exactly once how it ended; a caller that left, or whose request was
      wrong, is no fault of the deployment.
    - An answer that fails an attempt is noted for the debug log; nothing else of it is kept.
    - Whoever makes an attempt closes it.
Not here:
    - What is tried after a failure (series.py); what a failure means (dialects, transport).
"""

from __future__ import annotations

from typing import Any

from gateway.config.catalogue import Deployment
from gateway.config.schema.routing import Concurrency
from gateway.core import hops
from gateway.core.errors import Fault, GatewayError, Kind
from gateway.pipeline.attempts import shapes
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.gate import Door
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress
from gateway.pipeline.said import hide, note
from gateway.providers.adapted import adapted
from gateway.providers.registry import DIALECTS, FORMATS
from gateway.providers.transport import Reply
from gateway.providers.upstream import STREAM_MEDIA_TYPES, Dialect, StreamDecoder
from gateway.routing.board import Verdict
from gateway.rpc.contract import Batch, Event, Method, Raw
from gateway.wire.foreign import own_paths
from gateway.wire.pb import chat_pb2

OK_STATUS = 200
HELD_MAX_EVENTS = 1000
COMPLETE = "complete"

_OK = Verdict.OK  # asking an enumeration for a member costs six times as much
_VERDICTS = {Kind.PROVIDER_RATE_LIMITED: Verdict.THROTTLED, Kind.PROVIDER_AUTH: Verdict.UNAUTHORIZED}


class Attempt:
    """`begin` once, then `next` until it gives None, then `close` in any case.

    All but `close` raise GatewayError. A cancelled wait leaves `close` to be called.
    """

    __slots__ = (
        "_began_s", "_decoder", "_dialect", "_door", "_failure", "_is_open", "_is_usage_owed", "_kit", "_progress",
        "_reply", "record",
    )  # fmt: skip

    def __init__(self, kit: Kit, progress: Progress, deployment: Deployment, kind: str = "") -> None:
        self._kit = kit
        self._progress = progress
        self.record = progress.begin_try(deployment, kind)
        self._reply: Reply | None = None
        self._dialect = DIALECTS[deployment.dialect]
        self._decoder: StreamDecoder | None = None
        self._failure: GatewayError | None = None  # to be raised when the events before it were given
        self._is_open = True
        self._is_usage_owed = False  # the caller is told an estimate where the provider counts nothing
        self._door: Door | None = None  # where its place is, while it has one
        self._began_s = kit.transport.loop.time()
        kit.board.began(deployment, self._began_s)

    @property
    def deployment(self) -> Deployment:
        """Against which deployment."""
        return self.record.deployment

    async def begin(self, order: Order) -> Batch:
        """Send the request; the first events, up to and with the first content."""
        deployment = self.record.deployment
        if deployment.concurrency is not None:
            await self._take_place(deployment.concurrency, order.deadline_s)
        dialect, plain = adapted(self._dialect, deployment, order.request)
        if plain is not order.request:
            order = order._replace(request=plain)
        self._dialect = dialect
        method, asked = order.method, order.request
        if not (deployment.can_stream and deployment.can_answer_whole):
            method = shapes.upstream_method(method, deployment)
            asked = shapes.request_for(order, method)
        request = dialect.encode(method, asked, order.sent_as or deployment, order.model)
        if request.unsupported:
            self._progress.left_out = _left_out(order, deployment, own_paths(order.request, request.unsupported))
        request.headers[hops.HEADER] = order.hops
        self.record.was_sent = True
        self._reply = reply = await self._kit.transport.open(deployment, request, order.deadline_s)
        del request, asked, plain  # the first content may take its time
        if deployment.has_limit_headers:
            self._kit.board.told(deployment, reply.headers, self._kit.transport.loop.time())
        if reply.status != OK_STATUS:
            body = await reply.read()
            self._note(reply, body)
            raise _refusal(reply, dialect, body)
        if method is not order.method:
            return await self._in_another_shape(order, method, reply)
        if not method.is_stream:
            body = await reply.read()
            self._answer_came()
            try:
                return [self._whole(order, deployment, body)]
            except GatewayError:
                self._note(reply, body)
                raise
        if reply.media_type not in STREAM_MEDIA_TYPES:
            self._note(reply, b"")
            raise _not_a_stream(reply)
        self._decoder = decoder = dialect.stream_decoder(method, order.asked or order.request, deployment)
        self._is_usage_owed = shapes.has_to_count(order) and deployment.dialect != "anthropic"
        return await self._first_content(reply, decoder)

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
                return decoder.finish() or self._owed_usage()
            try:
                events = decoder.feed(data)
            except GatewayError as failure:
                self._note(reply, data)
                if not failure.before:
                    raise
                self._failure = failure  # what came whole before it is the caller's
                return failure.before
            if events:
                self._progress.delivers(decoder.output_chars)
                return events
        await reply.finish()
        return self._owed_usage()

    async def close(self, outcome: str, cause: str = "", failure: GatewayError | None = None) -> None:
        """Note how it ended, tell the board, close the connection. The second call does nothing. Never raises."""
        if not self._is_open:
            return
        self._is_open = False
        record, reply, decoder = self.record, self._reply, self._decoder
        if decoder is not None:
            record.usage, record.output_chars, record.chunks = decoder.usage, decoder.output_chars, decoder.chunks
        if failure is not None:
            hide(failure, record.deployment)
            cause = failure.cause
        record.end(outcome, cause)
        self._kit.metrics.tried(record.deployment.provider, outcome)
        now_s = self._kit.transport.loop.time()
        verdict = _OK if outcome == COMPLETE else verdict_of(failure)
        wait_s = None if failure is None else failure.retry_after_s
        self._kit.board.ended(record.deployment, now_s, verdict, now_s - self._began_s, wait_s)
        if self._door is not None:
            self._door.leave(now_s - self._began_s, verdict)
        self._reply = self._decoder = None
        if reply is not None:
            await reply.close()

    async def _in_another_shape(self, order: Order, method: Method, reply: Reply) -> Batch:
        """The answer of a deployment that only streams, or never does, as the caller asked for it."""
        deployment, dialect = self.record.deployment, self._dialect
        if not method.is_stream:
            body = await reply.read()
            try:
                whole = shapes.named(dialect.decode_reply(method, body), deployment, order.model)
            except GatewayError:
                self._note(reply, body)
                raise
            self.record.usage, self.record.output_chars = shapes.usage_of(whole), shapes.made_chars(order, whole)
            if self.record.usage is None:
                self._estimate(order, whole)
            events = shapes.as_stream(order, whole)
            self.record.chunks = len(events)
            self._content_came(reply)
            return events
        if reply.media_type not in STREAM_MEDIA_TYPES:
            self._note(reply, b"")
            raise _not_a_stream(reply)
        self._decoder = decoder = dialect.stream_decoder(method, shapes.asked_of(order), deployment)
        gathering = shapes.Gathering(order.method, deployment.response_max_bytes)
        gathering.take(await self._first_content(reply, decoder))
        while (batch := await self.next()) is not None:
            gathering.take(batch)
        self.record.usage, self._decoder = decoder.usage, None
        whole = gathering.whole(decoder.usage)
        if decoder.usage is None:
            self.record.output_chars = decoder.output_chars
            self._estimate(order, whole)
        return [whole]

    def _whole(self, order: Order, deployment: Deployment, body: bytes) -> Event:
        """The event of a whole answer, and its usage."""
        dialect = self._dialect
        if FORMATS[deployment.dialect] == order.raw_dialect and dialect is DIALECTS[deployment.dialect]:
            self.record.usage = dialect.usage_of_reply(order.method, body)
            return Raw(body)
        message = shapes.named(dialect.decode_reply(order.method, body), deployment, order.model)
        self.record.usage = usage = shapes.usage_of(message)
        if usage is None:
            self.record.output_chars = shapes.made_chars(order, message)
            self._estimate(order, message)
        return message

    def _estimate(self, order: Order, message: Any) -> None:
        """Give a whole answer the counts its caller's format needs; what is settled is the same estimate."""
        if shapes.has_to_count(order):
            message.usage.CopyFrom(shapes.estimate(self._progress.shape.prompt_tokens, self.record.output_chars))

    def _owed_usage(self) -> Batch | None:
        """The counts a stream did not tell, once; None when it told them or its caller can do without."""
        decoder = self._decoder
        if not self._is_usage_owed or decoder is None or decoder.usage is not None:
            return None
        self._is_usage_owed = False
        usage = shapes.estimate(self._progress.shape.prompt_tokens, decoder.output_chars)
        return [chat_pb2.ChatChunk(object="chat.completion.chunk", usage=usage)]

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
        self._content_came(reply)
        self._progress.delivers(decoder.output_chars)
        return held

    async def _take_place(self, rules: Concurrency, deadline_s: float) -> None:
        """Wait for a place at the deployment; only then does the attempt's time begin."""
        door = self._kit.gate.door(self.record.deployment, rules)
        await door.enter(deadline_s, is_batch=self._progress.is_batch)
        self._door, self._began_s = door, self._kit.transport.loop.time()

    def _content_came(self, reply: Reply) -> None:
        reply.content_came()
        now_s = self._kit.transport.loop.time()
        self._kit.board.first_content(self.record.deployment, now_s, now_s - self._began_s)
        if self._door is not None:
            self._door.limit.took(now_s, now_s - self._began_s, is_stream=True)

    def _answer_came(self) -> None:
        now_s = self._kit.transport.loop.time()
        self._kit.board.answered(self.record.deployment, now_s, now_s - self._began_s)
        if self._door is not None:
            self._door.limit.took(now_s, now_s - self._began_s, is_stream=False)

    def _note(self, reply: Reply, body: bytes) -> None:
        """Tell the debug log what a failing attempt was answered."""
        note(self._kit.log, self._progress.request_id, self.record.deployment, reply.status, body)


def verdict_of(failure: GatewayError | None) -> Verdict:
    """What a failure says of the deployment; None (the caller left, or another attempt won) says nothing."""
    if failure is None or failure.row.fault is not Fault.PROVIDER:
        return Verdict.NEUTRAL
    return _VERDICTS.get(failure.kind, Verdict.FAULT)


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
