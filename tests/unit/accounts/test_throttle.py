"""Failures are counted by subject, forgotten evenly, and bounded in number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.secrets_made import key_id_in, new_id, new_key
from gateway.accounts.throttle import Throttle


def test_so_many_at_once_and_then_at_that_rate() -> None:
    """Ten a minute: ten at once, the eleventh six seconds later."""
    throttle = Throttle()
    assert [throttle.take("a", 10, 100.0) for _ in range(10)] == [0.0] * 10
    assert round(throttle.take("a", 10, 100.0), 3) == 6.0
    assert throttle.take("b", 10, 100.0) == 0.0
    assert throttle.take("a", 10, 106.01) == 0.0
    assert throttle.take("a", 10, 106.01) > 0
    throttle.give_back("a", 10)
    assert throttle.take("a", 10, 106.01) == 0.0


def test_the_longest_unused_is_forgotten_first() -> None:
    """A flood from many addresses takes no more memory than `subjects_max`."""
    throttle = Throttle(subjects_max=3)
    for subject in "abcde":
        throttle.take(subject, 1, 0.0)
    assert len(throttle) == 3
    assert throttle.take("e", 1, 0.0) > 0
    assert throttle.take("a", 1, 0.0) == 0.0


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 20))
def test_never_more_than_twice_the_rate_in_a_minute(steps_s: list[float], per_minute: int) -> None:
    """Whatever the times: in any 60 s no more pass than a full allowance and what is earned meanwhile."""
    throttle, now_s, passed = Throttle(), 0.0, []
    for step_s in steps_s:
        now_s += step_s
        if not throttle.take("a", per_minute, now_s):
            passed.append(now_s)
    for start_s in passed:
        assert sum(start_s <= at_s < start_s + 60 for at_s in passed) <= 2 * per_minute


@given(st.text(max_size=100))
def test_what_is_no_key_is_seen_without_asking(text: str) -> None:
    """Any text: an id of 16 plain characters, or none; ids of our own keys are found under every prefix."""
    found = key_id_in(text)
    assert found is None or (len(found) == 16 and found.isascii() and found.isalnum())
    key_id = new_id()
    assert key_id_in(new_key("ix-api-key-", key_id)) == key_id
