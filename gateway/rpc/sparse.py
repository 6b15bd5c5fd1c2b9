"""Saying the same thing seldom: at most once per key and interval, with the number of times it was not said.

Rules:
    - Bounded: while `KEYS_MAX` keys are within their interval, further keys are not said at all.
Not here:
    - What is said and how (link_client, link_server).
"""

from __future__ import annotations

import time
from collections.abc import Callable

KEYS_MAX = 1024


class Sparse:
    """Decides whether to speak now. `now_s` gives monotonic seconds."""

    def __init__(self, every_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._now_s = now_s
        self._said: dict[str, tuple[float, int]] = {}  # when, and how often it was left out since; oldest first

    def left_out(self, key: str) -> int | None:
        """None: say nothing now. Otherwise speak: so many times it was not said since the last time."""
        now_s = self._now_s()
        said_s, count = self._said.get(key, (None, 0))
        if said_s is not None and now_s - said_s < self._every_s:
            self._said[key] = (said_s, count + 1)
            return None
        self._said.pop(key, None)
        if len(self._said) >= KEYS_MAX and not self._forget_old(now_s):
            return None
        self._said[key] = (now_s, 0)
        return count

    def forget(self, key: str) -> None:
        """What is said next about `key` is news."""
        self._said.pop(key, None)

    def _forget_old(self, now_s: float) -> bool:
        """Make room; False when every key is within its interval."""
        old = [key for key, (said_s, _) in self._said.items() if now_s - said_s >= self._every_s]
        for key in old:
            del self._said[key]
        return bool(old)
