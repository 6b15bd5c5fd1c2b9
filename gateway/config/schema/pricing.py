"""Prices of a model: what vendors publish, as people write it.

Rules:
    - A price of null is unknown, not free; a kind of token without a price of its own has that of its side.
    - At most nine decimals, so that every price is a whole number in the tariff; write prices as text to keep them.

Not here: the arithmetic (core.tariff); ratios of groups (accounts).
"""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator

from gateway.config.schema.base import Section, setting
from gateway.core.tariff import SCALE, Rates, Tariff

_PER_MILLION = "USD per million tokens"
_EXPONENT_MIN = -9
_USD_MICROS = 1_000_000


def _exact(price: Decimal) -> Decimal:
    exponent = price.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or exponent < _EXPONENT_MIN:
        raise ValueError("has more than nine decimals")
    return price


Price = Annotated[Decimal, AfterValidator(_exact)]


class _Prices(Section):
    """Prices of one size of call."""

    input_usd_per_million: Price = setting(..., "Prompt tokens.", unit=_PER_MILLION, ge=0)
    output_usd_per_million: Price = setting(Decimal(0), "Completion tokens.", unit=_PER_MILLION, ge=0)
    cached_input_usd_per_million: Price | None = setting(
        None, "Prompt tokens the vendor had cached; unset = as `input_usd_per_million`.", unit=_PER_MILLION, ge=0
    )
    cache_write_usd_per_million: Price | None = setting(
        None, "Prompt tokens the vendor put into its cache; unset = as `input_usd_per_million`.",
        unit=_PER_MILLION, ge=0,
    )  # fmt: skip
    audio_input_usd_per_million: Price | None = setting(
        None, "Audio prompt tokens; unset = as `input_usd_per_million`.", unit=_PER_MILLION, ge=0
    )
    audio_output_usd_per_million: Price | None = setting(
        None, "Audio completion tokens; unset = as `output_usd_per_million`.", unit=_PER_MILLION, ge=0
    )
    image_input_usd_per_million: Price | None = setting(
        None, "Image prompt tokens; unset = as `input_usd_per_million`.", unit=_PER_MILLION, ge=0
    )
    image_output_usd_per_million: Price | None = setting(
        None, "Image completion tokens; unset = as `output_usd_per_million`.", unit=_PER_MILLION, ge=0
    )

    def rates(self) -> Rates:
        """As the tariff has them."""
        given, made = self.input_usd_per_million, self.output_usd_per_million
        return Rates(
            _scaled(given),
            _scaled(made),
            _scaled(self.cached_input_usd_per_million, given),
            _scaled(self.cache_write_usd_per_million, given),
            _scaled(self.audio_input_usd_per_million, given),
            _scaled(self.audio_output_usd_per_million, made),
            _scaled(self.image_input_usd_per_million, given),
            _scaled(self.image_output_usd_per_million, made),
        )


class PriceTier(_Prices):
    """Prices of calls with longer prompts, for all of their tokens."""

    above_input_tokens: int = setting(..., "Calls with more prompt tokens than this.", unit="tokens", ge=1)


class Pricing(_Prices):
    """List prices. Write them as text (`"0.15"`) to keep every digit. Where a model counts characters: per million."""

    call_usd: Price = setting(Decimal(0), "Each call, besides its tokens.", unit="USD", ge=0)
    tiers: tuple[PriceTier, ...] = setting((), "Prices of calls with longer prompts, in rising order.")

    def tariff(self) -> Tariff:
        """For the arithmetic."""
        tiers = sorted((tier.above_input_tokens, tier.rates()) for tier in self.tiers)
        return Tariff(self.rates(), _scaled(self.call_usd) * _USD_MICROS, tuple(tiers))


def _scaled(price: Decimal | None, otherwise: Decimal = Decimal(0)) -> int:
    """USD per million tokens is micro-USD per token: only the scale of rates is to be added."""
    return int((otherwise if price is None else price) * SCALE)
