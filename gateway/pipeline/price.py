"""The price of a call: what it may cost before, what it did cost after.

Rules:
    - List prices of the model times the ratio of the caller's group; None = the model has no price, which is
      not a price of zero.
    - The bound before a call covers its prompt as estimated and the longest answer it allows, in the dearest mode in
      which it may be processed.
Not here:
    - The arithmetic (core.tariff); whose money it is (quota, accounts).
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.catalogue import Entry
from gateway.core.tariff import PPM, Counts
from gateway.pipeline.shape import Shape
from gateway.wire.pb import types_pb2


def cost_usd_micros(
    entry: Entry | None, usage: types_pb2.Usage, ratio_ppm: int = PPM, mode: str | None = None
) -> int | None:
    """What a call cost that was processed in that mode; None = nobody said which."""
    if entry is None or entry.tariff is None:
        return None
    tariff = entry.tariff if mode is None else entry.tariff.of(mode)
    if usage.HasField("prompt_tokens_details") or usage.HasField("completion_tokens_details"):
        return tariff.cost_usd_micros(counts_of(usage), ratio_ppm)
    return tariff.text_cost_usd_micros(usage.prompt_tokens, usage.completion_tokens, ratio_ppm)


def bound_usd_micros(
    entry: Entry | None, shape: Shape, ratio_ppm: int = PPM, modes: Iterable[str | None] = ()
) -> int | None:
    """What a call may cost, asked for in one of those modes; None = the vendor chooses."""
    if entry is None or entry.tariff is None:
        return None
    given, made = shape.prompt_tokens, shape.output_tokens
    if not entry.has_modes:
        return entry.tariff.bound_usd_micros(given, made, ratio_ppm)
    tariffs = {id(each): each for mode in modes or (None,) for each in entry.tariff.possible(mode)}
    return max(each.bound_usd_micros(given, made, ratio_ppm) for each in tariffs.values())


def counts_of(usage: types_pb2.Usage) -> Counts:
    """What is priced of a usage. Reasoning is part of the answer and has no price of its own."""
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return Counts(
        usage.prompt_tokens,
        usage.completion_tokens,
        given.cached_tokens,
        given.cache_write_tokens,
        given.audio_tokens,
        made.audio_tokens,
        given.image_tokens,
        made.image_tokens,
    )
