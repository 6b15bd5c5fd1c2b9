"""How long each stage of a call took.

Rules:
    - A stage ends where the next begins: `mark(name)` closes the stage of that name.
    - Times are monotonic; what is shown is milliseconds with microsecond digits.
Source: W3C Server-Timing.
Not here:
    - What the stages do (pipeline, frontend).
"""

from __future__ import annotations

from time import perf_counter


class Stages:
    """The stages of one call, in order. A stage that is marked twice adds up."""

    __slots__ = ("_last", "_started", "durations_s")

    def __init__(self) -> None:
        self._started = self._last = perf_counter()
        self.durations_s: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Say that the stage `name` ended now."""
        now = perf_counter()
        durations = self.durations_s
        durations[name] = durations.get(name, 0.0) + now - self._last
        self._last = now

    @property
    def total_s(self) -> float:
        """Seconds since the call began."""
        return perf_counter() - self._started

    def server_timing(self) -> str:
        """The value of a Server-Timing header."""
        return ", ".join([f"{name};dur={s * 1000:.3f}" for name, s in self.durations_s.items()])

    def as_millis(self) -> dict[str, float]:
        """For the log: milliseconds per stage."""
        return {name: int(s * 1e6) / 1000 for name, s in self.durations_s.items()}
