"""Limits tell whether there are any; a manual clock moves only when it is told to."""

from __future__ import annotations

import pytest

from gateway.core.clock import ManualClock, SystemClock
from gateway.core.limits import LIMIT_NAMES, Limits


def test_a_caller_without_limits_is_not_limited() -> None:
    """None everywhere = nothing to count."""
    assert not Limits(None, None, None).is_limited


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_one_limit_is_enough(name: str) -> None:
    """Each dimension alone makes a caller limited, also the smallest amount."""
    assert Limits(**{name: 1}).is_limited


def test_a_manual_clock_stands_still() -> None:
    """Both times move together, by what was asked."""
    clock = ManualClock(wall_s=100.0)
    before = clock.monotonic()
    assert (clock.monotonic(), clock.wall_s()) == (before, 100.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.wall_s()) == (before + 2.5, 102.5)


def test_the_machines_clock_never_goes_back() -> None:
    """Durations come from the monotonic clock, dates from unix time."""
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.monotonic() >= first
    assert clock.wall_s() > 1_700_000_000
