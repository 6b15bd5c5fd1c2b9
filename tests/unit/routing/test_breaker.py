"""Breakers in virtual time: what opens one, how long, one probe at a time, and what counts for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import BreakerRules
from gateway.routing.breaker import PROBE_MAX_S, Breaker, State, Verdict

FAULT, OK, NEUTRAL = Verdict.FAULT, Verdict.OK, Verdict.NEUTRAL


def breaker(**members: Any) -> Breaker:
    """With rules that differ in these."""
    return Breaker(BreakerRules(**members))


def call(
    made: Breaker, now_s: float, verdict: Verdict, *, took_s: float = 0.1, retry_after_s: float | None = None
) -> None:
    """One call that ends at `now_s`."""
    made.began(now_s - took_s)
    made.ended(now_s, verdict, took_s, retry_after_s)


def opened(now_s: float = 100.0, **members: Any) -> Breaker:
    """One that opened at `now_s` by failures in a row."""
    made = breaker(**members)
    for _ in range(made.rules.consecutive_max):
        call(made, now_s, FAULT)
    assert made.state(now_s) is State.OPEN
    return made


def test_failures_in_a_row_open_it() -> None:
    """One success between them starts the row anew."""
    made = breaker(consecutive_max=3)
    for verdict in (FAULT, FAULT, OK, FAULT, FAULT):
        call(made, 10, verdict)
    assert made.refusal(10) is None
    call(made, 10, FAULT)
    assert made.refusal(10) == "breaker open for 5.0 s: 3 failures in a row"


def test_a_share_of_failures_opens_it_once_there_are_enough_calls() -> None:
    """Nineteen of nineteen... is too few when twenty are asked for."""
    made = breaker(consecutive_max=1000, calls_min=20, error_percent=50)
    for at in range(19):
        call(made, 10 + at / 10, (OK, FAULT)[at % 2])
    assert made.state(12) is State.CLOSED
    call(made, 12, FAULT)
    assert made.state(12) is State.OPEN
    assert "of 20 calls failed" in str(made.refusal(12))


def test_failures_are_forgotten_after_the_window() -> None:
    """Nine of ten failed, a window ago."""
    made = breaker(consecutive_max=1000, calls_min=10, window_s=30)
    for _ in range(9):
        call(made, 10, FAULT)
    for _ in range(9):
        call(made, 45, OK)
    call(made, 45, FAULT)
    assert made.state(45) is State.CLOSED


def test_a_shorter_window_counts_from_the_next_call() -> None:
    """What is too old by the new rules is forgotten at once, and every call after the change is counted."""
    made = breaker(consecutive_max=1000, calls_min=10, window_s=300)
    for verdict in (FAULT, FAULT, OK):
        call(made, 10, verdict)
    made.follow(BreakerRules(consecutive_max=1000, calls_min=10, window_s=20))
    for verdict in (OK,) * 9 + (FAULT,) * 8:
        call(made, 35, verdict)
    assert made.state(35) is State.CLOSED
    call(made, 35, FAULT)
    assert "9 of 18 calls failed" in str(made.refusal(35))


def test_slow_first_contents_open_it() -> None:
    """A provider that answers everything too late is no better than one that fails."""
    made = breaker(calls_min=10, slow_percent=80, slow_s=5)
    for at in range(10):
        made.was_slow(10 + at)
        call(made, 10 + at, OK)
    assert made.state(20) is State.OPEN
    assert made.reason.endswith("calls were slow")


@pytest.mark.parametrize("count", [1, 50])
def test_callers_open_nothing(count: int) -> None:
    """Who leaves, or asks nonsense, says nothing of the provider."""
    made = breaker(consecutive_max=1, calls_min=1, error_percent=1)
    for _ in range(count):
        call(made, 10, NEUTRAL)
    assert made.state(10) is State.CLOSED


def test_half_open_lets_one_probe_through_at_a_time() -> None:
    """The second call is refused while the first runs; when it left without a verdict, the next is the probe."""
    made = opened(100)
    assert made.state(106) is State.HALF_OPEN
    assert made.refusal(106) is None
    made.began(106)
    assert "a probe runs" in str(made.refusal(106.5))
    made.ended(107, NEUTRAL, 1.0, None)
    assert made.refusal(107) is None


def test_a_good_probe_closes_it_and_a_bad_one_doubles_its_time() -> None:
    """5, 10, 20 seconds, and closed after one success, with everything forgotten."""
    made, now_s = opened(100), 100.0
    for waits_s in (10, 20, 40):
        now_s = made.open_until_s + 1
        call(made, now_s + 0.1, FAULT)
        assert made.open_until_s - (now_s + 0.1) == pytest.approx(waits_s)
    now_s = made.open_until_s + 1
    call(made, now_s + 0.1, OK)
    assert made.state(now_s + 1) is State.CLOSED
    assert made.failed_probes == 0


def test_probes_of_an_outage_are_bounded() -> None:
    """Under ten calls a second for ten minutes of outage: 5 failures at first, then fewer than 12 probes."""
    made, asked = breaker(cooldown_max_s=120), 0
    for tick in range(6000):
        now_s = 100 + tick / 10
        if made.refusal(now_s) is None:
            asked += 1
            made.began(now_s)
            made.ended(now_s + 0.05, FAULT, 0.05, None)
    assert asked <= 5 + 12
    in_first_minute = 5 + 4  # after 5, 10, 20 and 40 s
    made, asked = breaker(), 0
    for tick in range(600):
        now_s = 100 + tick / 10
        if made.refusal(now_s) is None:
            asked += 1
            made.began(now_s)
            made.ended(now_s + 0.05, FAULT, 0.05, None)
    assert asked <= in_first_minute


def test_the_longest_time_wins() -> None:
    """A `retry-after` beyond our own wait counts, a shorter one does not; a second failure may prolong."""
    made = breaker(consecutive_max=3)
    call(made, 10, FAULT, retry_after_s=30)
    assert made.open_until_s == 40
    call(made, 11, Verdict.THROTTLED, retry_after_s=2, took_s=5)
    assert made.open_until_s == 40
    call(made, 12, Verdict.THROTTLED, retry_after_s=60, took_s=5)
    assert made.open_until_s == 72
    call(made, 13, Verdict.THROTTLED, retry_after_s=100_000, took_s=5)
    assert made.open_until_s == 13 + made.rules.cooldown_max_s


def test_a_refused_key_is_quarantined() -> None:
    """At once, for five minutes; longer each time a probe is refused, up to an hour."""
    made, now_s, times = breaker(), 0.0, []
    for _ in range(6):
        now_s = max(now_s, made.open_until_s) + 1
        call(made, now_s, Verdict.UNAUTHORIZED, took_s=0)
        times.append(made.open_until_s - now_s)
    assert times == [300, 600, 1200, 2400, 3600, 3600]


def test_calls_that_began_before_it_opened_do_not_close_it() -> None:
    """A success says how things are now, not how they were; one from afterwards (a last resort) does."""
    made = opened(100)
    made.ended(102, OK, 50, None)
    assert made.state(102) is State.OPEN
    call(made, 103, OK)
    assert made.state(103) is State.CLOSED


def test_a_probe_that_nobody_ends_is_given_up() -> None:
    """A bug or a lost task must not shut a deployment out for ever."""
    made = opened(100)
    made.began(106)
    assert made.refusal(106 + PROBE_MAX_S - 1) is not None
    assert made.refusal(106 + PROBE_MAX_S) is None


STEPS = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from(list(Verdict)), st.floats(0, 30), st.none() | st.floats(0, 500)),
    max_size=60,
)


@given(STEPS)
def test_it_is_never_shut_longer_than_configured(steps: list[tuple[float, Verdict, float, float | None]]) -> None:
    """Whatever happens: bounded times, a reason while not closed, counts that are never negative."""
    made, now_s = breaker(consecutive_max=2, calls_min=3), 0.0
    for waited_s, verdict, took_s, retry_after_s in steps:
        now_s += waited_s
        if made.refusal(now_s) is None:
            made.began(now_s)
        made.ended(now_s + took_s, verdict, took_s, retry_after_s)
        assert made.open_until_s - (now_s + took_s) <= max(made.rules.cooldown_max_s, 12 * made.rules.quarantine_base_s)
        assert bool(made.reason) == (made.state(now_s + took_s) is not State.CLOSED)
    later_s = max(now_s, made.open_until_s) + PROBE_MAX_S + 1
    assert made.refusal(later_s) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10)), max_size=80))
def test_half_open_never_runs_two_probes(steps: list[tuple[bool, float]]) -> None:
    """Calls begin only when it lets them; of those that began half-open at most one runs."""
    made, now_s = opened(0.0), 6.0
    running: list[float] = []
    for begins, waited_s in steps:
        now_s += waited_s
        if begins and made.reason and made.refusal(now_s) is None:
            made.began(now_s)
            running.append(now_s)
        elif not begins and running:
            began_s = running.pop()
            made.ended(now_s, NEUTRAL, now_s - began_s, None)
        assert len(running) <= 1
