"""When a store that failed may be asked again.

Rules:
    - Pure: the time is passed in. One failure opens the circuit; one success of the probe closes it.
    - While it is open nobody asks the store: an outage costs only the operations that were waiting when it began.
    - Waits between probes double from `first_s` to `max_s`, each drawn between half and whole.
Not here:
    - Probing, which is a task (valkey.py).
"""

from __future__ import annotations

from collections.abc import Callable


class Circuit:
    """Whether a store may be asked. `draw` gives numbers in [0, 1)."""

    __slots__ = ("_draw", "_first_s", "_max_s", "_wait_s", "is_open", "reason")

    def __init__(self, first_s: float, max_s: float, draw: Callable[[], float]) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._draw = draw
        self._wait_s = first_s
        self.is_open = False
        self.reason = ""

    def failed(self, reason: str) -> bool:
        """An operation or a probe failed; whether this opened the circuit."""
        is_news = not self.is_open
        self.is_open, self.reason = True, reason
        return is_news

    def answered(self) -> None:
        """The store answers again."""
        self.is_open, self.reason, self._wait_s = False, "", self._first_s

    def wait_s(self) -> float:
        """Seconds until the next probe; each call doubles the one after."""
        wait_s, self._wait_s = self._wait_s, min(self._max_s, self._wait_s * 2)
        return wait_s * (0.5 + self._draw() / 2)
