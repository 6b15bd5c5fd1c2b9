"""Prices of a model: what vendors publish, as people write it.

Rules:
    - A price of null is unknown, not free; a kind of token without a price of its own has that of its side.
    - A mode is a whole price list: what it does not give is not taken from standard processing, but for `call_usd`.
    - At most nine decimals, so that every price is a whole number in the tariff; write prices as text to keep them.

Not here: the arithmetic (core.tariff); ratios of groups (accounts).
"""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from gateway.config.schema.base import Section, setting
from gateway.core.modes import RESERVED
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
Mode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


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


class ListPrices(_Prices):
    """Prices of calls of any size. Write them as text (`"0.15"`) to keep every digit."""

    call_usd: Price = setting(Decimal(0), "Each call, besides its tokens.", unit="USD", ge=0)
    tiers: tuple[PriceTier, ...] = setting((), "Prices of calls with longer prompts, in rising order.")


class PriceMode(_Prices):
    """Prices of calls that the vendor processes in another mode, in place of all those of `pricing`."""

    output_usd_per_million: Price = setting(..., "Completion tokens.", unit=_PER_MILLION, ge=0)
    call_usd: Price | None = setting(
        None, "Each call, besides its tokens; unset = as in standard processing.", unit="USD", ge=0
    )
    tiers: tuple[PriceTier, ...] = setting((), "Prices of calls with longer prompts, in rising order.")


def _other_modes(modes: dict[str, PriceMode]) -> dict[str, PriceMode]:
    if named := sorted(RESERVED & modes.keys()):
        raise ValueError(f"has `{named[0]}`, whose prices stand beside `modes`")
    return modes


class Pricing(ListPrices):
    """What a model costs. Where it counts characters, prices are per million of them."""

    modes: Annotated[dict[Mode, PriceMode], AfterValidator(_other_modes)] = setting(
        dict,
        "Prices by the mode in which the vendor processed the call, as its answer says (`service_tier`): `flex`, "
        "`priority`, `batch`, ...; any other mode costs the prices beside.",
    )

    def tariff(self) -> Tariff:
        """For the arithmetic."""
        modes = {
            word: _tariff(mode, _or(mode.call_usd, self.call_usd), mode.tiers) for word, mode in self.modes.items()
        }
        return _tariff(self, self.call_usd, self.tiers, modes)


def _tariff(
    prices: _Prices, call_usd: Decimal, tiers: tuple[PriceTier, ...], modes: dict[str, Tariff] | None = None
) -> Tariff:
    rising = sorted((tier.above_input_tokens, tier.rates()) for tier in tiers)
    return Tariff(prices.rates(), _scaled(call_usd) * _USD_MICROS, tuple(rising), modes or {})


def _or(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price


def _scaled(price: Decimal | None, otherwise: Decimal = Decimal(0)) -> int:
    """USD per million tokens is micro-USD per token: only the scale of rates is to be added."""
    return int(_or(price, otherwise) * SCALE)
