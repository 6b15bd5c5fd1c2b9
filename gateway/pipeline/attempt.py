"""Trying the candidates of a plan until one answers: retry, fallback, and the promise made once.

Rules:
    - Nothing is yielded before the first content arrived; until then a failure moves on to another try,
      afterwards it ends the call.
    - A retry (same deployment) needs a failure that may pass, an attempt left, budget and time; a
      fallback (next deployment) needs only a candidate. A silent deployment is not asked again.
    - A provider's `retry-after` is honoured up to `retry_after_max_s`, never past the deadline.
    - Each try works from the same unchanged request; its response is closed before the next begins.
Not here:
    - Which candidates, in which order (routing.plan); what a failure means (dialects, transport).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind, Next
from gateway.observe.metrics import ATTEMPTS
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress
from gateway.providers.registry import DIALECTS
from gateway.providers.transport import Reply, deadline_exceeded
from gateway.routing.catalogue import Deployment, Entry
from gateway.rpc.contract import Batch, Method
from gateway.wire.pb import types_pb2

OK_STATUS = 200


@dataclass(frozen=True, slots=True)
class Order:
    """What every try of a call is made from. `deadline_s` is loop time."""

    method: Method
    request: Message
    model: str
    entry: Entry
    deadline_s: float


async def attempts(kit: Kit, order: Order, progress: Progress) -> AsyncGenerator[Batch, None]:
    """Batches of the first try that answers; see the module's rules. Raises GatewayError."""
    candidates = progress.plan.candidates if progress.plan else ()
    failure = GatewayError(Kind.UNAVAILABLE, f"No deployment of model `{order.model}` can be used now.")
    for place, deployment in enumerate(candidates):
        has_more = place + 1 < len(candidates)
        for number in range(order.entry.attempts_max):
            try:
                async with aclosing(_one(kit, order, deployment, progress)) as batches:
                    async for batch in batches:
                        yield batch
                return
            except GatewayError as error:
                if progress.is_committed or error.row.next is Next.STOP:
                    raise
                failure = error
            wait_s = _retry_in_s(kit, order, failure, number, has_more=has_more)
            if wait_s is None:
                break
            await asyncio.sleep(wait_s)
    raise failure


async def _one(kit: Kit, order: Order, deployment: Deployment, progress: Progress) -> AsyncGenerator[Batch, None]:
    """One try: its first batch holds the first content."""
    attempt = progress.begin_try(deployment)
    outcome, cause, reply = "cancelled", "", None
    try:
        dialect = DIALECTS[deployment.dialect]
        request = dialect.encode(order.method, order.request, deployment, order.model)
        reply = await kit.transport.open(deployment, request, order.deadline_s)
        if reply.status != OK_STATUS:
            raise dialect.classify(reply.status, reply.headers, await reply.read())
        if order.method.is_stream:
            async with aclosing(_stream(reply, order, deployment, progress)) as batches:
                async for batch in batches:
                    yield batch
        else:
            message = dialect.decode_reply(order.method, await reply.read())
            progress.usage = message.usage if message.HasField("usage") else None  # type: ignore[attr-defined]  # all replies have it
            progress.commit()
            yield [message]
        outcome = "complete"
    except GatewayError as error:
        outcome, cause = error.kind.name.lower(), error.cause
        raise
    finally:
        attempt.end(outcome, cause)
        ATTEMPTS.labels(deployment.provider, outcome).inc()
        if reply is not None:
            await reply.close()


async def _stream(
    reply: Reply, order: Order, deployment: Deployment, progress: Progress
) -> AsyncGenerator[Batch, None]:
    """Events of a stream; what comes before the first content is held back with it."""
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/event-stream":
        raise _not_a_stream(reply)
    decoder = DIALECTS[deployment.dialect].stream_decoder(order.method, order.request, deployment)
    held: Batch = []
    try:
        while data := await reply.next():
            events = decoder.feed(data)
            if not progress.is_committed:
                held += events
                if not decoder.has_content and not decoder.is_done:
                    continue
                events, held = held, []
                reply.content_came()
                progress.commit()
            if events:
                yield events
            if decoder.is_done:
                break
        if last := held + decoder.finish():
            if not progress.is_committed:
                progress.commit()
            yield last
        if not progress.is_committed:
            raise GatewayError(Kind.PROVIDER_INVALID, "The provider's stream was empty.")
        await reply.finish()
    finally:
        progress.usage = decoder.usage
        progress.output_chars = decoder.output_chars
        progress.chunks = decoder.chunks


def _not_a_stream(reply: Reply) -> GatewayError:
    media = reply.headers.get("content-type", "no content type")[:100]
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
        if has_more:
            return None
        raise deadline_exceeded() from failure
    return wait_s if kit.budget.take() else None


def estimated_usage(progress: Progress) -> types_pb2.Usage:
    """Usage for a call whose provider reported none: counted from the text, and marked as an estimate."""
    completion = -(-progress.output_chars // 4)
    return types_pb2.Usage(
        prompt_tokens=progress.prompt_estimate,
        completion_tokens=completion,
        total_tokens=progress.prompt_estimate + completion,
        is_estimate=True,
    )
