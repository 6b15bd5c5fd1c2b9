"""A sliding window of use: how much of a limit was taken in the last minute, or day.

Rules:
    - What was taken counts for the span from the start of the grain (a second, ten minutes) it was taken in.
    - A correction (settling an estimate) changes the grain the estimate was taken in, so that it
      leaves the window with it; a correction that comes later than that changes nothing.
    - Memory is at most span / grain + 1 entries; every operation is amortised constant time.
Not here:
    - Which limits a caller has, and taking several at once (quota.memory).
"""

from __future__ import annotations

from collections import deque

from gateway.core.limits import MINUTE_S


class Window:
    """Use per grain over the last span. Times are monotonic seconds; amounts are whole numbers."""

    __slots__ = ("_booked", "_grain_s", "_span_s", "used")

    def __init__(self, span_s: int = MINUTE_S, grain_s: int = 1) -> None:
        self._span_s = span_s
        self._grain_s = grain_s
        self._booked: deque[list[int]] = deque()  # [start of the grain in seconds, amount], oldest first
        self.used = 0

    def advance(self, now_s: float) -> None:
        """Forget what is older than the window."""
        booked = self._booked
        if booked:
            oldest = int(now_s) - self._span_s
            while booked and booked[0][0] <= oldest:
                self.used -= booked.popleft()[1]

    def add(self, now_s: float, amount: int) -> int:
        """Take `amount` now; returns the start of the grain it is booked in, for `correct`."""
        start = int(now_s)
        if self._grain_s != 1:
            start -= start % self._grain_s
        booked = self._booked
        if booked and booked[-1][0] == start:
            booked[-1][1] += amount
        else:
            booked.append([start, amount])
        self.used += amount
        return start

    def correct(self, start: int, amount: int) -> None:
        """Change what was booked in the grain that begins at `start` by `amount` (may be negative)."""
        for entry in reversed(self._booked):
            if entry[0] == start:
                entry[1] += amount
                self.used += amount
                return
            if entry[0] < start:
                return

    def recall(self, start: int, amount: int) -> None:
        """Book what was taken at `start`, before this window was there; `advance` forgets what is too old."""
        booked = self._booked
        start -= start % self._grain_s
        place = next((at for at, entry in enumerate(booked) if entry[0] >= start), len(booked))
        if place < len(booked) and booked[place][0] == start:
            booked[place][1] += amount
        else:
            booked.insert(place, [start, amount])
        self.used += amount

    def free_in_s(self, now_s: float, limit: int, amount: int) -> float:
        """Seconds until `amount` fits under `limit`; 0 when it does now. Needs `advance` first."""
        excess = self.used + amount - limit
        if excess <= 0:
            return 0.0
        for start, taken in self._booked:
            excess -= taken
            if excess <= 0:
                return max(0.0, start + self._span_s - now_s)
        return float(self._span_s)

    def full_in_s(self, now_s: float) -> float:
        """Seconds until nothing is booked any more."""
        return max(0.0, self._booked[-1][0] + self._span_s - now_s) if self._booked else 0.0
