"""Hedging in virtual time: the figures that docs/resilience.md shows, from the gateway's own attempts and budget."""

from __future__ import annotations

import pytest

from loadtests.virtual_hedging import LATE_S, late_first_tokens


@pytest.mark.parametrize("seed", [1, 2])
def test_hedging_cuts_p99_to_a_third_for_a_twentieth_more_calls(seed: int) -> None:
    """When 2 % of first tokens take five seconds; without it they are the p99."""
    hedged = late_first_tokens(is_hedged=True, calls=5000, seed=seed)
    assert len(hedged.took_s) == 5000
    assert hedged.p99_s <= LATE_S / 3
    assert hedged.extra_percent <= 5.0
    plain = late_first_tokens(is_hedged=False, calls=1000, seed=seed)
    assert (plain.p99_s, plain.extra_percent) == (LATE_S, 0.0)
