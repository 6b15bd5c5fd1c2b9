"""Time as the gateway sees it: one object, so that tests can move it.

Rules:
    - `monotonic()` measures durations and windows; `wall_s()` is unix time, only shown, never subtracted.
Not here:
    - Waiting (asyncio does that, in real time).
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the gateway reads the time. Both in seconds."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def wall_s(self) -> float:
        """Unix time in seconds."""
        ...


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    wall_s = staticmethod(time.time)


class ManualClock:
    """A clock that stands still until `advance` is called: virtual time for tests."""

    def __init__(self, wall_s: float = 1_767_600_000.0) -> None:
        self._monotonic = 1000.0
        self._wall_s = wall_s

    def monotonic(self) -> float:
        """Seconds since the start of this clock, plus 1000."""
        return self._monotonic

    def wall_s(self) -> float:
        """Unix time in seconds."""
        return self._wall_s

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._monotonic += seconds
        self._wall_s += seconds
