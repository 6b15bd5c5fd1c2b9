"""The end of a call: settle what was reserved, count, and write its one log line.

Rules:
    - Runs exactly once for every call that began, after the provider's connection is closed, whatever
      happened; nothing in it may fail the call.
    - Usage is what the provider reported last; without a report it is estimated from what was delivered
      and marked; a call that never reached a provider used nothing.
    - A call that its caller abandoned before any content, by leaving or by its deadline, used its prompt: the provider
      was sent it and bills it. When the provider failed instead, the caller used nothing.
    - A model without a price has no cost, which is not a cost of zero.
    - A bug in finding out what was used is logged and charges nothing: places and money are given back all the same.
    - A report beyond any call (TOKENS_MAX, COST_USD_MICROS_MAX) is cut to it.
    - An answer that was kept, or is settled by another call that reads it too, used nothing (`is_free`).
Not here:
    - When (pipeline.run).
"""

from __future__ import annotations

import traceback
from time import perf_counter

from gateway.config.catalogue import Entry
from gateway.core.errors import Kind
from gateway.core.globs import is_glob
from gateway.core.limits import Amounts
from gateway.core.tariff import PPM
from gateway.observe.stages import Stages
from gateway.observe.tally import not_failing
from gateway.pipeline import book
from gateway.pipeline.attempts.shapes import estimate
from gateway.pipeline.kit import Kit
from gateway.pipeline.mode import final_mode
from gateway.pipeline.price import cost_usd_micros
from gateway.pipeline.progress import End, Progress, Settled
from gateway.quota.estimate import tokens_of_text
from gateway.quota.reservation import Reservation
from gateway.routing.plan import Plan
from gateway.rpc.contract import Method
from gateway.wire.pb import types_pb2

TOKENS_MAX = 10**12
COST_USD_MICROS_MAX = 10**15  # a billion USD
_COMPLETE = End.COMPLETE
_OPERATIONS = {"Chat": "chat", "StreamChat": "chat", "Complete": "text_completion", "StreamComplete": "text_completion"}


async def settle(kit: Kit, method: Method, progress: Progress, reservation: Reservation | None, stages: Stages) -> None:
    """See the module's rules."""
    try:
        usage, prompt, made, total = _believable(_usage(progress))
        cost = _cost_usd_micros(progress, usage, is_empty=not (prompt or made))
    except Exception as error:  # noqa: BLE001  # what is reserved is given back whatever happens
        kit.log.write("error", "bug", request_id=progress.request_id, traceback=traceback.format_exception(error))
        usage, prompt, made, total, cost = types_pb2.Usage(), 0, 0, 0, None
    if reservation is not None:
        await kit.quota.settle(reservation, _amounts(prompt, made, total, cost or 0))
    seconds = perf_counter() - progress.started_s
    settled = Settled(usage, prompt, made, usage.is_estimate, cost, progress.outcome, seconds)
    if reservation is not None:
        book.ended(kit, progress, settled)
    told = kit.runtime.per_call
    with not_failing():
        _measure(kit, method, progress, settled)
    with not_failing():
        if kit.log.level <= 20 and told.has_access_log:  # the level `info`
            _log(kit, method, progress, settled, stages)
    with not_failing():
        kit.calls.add(progress, settled.outcome, kit.clock.wall_s(), seconds, told.explain_calls_max)


def _believable(usage: types_pb2.Usage) -> tuple[types_pb2.Usage, int, int, int]:
    """What a provider reports, with its tokens (prompt, completion, total), up to what a call can be.

    Beyond it, or below zero, sums of many calls would not fit a database.
    """
    prompt, made, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if 0 <= prompt <= TOKENS_MAX and 0 <= made <= TOKENS_MAX and total <= TOKENS_MAX:
        return usage, prompt, made, total
    cut = types_pb2.Usage()
    cut.CopyFrom(usage)
    cut.prompt_tokens, cut.completion_tokens = max(0, min(prompt, TOKENS_MAX)), max(0, min(made, TOKENS_MAX))
    cut.total_tokens = min(total, TOKENS_MAX)
    return cut, cut.prompt_tokens, cut.completion_tokens, cut.total_tokens


def estimated_usage(progress: Progress) -> types_pb2.Usage:
    """Usage for a call whose provider reported none: counted, exactly or by estimate, and marked if it is one."""
    if progress.counting is not None:
        return progress.counting.usage()
    return estimate(progress.shape.prompt_tokens, progress.output_chars)


def is_abandoned(progress: Progress) -> bool:
    """Whether the caller left, or its deadline passed, while a provider worked on what it was sent."""
    if progress.is_committed or not progress.tries:
        return False
    last = progress.tries[-1]
    return last.was_sent and last.outcome in (End.CANCELLED, Kind.DEADLINE_EXCEEDED.name.lower())


def _amounts(prompt: int, made: int, total: int, usd_micros: int) -> Amounts:
    """What limits and purses are charged. A provider that counts backwards gives nothing back."""
    if prompt + made == total and prompt >= 0 <= made:  # nearly all of them
        return Amounts(prompt, made, usd_micros)
    prompt = max(0, prompt)
    return Amounts(prompt, max(0, made, total - prompt), usd_micros)


