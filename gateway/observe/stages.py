"""How long each stage of a call took.

Rules:
    - A stage ends where the next begins: `mark(name)` closes the stage of that name.
    - Times are monotonic; what is shown is milliseconds with microsecond digits.
Source: W3C Server-Timing.
Not here:
    - What the stages do (pipeline, frontend).
"""

from __future__ import annotations

from time import perf_counter_ns

_THOUSANDTHS = tuple([f".{number:03}" for number in range(1000)])


class Stages:
    """The stages of one call, in order. A stage that is marked twice adds up."""

    __slots__ = ("_last", "durations_ns")

    def __init__(self) -> None:
        self._last = perf_counter_ns()
        self.durations_ns: dict[str, int] = {}

    def mark(self, name: str) -> None:
        """Say that the stage `name` ended now."""
        now = perf_counter_ns()
        durations = self.durations_ns
        durations[name] = durations.get(name, 0) + now - self._last
        self._last = now

    def server_timing(self) -> str:
        """The value of a Server-Timing header."""
        micros = [(name, ns // 1000) for name, ns in self.durations_ns.items()]
        return ", ".join([f"{name};dur={us // 1000}{_THOUSANDTHS[us % 1000]}" for name, us in micros])

    def as_millis(self) -> dict[str, float]:
        """For the log: milliseconds per stage."""
        return {name: ns // 1000 / 1000 for name, ns in self.durations_ns.items()}
