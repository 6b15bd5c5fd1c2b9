"""The shared timer of all attempts: every clock that ran out is called once, whatever another one does."""

from __future__ import annotations

import asyncio
import math

import pytest

from gateway.providers.clocks import Clocks, Watchman
from tests.support.waiting import eventually


def clocks(**instants: float) -> Clocks:
    """Clocks that never run out, but for these."""
    made = Clocks(math.inf, math.inf, math.inf, math.inf)
    for name, value in instants.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("name", ["deadline", "headers", "first_token", "total"])
def test_which_clock_ran_out(name: str) -> None:
    """Its own name, and the instant it is due."""
    made = clocks(**{f"{name}_s": 5.0})
    assert (made.due_s(), made.which(5.0)) == (5.0, name)


def test_idle_counts_only_while_somebody_waits() -> None:
    """Nobody waits = it never runs out."""
    made = clocks(idle_s=2.0)
    assert made.due_s() == math.inf
    made.waiting_since_s = 10.0
    assert (made.due_s(), made.which(12.0)) == (12.0, "idle")


def test_the_callers_deadline_is_named_before_the_configurations_clocks() -> None:
    """When several ran out since the last look."""
    assert clocks(deadline_s=1.0, total_s=1.0, headers_s=1.0).which(2.0) == "deadline"


async def test_each_is_called_once_and_the_timer_stops() -> None:
    """With nothing to watch there is no timer; with something new there is one again."""
    loop, watchman, called = asyncio.get_running_loop(), Watchman(), []
    for _ in range(2):
        due, later = clocks(total_s=loop.time()), clocks(total_s=loop.time() + 0.12)
        due.on_expiry = lambda: called.append("due")
        later.on_expiry = lambda: called.append("later")
        watchman.watch(due)
        watchman.watch(later)
        await eventually(lambda: len(watchman) == 0)
    assert called == ["due", "later"] * 2


async def test_what_is_forgotten_is_not_called() -> None:
    """Forgetting twice is forgetting once."""
    loop, watchman, called = asyncio.get_running_loop(), Watchman(), []
    gone, stays = clocks(total_s=loop.time()), clocks(total_s=loop.time() + 0.1)
    gone.on_expiry = lambda: called.append("gone")
    watchman.watch(gone)
    watchman.watch(stays)
    for _ in range(2):
        watchman.forget(gone)
    await eventually(lambda: stays.expired)
    assert (called, gone.expired) == ([], "")


async def test_one_that_fails_does_not_stop_the_others() -> None:
    """The timer of a whole process may not hang on one attempt's cleanup."""
    loop, watchman, called = asyncio.get_running_loop(), Watchman(), []
    heard: list[object] = []
    loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
    try:
        bad, good = clocks(total_s=loop.time()), clocks(total_s=loop.time() + 0.12)
        bad.on_expiry = lambda: 1 // 0
        good.on_expiry = lambda: called.append("good")
        watchman.watch(bad)
        watchman.watch(good)
        await eventually(lambda: called)
    finally:
        loop.set_exception_handler(None)
    assert [type(error) for error in heard] == [ZeroDivisionError]
