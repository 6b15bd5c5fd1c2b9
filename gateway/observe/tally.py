"""Counting without the price of a shared counter: gathered in plain numbers, added to Prometheus once a second.

Rules:
    - An observation costs a bisect and two additions; the multi-process counter behind it (a memory-mapped
      file, 1 to 2 us a time) is touched only by `flush`.
    - A metric that fails is left out and counted in `failures`; the others are handed over, and nobody's call fails.
    - What was gathered is at most one second old in a scrape of another process, and exact after `flush`;
      a process that is killed loses that second of counts, nothing else.
Not here:
    - Which metrics there are (observe.metrics); calling `flush` (observe.lag, and the end of a process).
"""

from __future__ import annotations

import traceback
from bisect import bisect_left
from typing import Any

from prometheus_client import Counter, Histogram

_gathering: list[Count | Tally] = []


class Count:
    """A counter's child, gathered."""

    __slots__ = ("_child", "_gathered")

    def __init__(self, child: Counter) -> None:
        self._child = child
        self._gathered: float = 0
        _gathering.append(self)

    def inc(self, amount: float = 1) -> None:
        """Add to the counter; what is not positive adds nothing."""
        if amount > 0:  # a counter never goes down; Prometheus would refuse it at the next flush, and ever after
            self._gathered += amount

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._gathered:
            self._child.inc(self._gathered)
            self._gathered = 0


class Tally:
    """A histogram's child, gathered."""

    __slots__ = ("_bounds", "_buckets", "_counts", "_is_touched", "_sum", "_total")

    def __init__(self, child: Any) -> None:
        self._bounds: list[float] = child._upper_bounds  # noqa: SLF001  # prometheus_client has no bulk observe
        self._buckets = child._buckets  # noqa: SLF001  # same
        self._total = child._sum  # noqa: SLF001  # same
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._is_touched = False
        _gathering.append(self)

    def observe(self, amount: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount
        self._is_touched = True

    def flush(self) -> None:
        """Hand over what was gathered."""
        if not self._is_touched:
            return
        self._is_touched = False
        self._total.inc(self._sum)
        self._sum = 0.0
        for at, count in enumerate(self._counts):
            if count:
                self._buckets[at].inc(count)
                self._counts[at] = 0


class Failures:
    """How often something could not be told since the process began, and the latest traceback."""

    count = 0
    latest = ""


failures = Failures()


def count_of(metric: Counter, *labels: str) -> Count:
    """The gathered child of a counter for a label set; make it once and keep it."""
    return Count(metric.labels(*labels))


def tally_of(metric: Histogram, *labels: str) -> Tally:
    """The gathered child of a histogram for a label set; make it once and keep it."""
    return Tally(metric.labels(*labels))


def flush() -> None:
    """Hand over everything gathered in this process."""
    for child in _gathering:
        with not_failing():
            child.flush()


class _NotFailing:
    """A class, not a generator: entered several times in every call, at a fifth of the price."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        failures.count += 1  # a full disk, a wrong label, a bug: none of them is the caller's
        failures.latest = "".join(traceback.format_exception(error, limit=-8))
        return True


_NOT_FAILING = _NotFailing()


def not_failing() -> _NotFailing:
    """Whatever goes wrong inside is counted and goes no further: telling about a call must not break it."""
    return _NOT_FAILING
