"""A sliding minute of use: how much of a limit was taken in the last 60 seconds.

Rules:
    - What was taken counts for 60 seconds from the start of the second it was taken in.
    - A correction (settling an estimate) changes the second the estimate was taken in, so that it
      leaves the window with it; a correction that comes later than that changes nothing.
    - Memory is at most 61 entries; every operation is amortised constant time.
Not here:
    - Which limits a caller has, and taking several at once (quota.memory).
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 60


class Window:
    """Use per second over the last minute. Times are monotonic seconds; amounts are whole numbers."""

    __slots__ = ("_seconds", "used")

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()  # [second, amount], oldest first
        self.used = 0

    def advance(self, now_s: float) -> None:
        """Forget what is older than the window."""
        oldest = int(now_s) - WINDOW_S
        seconds = self._seconds
        while seconds and seconds[0][0] <= oldest:
            self.used -= seconds.popleft()[1]

    def add(self, now_s: float, amount: int) -> int:
        """Take `amount` now; returns the second it is booked in, for `correct`."""
        second = int(now_s)
        seconds = self._seconds
        if seconds and seconds[-1][0] == second:
            seconds[-1][1] += amount
        else:
            seconds.append([second, amount])
        self.used += amount
        return second

    def correct(self, second: int, amount: int) -> None:
        """Change what was booked in `second` by `amount` (may be negative)."""
        for entry in reversed(self._seconds):
            if entry[0] == second:
                entry[1] += amount
                self.used += amount
                return
            if entry[0] < second:
                return

    def free_in_s(self, now_s: float, limit: int, amount: int) -> float:
        """Seconds until `amount` fits under `limit`; 0 when it does now. Needs `advance` first."""
        excess = self.used + amount - limit
        if excess <= 0:
            return 0.0
        for second, booked in self._seconds:
            excess -= booked
            if excess <= 0:
                return max(0.0, second + WINDOW_S - now_s)
        return float(WINDOW_S)

    def full_in_s(self, now_s: float) -> float:
        """Seconds until nothing is booked any more."""
        return max(0.0, self._seconds[-1][0] + WINDOW_S - now_s) if self._seconds else 0.0
