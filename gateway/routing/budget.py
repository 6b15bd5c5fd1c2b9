"""The retry budget: retries as a bounded share of live traffic, so that an outage is not made worse.

Rules:
    - Each call earns `percent` hundredths of a retry; each retry costs one; at most `BURST` are saved up.
    - Hedges have a purse of their own, a smaller one.
    - A process starts with a full purse, so that a quiet gateway may retry.
Not here:
    - Whether a retry makes sense at all (pipeline.attempts).
"""

from __future__ import annotations

BURST = 20.0
HEDGE_BURST = 5.0


class RetryBudget:
    """The purse of one process."""

    __slots__ = ("_burst", "saved")

    def __init__(self, burst: float = BURST) -> None:
        self._burst = self.saved = burst

    def earn(self, percent: float) -> None:
        """A call came in."""
        self.saved = min(self._burst, self.saved + percent / 100)

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing to pay with."""
        if self.saved < 1:
            return False
        self.saved -= 1
        return True
