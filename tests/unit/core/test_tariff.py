"""Money is exact: the tariff against fractions, and never more than its bound."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.config.schema import Pricing
from gateway.config.schema.pricing import PriceMode, PriceTier
from gateway.core.modes import STANDARD, mode_of
from gateway.core.tariff import PPM, Counts, Tariff

prices = st.decimals(0, 1000, places=9)
maybe = st.none() | prices
tokens = st.integers(0, 10**7)
kinds = (
    "input", "output", "cached_input", "cache_write", "audio_input", "audio_output", "image_input", "image_output"
)  # fmt: skip
sides = {name: "output" if name.endswith("output") else "input" for name in kinds}


@st.composite
def pricings(draw: st.DrawFn) -> Pricing:
    """Any prices, also of calls above a thousand tokens."""
    flat: dict[str, Any] = {
        f"{name}_usd_per_million": draw(prices if name in ("input", "output") else maybe) for name in kinds
    }
    tier: dict[str, Any] = {
        f"{name}_usd_per_million": draw(prices if name in ("input", "output") else maybe) for name in kinds
    }
    tiers = (PriceTier(above_input_tokens=1000, **tier),) if draw(st.booleans()) else ()
    return Pricing(call_usd=draw(prices), tiers=tiers, **flat)


@st.composite
def used(draw: st.DrawFn) -> Counts:
    """Special tokens are part of the input or output."""
    special = {name: draw(st.integers(0, 1000)) for name in kinds[2:]}
    given_ = sum(count for name, count in special.items() if sides[name] == "input")
    made = sum(count for name, count in special.items() if sides[name] == "output")
    return Counts(given_ + draw(tokens), made + draw(tokens), **special)


def exact_usd_micros(pricing: Pricing, counts: Counts, ratio_ppm: int) -> Fraction:
    """As people compute it: price per million, for each kind, times the ratio."""
    source = pricing.tiers[0] if pricing.tiers and counts.input > 1000 else pricing
    plain = {side: getattr(counts, side) for side in ("input", "output")}
    total = Fraction(pricing.call_usd) * 10**6
    for name in kinds[2:]:
        plain[sides[name]] -= getattr(counts, name)
    for name in kinds:
        count = plain.get(name, getattr(counts, name))
        own = getattr(source, f"{name}_usd_per_million")
        price = getattr(source, f"{sides[name]}_usd_per_million") if own is None else own
        total += count * Fraction(price)
    return total * Fraction(ratio_ppm, PPM)


@given(pricings(), used(), st.integers(0, 5 * PPM))
def test_a_cost_is_the_exact_sum_rounded_once(pricing: Pricing, counts: Counts, ratio_ppm: int) -> None:
    """Half up, for any prices, kinds of tokens, tiers and ratios."""
    exact = exact_usd_micros(pricing, counts, ratio_ppm)
    assert pricing.tariff().cost_usd_micros(counts, ratio_ppm) == int(exact + Fraction(1, 2))


@given(pricings(), used(), st.integers(0, 5 * PPM))
def test_no_call_costs_more_than_its_bound(pricing: Pricing, counts: Counts, ratio_ppm: int) -> None:
    """Whatever kinds its tokens turn out to be."""
    tariff = pricing.tariff()
    bound = tariff.bound_usd_micros(counts.input, counts.output, ratio_ppm)
    assert tariff.cost_usd_micros(counts, ratio_ppm) <= bound


def test_the_worked_example_of_ratio_pricing() -> None:
    """N16: 2.5 USD a million in, four times that out, cached half, group 0.8: 1600 quota of 500,000 a USD."""
    pricing = Pricing(
        input_usd_per_million=Decimal("2.5"),
        output_usd_per_million=Decimal(10),
        cached_input_usd_per_million=Decimal("1.25"),
    )
    cost = pricing.tariff().cost_usd_micros(Counts(1000, 200, cached_input=400), 800_000)
    assert (cost, cost * 500_000 // 10**6) == (3200, 1600)


def test_a_price_for_each_call() -> None:
    """N17: 0.04 USD a call, group 0.5, two of them: 20,000 quota. A free tariff says so."""
    pricing = Pricing(input_usd_per_million=Decimal(0), call_usd=Decimal("0.04"))
    assert 2 * pricing.tariff().cost_usd_micros(Counts(9, 9), 500_000) * 500_000 // 10**6 == 20_000
    assert not pricing.tariff().is_free
    assert Pricing(input_usd_per_million=Decimal(0)).tariff().is_free


def test_what_counts_backwards_costs_nothing() -> None:
    """A provider that reports negative tokens is not paid by its caller's wallet, nor the other way round."""
    tariff: Tariff = Pricing(input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(1)).tariff()
    assert tariff.cost_usd_micros(Counts(-100, -5)) == 0


def test_more_decimals_than_can_be_exact_are_refused() -> None:
    """Nine are kept; a tenth would be lost silently."""
    Pricing(input_usd_per_million=Decimal("0.123456789"))
    with pytest.raises(ValidationError, match="nine decimals"):
        Pricing(input_usd_per_million=Decimal("0.1234567891"))


@given(pricings(), pricings(), used(), st.integers(0, 5 * PPM), st.sampled_from(["flex", "priority", STANDARD, None]))
def test_a_mode_has_its_own_prices(
    listed: Pricing, flex: Pricing, counts: Counts, ratio_ppm: int, mode: str | None
) -> None:
    """A call costs what its mode does, exactly; what is held covers every mode it may be processed in."""
    own = PriceMode.model_validate(flex.model_dump(exclude={"modes"}))
    tariff = listed.model_copy(update={"modes": {"flex": own}}).tariff()
    cost = tariff.of(mode).cost_usd_micros(counts, ratio_ppm)
    assert cost == (flex if mode == "flex" else listed).tariff().cost_usd_micros(counts, ratio_ppm)
    bounds = [each.bound_usd_micros(counts.input, counts.output, ratio_ppm) for each in tariff.possible(mode)]
    assert max(bounds) >= cost
    left_open = [each.bound_usd_micros(counts.input, counts.output, ratio_ppm) for each in tariff.possible(None)]
    assert max(left_open) >= max(bounds)


def test_a_mode_takes_only_the_price_of_a_call_over() -> None:
    """What a mode leaves out is that of its own side, not what standard processing has; it may make a tariff cost."""
    mode = PriceMode(input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(2))
    pricing = Pricing(
        input_usd_per_million=Decimal(4), cached_input_usd_per_million=Decimal(3), call_usd=Decimal(1),
        modes={"flex": mode},
    )  # fmt: skip
    assert pricing.tariff().of("flex").cost_usd_micros(Counts(10, 10, cached_input=10)) == 1_000_000 + 10 + 20
    free = Pricing(input_usd_per_million=Decimal(0), modes={"flex": mode})
    assert not free.tariff().is_free


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("flex", "flex"), ("priority", "priority"), ("default", STANDARD), ("standard_only", STANDARD),
        ("ON_DEMAND", STANDARD), ("ON_DEMAND_PRIORITY", "priority"),
        ("PROVISIONED_THROUGHPUT", "provisioned_throughput"), ("auto", None), ("", None),
        ("TRAFFIC_TYPE_UNSPECIFIED", None),
    ],
)  # fmt: skip
def test_vendors_words_name_modes(word: str, mode: str | None) -> None:
    """The same mode has one name, whoever says it."""
    assert mode_of(word) == mode
