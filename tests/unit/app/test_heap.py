"""Memory is given back after a peak, not during it, and not for small ones."""

from __future__ import annotations

import asyncio
import gc

from gateway.app.heap import AGAIN_AFTER_LOOKS, GROWN_AFTER_LOOKS, MANY, Heap, started


def dues(*counts: int) -> list[bool]:
    heap = Heap()
    return [heap.is_due(count) for count in counts]


def test_a_peak_that_is_over_is_due() -> None:
    """Due when it fell to a tenth; the next peak is due again."""
    assert dues(0, 1000, 500, 101, 100, 0, 0) == [False, False, False, False, True, False, False]
    assert dues(1000, 0, 1000, 0) == [False, True, False, True]


def test_once_more_when_its_connections_are_closed() -> None:
    """Exactly one more time, so many looks later."""
    later = dues(1000, 0, *[0] * (3 * AGAIN_AFTER_LOOKS))[2:]
    assert [look + 1 for look, is_due in enumerate(later) if is_due] == [AGAIN_AFTER_LOOKS]


def test_few_calls_are_no_peak() -> None:
    """Ordinary traffic costs nothing."""
    assert not any(dues(MANY - 1, 0, MANY - 1, 0))


def growths(*counts: int) -> list[int]:
    """At which looks pages of a growing heap go back."""
    heap = Heap()
    return [look for look, count in enumerate(counts) if heap.has_grown(count)]


def test_many_more_calls_give_pages_back_once() -> None:
    """Some looks after they came; again when a quarter more came, or when they come anew."""
    steady = [1000] * 20
    assert growths(*steady) == [GROWN_AFTER_LOOKS]
    assert growths(*steady, *[1100] * 20) == [GROWN_AFTER_LOOKS]
    assert growths(*steady, *[1300] * 20) == [GROWN_AFTER_LOOKS, 20 + GROWN_AFTER_LOOKS]
    assert growths(*steady, 0, *steady) == [GROWN_AFTER_LOOKS, 21 + GROWN_AFTER_LOOKS]
    assert growths(*[MANY - 1] * 20) == []


async def test_looking_after_a_peak_collects_garbage() -> None:
    """A cycle made during the peak is gone right after the peak was seen to be over."""

    class Thing:
        def __init__(self) -> None:
            self.itself = self

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        heap = Heap()
        heap.look(MANY)
        Thing()
        before = sum(isinstance(found, Thing) for found in gc.get_objects())
        heap.look(0)
        after = sum(isinstance(found, Thing) for found in gc.get_objects())
    finally:
        if was_enabled:
            gc.enable()
    assert (before, after) == (1, 0)
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)  # the trimming ended well


def test_what_starting_made_is_left_alone() -> None:
    """After `started` the objects that exist are no work for the collector."""
    try:
        started()
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
