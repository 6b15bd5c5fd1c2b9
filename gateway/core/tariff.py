"""What a call costs: exact integers from list prices, a group's ratio and what was used.

Rules:
    - A rate is 10^-9 micro-USD per token (or character): a price of USD per million tokens with up to nine decimals
      is a whole number of them. Nothing is rounded but the end, once, half up, to whole micro-USD.
    - Tokens of a kind with a rate of its own (cached, written to a cache, audio, image) are part of the input or
      output tokens, as vendors count, and priced at that rate instead.
    - The tier of a call is the last one whose bound its input tokens exceed; all its tokens have that tier's rates.
    - A mode in which a vendor processes calls may have a tariff of its own; any other mode costs what is listed.
Not here:
    - Where prices are declared (config); who pays (accounts, quota.purses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SCALE = 10**9
PPM = 1_000_000


class Rates(NamedTuple):
    """10^-9 micro-USD per unit."""

    input: int
    output: int
    cached_input: int
    cache_write: int
    audio_input: int
    audio_output: int
    image_input: int
    image_output: int


class Counts(NamedTuple):
    """What a call used. Input and output include the others."""

    input: int
    output: int
    cached_input: int = 0
    cache_write: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0


@dataclass(frozen=True, slots=True)
class Tariff:
    """The prices of one model or deployment. `call` is 10^-9 micro-USD for each call."""

    rates: Rates
    call: int = 0
    tiers: tuple[tuple[int, Rates], ...] = ()  # (above so many input tokens, rates), rising
    modes: Mapping[str, Tariff] = field(default_factory=dict, hash=False)  # by the mode's word (core.modes)

    def of(self, mode: str | None) -> Tariff:
        """The tariff of calls processed in that mode; None = nobody said which."""
        return self if mode is None else self.modes.get(mode, self)

    def possible(self, asked: str | None) -> tuple[Tariff, ...]:
        """What a call may come to cost that asks for a mode: that, or what is listed. None leaves it to the vendor."""
        return (self, *self.modes.values()) if asked is None else (self, self.of(asked))

    def cost_usd_micros(self, used: Counts, ratio_ppm: int = PPM) -> int:
        """What the call costs somebody whose ratio is `ratio_ppm` millionths. Negative counts cost nothing."""
        return _rounded(self._scaled(used), ratio_ppm)

    def text_cost_usd_micros(self, input_tokens: int, output_tokens: int, ratio_ppm: int = PPM) -> int:
        """The same of a call that used nothing but plain tokens."""
        rates = self.rates_for(input_tokens) if self.tiers else self.rates
        scaled = self.call
        if input_tokens > 0:
            scaled += input_tokens * rates.input
        if output_tokens > 0:
            scaled += output_tokens * rates.output
        return _rounded(scaled, ratio_ppm)

    def bound_usd_micros(self, input_tokens: int, output_tokens: int, ratio_ppm: int = PPM) -> int:
        """What a call of that size costs at most: every token at the dearest rate it may have, rounded up."""
        rates = self.rates_for(input_tokens)
        dearest_in = max(rates.input, rates.cached_input, rates.cache_write, rates.audio_input, rates.image_input)
        dearest_out = max(rates.output, rates.audio_output, rates.image_output)
        scaled = self.call + max(0, input_tokens) * dearest_in + max(0, output_tokens) * dearest_out
        return -(-scaled * ratio_ppm // (SCALE * PPM))

    @property
    def is_free(self) -> bool:
        """Whether nothing ever costs anything."""
        is_listed = self.call or any(self.rates) or any(any(rates) for _, rates in self.tiers)
        return not is_listed and all(tariff.is_free for tariff in self.modes.values())

    def _scaled(self, used: Counts) -> int:
        rates = self.rates_for(used.input)
        special_in = used.cached_input + used.cache_write + used.audio_input + used.image_input
        special_out = used.audio_output + used.image_output
        return (
            self.call
            + max(0, used.input - special_in) * rates.input
            + max(0, used.cached_input) * rates.cached_input
            + max(0, used.cache_write) * rates.cache_write
            + max(0, used.audio_input) * rates.audio_input
            + max(0, used.image_input) * rates.image_input
            + max(0, used.output - special_out) * rates.output
            + max(0, used.audio_output) * rates.audio_output
            + max(0, used.image_output) * rates.image_output
        )

    def rates_for(self, input_tokens: int) -> Rates:
        """Of a call with that prompt: its tier's."""
        rates = self.rates
        for above, dearer in self.tiers:
            if input_tokens <= above:
                break
            rates = dearer
        return rates


def _rounded(scaled: int, ratio_ppm: int) -> int:
    """Half up to whole micro-USD."""
    if ratio_ppm == PPM:
        return (2 * scaled + SCALE) // (2 * SCALE)
    unit = SCALE * PPM
    return (2 * scaled * ratio_ppm + unit) // (2 * unit)
