"""The sliding minute, against a slow model that keeps every booking."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import MINUTE_S as WINDOW_S
from gateway.quota.window import Window


@dataclass
class SlowWindow:
    """Every booking ever made: (second, amount)."""

    booked: list[tuple[int, int]] = field(default_factory=list)

    def used(self, now_s: float) -> int:
        """The sum over the last 60 seconds, by booking second."""
        return sum(amount for second, amount in self.booked if second > int(now_s) - WINDOW_S)


steps = st.lists(
    st.tuples(
        st.floats(0, 45, allow_nan=False),  # seconds that pass first
        st.integers(0, 50),  # amount taken
        st.none() | st.tuples(st.integers(0, 30), st.integers(-50, 80)),  # correct an earlier booking
    ),
    max_size=60,
)


@given(st.floats(0, 1e6), steps)
def test_use_is_the_sum_of_the_last_sixty_seconds(start_s: float, script: list[tuple[float, int, object]]) -> None:
    """After any history of bookings and corrections; a correction that comes too late changes nothing."""
    window, slow, now_s = Window(), SlowWindow(), start_s
    for passes_s, amount, correction in script:
        now_s += passes_s
        window.advance(now_s)
        slow.booked.append((window.add(now_s, amount), amount))
        if isinstance(correction, tuple):
            back, change = correction
            second = slow.booked[-1 - back % len(slow.booked)][0]
            window.correct(second, change)
            if second > int(now_s) - WINDOW_S:
                slow.booked.append((second, change))
        assert window.used == slow.used(now_s)


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 20)), min_size=1, max_size=20), st.integers(1, 20))
def test_what_does_not_fit_now_fits_when_it_says(history: list[tuple[float, int]], amount: int) -> None:
    """`free_in_s` is the first moment at which the amount fits, not later and not earlier."""
    window, now_s, limit = Window(), 1000.0, 20
    for passes_s, booked in history:
        now_s += passes_s
        window.advance(now_s)
        window.add(now_s, booked)
    wait_s = window.free_in_s(now_s, limit, amount)
    if window.used + amount <= limit:
        assert wait_s == 0
        return
    assert 0 < wait_s <= WINDOW_S
    window.advance(now_s + wait_s - 1e-6)
    assert window.used + amount > limit
    window.advance(now_s + wait_s + 1e-6)
    assert window.used + amount <= limit


def test_an_amount_that_never_fits_is_asked_back_after_a_whole_window() -> None:
    """More than the limit itself: the answer is bounded."""
    window = Window()
    window.add(1000, 5)
    assert window.free_in_s(1000, 10, 11) == WINDOW_S


def test_the_window_is_full_again_when_the_last_booking_left() -> None:
    """Zero when nothing is booked; otherwise counted from the newest second."""
    window = Window()
    assert window.full_in_s(1000.0) == 0
    window.add(1000.5, 1)
    window.add(1010.5, 1)
    assert window.full_in_s(1010.5) == pytest.approx(59.5)
    window.advance(1070.0)
    assert (window.used, window.full_in_s(1070.0)) == (0, 0)


def test_memory_is_bounded_by_the_seconds_of_the_window() -> None:
    """Thousands of bookings in a minute are at most 61 entries."""
    window = Window()
    for step in range(10_000):
        now_s = 1000 + step / 50
        window.advance(now_s)
        window.add(now_s, 1)
    assert len(window._booked) <= WINDOW_S + 1  # the promise is about memory


@given(
    before=st.lists(st.tuples(st.integers(1, 200), st.integers(0, 50)), max_size=10),
    taken=st.lists(st.integers(0, 50), max_size=5),
)
def test_what_is_recalled_counts_as_if_it_had_been_booked(before: list[tuple[int, int]], taken: list[int]) -> None:
    """In any order, beside what was booked meanwhile; it leaves the window when it would have."""
    now_s = 1000.0
    window, slow = Window(), SlowWindow()
    for amount in taken:
        slow.booked.append((window.add(now_s, amount), amount))
    for age_s, amount in before:
        window.recall(int(now_s) - age_s, amount)
        window.advance(now_s)
        slow.booked.append((int(now_s) - age_s, amount))
    for later_s in (now_s, now_s + 30.0, now_s + 59.0, now_s + 61.0):
        window.advance(later_s)
        assert window.used == slow.used(later_s)
