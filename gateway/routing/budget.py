"""The retry budget: retries as a bounded share of live traffic, so that an outage is not made worse.

Rules:
    - Each call earns `percent` hundredths of a retry; each retry costs one; at most `BURST` are saved up.
    - A process starts with a full purse, so that a quiet gateway may retry.
Not here:
    - Whether a retry makes sense at all (pipeline.attempt).
"""

from __future__ import annotations

BURST = 20.0


class RetryBudget:
    """The purse of one process."""

    __slots__ = ("saved",)

    def __init__(self) -> None:
        self.saved = BURST

    def earn(self, percent: int) -> None:
        """A call came in."""
        self.saved = min(BURST, self.saved + percent / 100)

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing to pay with."""
        if self.saved < 1:
            return False
        self.saved -= 1
        return True
