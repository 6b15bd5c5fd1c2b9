"""The clocks of attempts: when each runs out, looked at by one shared timer.

Rules:
    - An attempt costs two dictionary operations, not a timer; all open attempts are looked at every 50 ms,
      every 250 ms when there are more than 2,000: no clock is later than that.
    - A clock that ran out calls the attempt once, with the clock's name; `deadline` is the call's, the others
      are the configuration's.
    - Time in which nobody waits for the provider (the caller does not read) does not count as idle.
Not here:
    - What happens then (providers.transport).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

EVERY_S = 0.05
MANY = 2000
EVERY_MANY_S = 0.25


class Clocks:
    """The instants (loop time, seconds) at which one attempt ends; `math.inf` = not running.

    `idle_s` is a duration; it counts from `waiting_since_s`.
    """

    __slots__ = (
        "deadline_s",
        "expired",
        "first_token_s",
        "headers_s",
        "idle_s",
        "on_expiry",
        "total_s",
        "waiting_since_s",
    )

    def __init__(self, deadline_s: float, total_s: float, headers_s: float, idle_s: float) -> None:
        self.deadline_s = deadline_s
        self.total_s = total_s
        self.headers_s = headers_s
        self.first_token_s = math.inf
        self.idle_s = idle_s
        self.waiting_since_s = math.inf
        self.expired = ""  # the clock that ran out
        self.on_expiry: Callable[[], Any] | None = None

    def due_s(self) -> float:
        """When the first of them runs out."""
        return min(
            self.deadline_s, self.total_s, self.headers_s, self.first_token_s, self.waiting_since_s + self.idle_s
        )

    def which(self, now_s: float) -> str:
        """The clock that ran out; the caller's deadline before all others."""
        for name in ("deadline", "headers", "first_token", "total"):
            if getattr(self, f"{name}_s") <= now_s:
                return name
        return "idle"


class Watchman:
    """Looks at the clocks of all open attempts of a process."""

    def __init__(self) -> None:
        self._watched: dict[Clocks, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, clocks: Clocks) -> None:
        """Look at these clocks until `forget`."""
        self._watched[clocks] = None
        if self._timer is None:
            self._arm(asyncio.get_running_loop())

    def forget(self, clocks: Clocks) -> None:
        """Look at them no more. The second call does nothing."""
        self._watched.pop(clocks, None)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        every_s = EVERY_S if len(self._watched) <= MANY else EVERY_MANY_S
        self._timer = loop.call_later(every_s, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        try:
            for clocks in [clocks for clocks in self._watched if clocks.due_s() <= now_s]:
                self.forget(clocks)
                clocks.expired = clocks.which(now_s)
                if clocks.on_expiry is not None:
                    clocks.on_expiry()
        finally:  # one attempt's failing cleanup may not stop the clocks of all others
            self._timer = None
            if self._watched:
                self._arm(loop)
