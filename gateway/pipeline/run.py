"""One call, from its arrival to its settlement, on one screen.

Rules:
    - Stages go one way: admit -> plan -> reserve -> attempt -> stream -> settle; each is measured.
    - `Head` comes before anything else, also before a failure, so that its headers (rate limits,
      generation) reach the caller in every case.
    - Settling happens exactly once, after the provider's connection is closed: on success before `Tail`,
      on failure before the error, on cancel before the generator is closed.
Not here:
    - What a stage decides (beside this file); how items travel (rpc).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from google.protobuf.message import Message

from gateway.core import hops
from gateway.core.errors import GatewayError, Kind
from gateway.observe.stages import Stages
from gateway.pipeline import book
from gateway.pipeline.admit import admit
from gateway.pipeline.attempts.after import too_late
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.start import attempts_for
from gateway.pipeline.cached import Answering, answering
from gateway.pipeline.counted import counted
from gateway.pipeline.counting import counting_of
from gateway.pipeline.identify import identify
from gateway.pipeline.kit import Kit, Runtime
from gateway.pipeline.mode import asked_word
from gateway.pipeline.progress import End, Progress
from gateway.pipeline.renamed import Renamed
from gateway.pipeline.reserve import reserve
from gateway.pipeline.route import plan_call
from gateway.pipeline.settle import settle
from gateway.quota.headers import NO_STANDINGS, openai_headers
from gateway.quota.reservation import Reservation
from gateway.rpc.contract import BUFFERED, ON_CUT, RESTART, Batch, CallContext, Head, Item, Method, Tail

LEFT_OUT_MAX_CHARS = 1000  # of a response header
_COMPLETE, _CANCELLED = End.COMPLETE, End.CANCELLED  # asking an enumeration for a member costs ten times as much


async def run(kit: Kit, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
    """Run one inference call; the items are those of `gateway.rpc.contract`."""
    runtime, stages = kit.runtime, Stages()
    progress = Progress(request_id=context.request_id, protocol=context.protocol)
    reservation: Reservation | None = None
    answer: Answering | None = None
    has_head = False
    kit.in_flight += 1
    try:
        order = plan_call(
            kit, runtime, await _accept(kit, runtime, method, request, context, progress, stages), context, progress
        )
        stages.mark("plan")
        answer = await _answering(kit, order, context, progress)
        reservation = await reserve(kit, progress)
        stages.mark("reserve")
        batch: Batch | None = await answer.first(order)
        del request, order, context  # nothing needs them any more, and a stream may stay open for hours
        stages.mark("attempt")
        book.began(kit, method, progress, batch)
        has_head = True
        yield Head(_headers(runtime, progress, reservation, stages, is_stream=method.is_stream))
        reservation.standings = NO_STANDINGS
        while batch is not None:
            if batch:  # a buffered answer has none at first
                yield batch
            batch = await answer.next()
        stages.mark("stream")
        progress.end = _COMPLETE
    except (asyncio.CancelledError, GeneratorExit):
        progress.end = _CANCELLED
        raise
    except Exception as error:
        failure = error if isinstance(error, GatewayError) else _bug(kit, progress, error)
        _failed(progress, failure)
        failure.trailers["server-timing"] = stages.server_timing()
        if not has_head:
            yield Head(_headers(runtime, progress, reservation, stages))
        if failure is error:
            raise
        raise failure from error
    finally:
        kit.in_flight -= 1
        end = _end(kit, method, progress, reservation, stages, answer)
        if answer is not None and _is_read_on(progress):
            kit.spawn(_read_on(answer, progress, end))
        else:
            await end
    stages.mark("settle")
    yield Tail({"server-timing": stages.server_timing()})


async def _accept(
    kit: Kit,
    runtime: Runtime,
    method: Method,
    request: Message,
    context: CallContext,
    progress: Progress,
    stages: Stages,
) -> Order:
    """The call as the caller may make it: who, which model, until when."""
    allowed_s = _allowed_s(runtime, context)
    deadline_s = kit.transport.loop.time() + allowed_s
    progress.model = request.model  # type: ignore[attr-defined]  # every inference request has it
    progress.identity = await identify(kit, runtime, context)
    onward = hops.onward(context.headers.get(hops.HEADER, ""), kit.instance)
    progress.entry, progress.shape = admit(runtime, progress.identity, request)
    if allowed_s < progress.entry.deadline_min_s:
        raise too_late(allowed_s, progress.entry.deadline_min_s)
    if progress.entry.counting:
        progress.counting = await counting_of(progress.entry, request)
        progress.shape = progress.shape._replace(prompt_tokens=progress.counting.prompt)
    is_looked_at = progress.entry.cache is not None or progress.counting is not None
    takes_raw = context.takes_json and not is_looked_at  # what is kept serves every protocol
    raw_dialect = context.dialect if takes_raw else ""
    takes_restart = progress.entry.rescue is not None and context.headers.get(ON_CUT, "") == RESTART
    stages.mark("admit")
    is_timed = context.HasField("timeout_ms")
    return Order(
        method, request, progress.model, progress.entry, deadline_s, raw_dialect, onward, None, takes_restart, is_timed
    )


async def _answering(kit: Kit, order: Order, context: CallContext, progress: Progress) -> Answering:
    """Where the answer comes from, and what is done to it; decided by the model that a rule may have chosen."""
    if order.entry.has_modes:
        progress.mode_asked = asked_word(order.request)
    answer: Answering
    if order.entry.cache is None and progress.counting is None:
        answer = attempts_for(kit, progress, order)
    else:
        answer = counted(await answering(kit, order, context, progress), order, progress)
    return Renamed(answer, progress.model) if order.entry.is_reply_renamed else answer


async def _end(
    kit: Kit, method: Method, progress: Progress, reservation: Reservation | None, stages: Stages,
    answer: Answering | None,
) -> None:  # fmt: skip
    """Close the provider's connection, then settle: the last thing of every call."""
    try:
        if answer is not None:
            await answer.close(progress.outcome, progress.cause)
    finally:
        await settle(kit, method, progress, reservation, stages)


