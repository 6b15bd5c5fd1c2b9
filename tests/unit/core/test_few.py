"""A queue of few items behaves as the deque it stands in for."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.few import Few


@given(st.lists(st.one_of(st.integers(), st.just("take"))))
def test_it_gives_what_a_deque_gives(steps: list[int | str]) -> None:
    """In order, the same length and truth at each step."""
    ours: Few[int | str] = Few()
    theirs: deque[int | str] = deque()
    for step in steps:
        if step == "take" and theirs:
            assert ours.popleft() == theirs.popleft()
        else:
            ours.append(step)
            theirs.append(step)
        assert (len(ours), bool(ours), list(ours)) == (len(theirs), bool(theirs), list(theirs))


def test_nothing_cannot_be_taken() -> None:
    """IndexError, as a deque raises it."""
    with pytest.raises(IndexError):
        Few[int]().popleft()
