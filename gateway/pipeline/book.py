"""What the journal is told of a call: that its stream runs, and what it used when it ended.

Rules:
    - A call's id here is the gateway's own: a caller that repeats its request id is not counted less.
    - A call that was refused before anything was reserved is not written; every other one is, whatever its end.
    - Without a journal this costs an attribute test.
Not here:
    - Files and the database (accounts.journal).
"""

from __future__ import annotations

from gateway.accounts.journal.record import NAME_MAX_CHARS, Running, Used
from gateway.accounts.journal.segments import Journal
from gateway.core.tariff import PPM, SCALE, Tariff
from gateway.pipeline.kit import Kit
from gateway.pipeline.mode import told
from gateway.pipeline.progress import End, Progress, Settled
from gateway.rpc.contract import Batch, Method
from gateway.wire.pb import types_pb2


def began(kit: Kit, method: Method, progress: Progress, first: Batch | None) -> None:
    """An answer was promised to its caller, with these events; of a stream the journal keeps how far it came."""
    entry, journal, identity, deployment = progress.entry, kit.journal, progress.identity, progress.deployment
    if entry is not None and entry.has_modes:
        told(progress, first)
    if journal is None or not method.is_stream or identity is None or deployment is None or progress.is_free:
        return
    prompt_tokens = progress.shape.prompt_tokens
    tariff = None if entry is None or entry.tariff is None else entry.tariff.of(progress.mode)
    running = Running(
        id=_id(journal, progress),
        at_ms=int(kit.clock.wall_s() * 1000),
        user_id=identity.user_id,
        key_id=identity.key_id,
        model=_name(progress.model),
        provider=deployment.provider,
        prompt_tokens=prompt_tokens,
        prompt_usd_micros=None if tariff is None else tariff.bound_usd_micros(prompt_tokens, 0, identity.ratio_ppm),
        output_usd_per_million=_output_price(tariff, prompt_tokens, identity.ratio_ppm),
        request_id=progress.request_id[:NAME_MAX_CHARS],
        is_charged=bool(identity.debits),
    )
    progress.meter = journal.began(running)
    if progress.meter is not None:
        progress.meter(progress.output_chars)


def ended(kit: Kit, progress: Progress, settled: Settled) -> None:
    """A call was settled."""
    journal, identity, deployment = kit.journal, progress.identity, progress.deployment
    if journal is None or identity is None:
        return
    meter, progress.meter = progress.meter, None
    usage = settled.usage
    used = Used(
        id=_id(journal, progress),
        at_ms=int(kit.clock.wall_s() * 1000),
        user_id=identity.user_id,
        key_id=identity.key_id,
        model=_name(progress.model),
        provider=deployment.provider if deployment is not None else "",
        outcome=settled.outcome,
        prompt_tokens=settled.prompt_tokens,
        completion_tokens=settled.completion_tokens,
        cached_tokens=_cached(usage) if usage.HasField("prompt_tokens_details") else 0,
        cost_usd_micros=settled.cost_usd_micros,
        latency_ms=int(settled.seconds * 1000),
        is_estimate=settled.is_estimate,
        is_cached=progress.is_free and progress.end is End.COMPLETE,
        request_id=progress.request_id[:NAME_MAX_CHARS],
        is_charged=bool(identity.debits),
    )
    journal.ended(used, meter)


def _cached(usage: types_pb2.Usage) -> int:
    """Of the prompt's tokens; a provider may say anything."""
    return min(usage.prompt_tokens_details.cached_tokens, max(0, usage.prompt_tokens))


def _name(model: str) -> str:
    """The caller's name of the model as a database takes it."""
    return model[:NAME_MAX_CHARS].replace("\0", "")


def _id(journal: Journal, progress: Progress) -> str:
    if not progress.call_id:
        progress.call_id = journal.new_id()
    return progress.call_id


def _output_price(tariff: Tariff | None, prompt_tokens: int, ratio_ppm: int) -> str:
    """USD per million tokens of the answer to such a prompt, the group's ratio in it, as decimal text."""
    if tariff is None:
        return "0"
    scaled = tariff.rates_for(prompt_tokens).output * ratio_ppm
    whole, rest = divmod(scaled, SCALE * PPM)
    return f"{whole}.{rest:015d}"