def _is_read_on(progress: Progress) -> bool:
    """Whether the answer is read to its end although the caller left: the model says so, for exact usage."""
    is_left = progress.end is _CANCELLED and progress.is_committed
    return is_left and progress.entry is not None and progress.entry.on_client_gone == "drain"


async def _read_on(answer: Answering, progress: Progress, end: Coroutine[Any, Any, None]) -> None:
    """Read what the caller no longer wants, bounded by the attempt's clocks, then end the call."""
    try:
        while await answer.next() is not None:
            pass
        progress.is_whole = True
    except GatewayError:
        return  # its usage so far is what is settled
    finally:
        await end


def _allowed_s(runtime: Runtime, context: CallContext) -> float:
    """How long the call may take, whatever happens."""
    per_call = runtime.per_call
    timeout_s = context.timeout_ms / 1000 if context.HasField("timeout_ms") else per_call.deadline_default_s
    return min(timeout_s, per_call.deadline_max_s)


def _headers(
    runtime: Runtime, progress: Progress, reservation: Reservation | None, stages: Stages, *, is_stream: bool = True
) -> dict[str, str]:
    headers = {"x-gateway-generation": str(runtime.generation)}
    if reservation is not None:
        headers.update(openai_headers(reservation.standings))
    elif progress.error is not None:
        headers.update(progress.error.headers)
    if (progress.is_committed or progress.is_held) and progress.deployment is not None:
        headers["x-gateway-provider"] = progress.deployment.provider
        if progress.left_out:
            headers["x-gateway-dropped"] = _header_text(", ".join(progress.left_out))
        if progress.is_held:
            headers[BUFFERED] = "true"
    if progress.cache:
        headers["x-gateway-cache"] = progress.cache
    if is_stream:  # a whole answer has it in its trailers, with every stage
        headers["server-timing"] = stages.server_timing()
    return headers


def _header_text(text: str) -> str:
    """Text from a request as a header may hold it: printable ASCII, bounded."""
    return "".join([c if " " <= c <= "~" else "?" for c in text[:LEFT_OUT_MAX_CHARS]])


def _failed(progress: Progress, error: GatewayError) -> None:
    progress.error = error
    progress.end = End.CUT if error.kind is Kind.STREAM_CUT else End.ERROR


def _bug(kit: Kit, progress: Progress, error: Exception) -> GatewayError:
    kit.log.write("error", "bug", request_id=progress.request_id, traceback=traceback.format_exception(error))
    return GatewayError(Kind.INTERNAL, "The gateway failed on this call; the log has the request id.")