def _cost_usd_micros(progress: Progress, usage: types_pb2.Usage, *, is_empty: bool) -> int | None:
    """What the call costs; one that gave nothing, or whose answer somebody else pays, costs nothing."""
    if progress.is_free or (is_empty and not progress.is_committed):
        return None if progress.entry is None or progress.entry.tariff is None else 0
    ratio_ppm = progress.identity.ratio_ppm if progress.identity is not None else PPM
    entry = progress.entry
    if entry is not None and entry.has_modes:
        progress.mode = final_mode(progress, usage)
    cost = cost_usd_micros(entry, usage, ratio_ppm, progress.mode)
    return cost if cost is None or cost <= COST_USD_MICROS_MAX else COST_USD_MICROS_MAX


def _usage(progress: Progress) -> types_pb2.Usage:
    if progress.is_free:
        return types_pb2.Usage()
    is_counted = progress.counting is not None and progress.counting.is_unit
    if progress.usage is None or is_counted:
        return estimated_usage(progress) if progress.is_committed or is_abandoned(progress) else types_pb2.Usage()
    if progress.end is not _COMPLETE and not progress.is_whole:
        return _partial(progress, _believable(progress.usage)[0])  # first: a sum of greater counts has no place
    return progress.usage


def _partial(progress: Progress, reported: types_pb2.Usage) -> types_pb2.Usage:
    """Usage of a stream that ended early: the last report, or what was delivered when that is more.

    Some providers report the prompt at the start and the answer only at the end.
    """
    usage = types_pb2.Usage()
    usage.CopyFrom(reported)
    usage.is_partial = True
    counting = progress.counting
    delivered = tokens_of_text(progress.output_chars) if counting is None else counting.completion
    if delivered > usage.completion_tokens:
        usage.completion_tokens = delivered
        usage.total_tokens = usage.prompt_tokens + delivered
        usage.is_estimate = counting is None or not counting.is_exact
    return usage


def label_of(entry: Entry, model: str) -> str:
    """The model's name in metrics: its wire name when that is configured, else its slug."""
    return model if model in entry.names and not is_glob(model) else entry.slug


def _measure(kit: Kit, method: Method, progress: Progress, settled: Settled) -> None:
    outcome, seconds = settled.outcome, settled.seconds
    protocol = progress.protocol if progress.protocol in ("http", "grpc") else "other"
    kit.metrics.counted(protocol, method.name, outcome)
    if progress.error is not None and progress.error.kind is Kind.RATE_LIMITED:
        kit.metrics.limited(progress.error.limit or "other")
    entry, deployment = progress.entry, progress.deployment
    if entry is None or deployment is None:
        return
    first_s = progress.first_content_s if method.is_stream else None
    steps = progress.chunks - 1
    per_token_s = (seconds - first_s) / steps if first_s is not None and steps > 0 else None
    error = "" if progress.end is _COMPLETE else outcome
    operation = _OPERATIONS.get(method.name, "embeddings")
    told = kit.metrics.of(operation, label_of(entry, progress.model), deployment.provider)
    told.ended(error, seconds, first_s, per_token_s)
    if not progress.is_free and (progress.is_committed or is_abandoned(progress)):
        told.used(settled.prompt_tokens, settled.completion_tokens, settled.cost_usd_micros)


def _log(kit: Kit, method: Method, progress: Progress, settled: Settled, stages: Stages) -> None:
    identity, deployment, error = progress.identity, progress.deployment, progress.error
    fields: dict[str, object] = {
        "request_id": progress.request_id,
        "protocol": progress.protocol,
        "method": method.name,
        "outcome": settled.outcome,
        "key": identity.key_id if identity else None,
        "model": progress.model[:200],
        "provider": deployment.provider if deployment else None,
        "prompt_tokens": settled.prompt_tokens,
        "completion_tokens": settled.completion_tokens,
        "cost_usd_micros": settled.cost_usd_micros,
        "ms": int(settled.seconds * 1e6) / 1000,
        "stages": stages.as_millis(),
    }
    if progress.cache:
        fields["cache"] = progress.cache
    if progress.mode:
        fields["mode"] = progress.mode
    if progress.left_out:
        fields["left_out"] = progress.left_out[:20]
    if settled.is_estimate:
        fields["is_estimate"] = True
    if method.is_stream:
        fields["chunks"] = progress.chunks
    if len(progress.tries) > 1 or error:
        fields["tries"] = [attempt.as_record() for attempt in progress.tries]
    if progress.plan:
        _log_plan(fields, progress.plan, is_whole=bool(error) or len(progress.tries) > 1)
    if error:
        fields["error"] = error.message[:300]
        fields["cause"] = error.cause[:300]
    kit.log.write_record("info", "call", fields)


def _log_plan(fields: dict[str, object], plan: Plan, *, is_whole: bool) -> None:
    """What decided, who was considered beside whom, and who was dropped.

    Of calls that went well (`is_whole` is false) without those who can never be used.
    """
    if len(plan.candidates) > 1:
        fields["candidates"] = [each.id for each in plan.candidates]
    if plan.because:
        fields["because"] = plan.because
    if not plan.dropped:
        return
    dropped = {d.deployment.id: d.reason for d in plan.dropped if is_whole or d.deployment.unavailable_reason is None}
    if dropped:
        fields["dropped"] = dropped
