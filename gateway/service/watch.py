"""Ends gRPC streams whose reader takes nothing: the one wait of an RPC that no other clock looks at.

Rules:
    - No timer and no task per stream; the timer runs only while a stream is open, a look costs one pass over them.
    - A reader that takes one message starts the time anew; time spent waiting for the provider does not count.
    - A stalled stream's task is cancelled and marked: the provider's connection closes and the call settles at once;
      its status follows what is in flight, so a reader that comes back is told why.
Not here:
    - The same for HTTP readers (frontend.watch) and for calls on the link (rpc.server_call).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from gateway.core.errors import GatewayError, Kind

LOOKS = 4  # per allowed time, so that a stream ends at most a quarter of it late
EVERY_MIN_S, EVERY_MAX_S = 0.05, 5.0


class Sending:
    """One stream: its task, and since when a message waits to be taken (loop time; infinity when none does)."""

    __slots__ = ("is_stalled", "since_s", "task")

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self.task = task
        self.is_stalled = False
        self.since_s = math.inf


class Stalls:
    """The open streams of a listener. `stalled_for_s` is asked at each look, so a reload changes it."""

    def __init__(self, stalled_for_s: Callable[[], float]) -> None:
        self._stalled_for_s = stalled_for_s
        self._open: set[Sending] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self) -> Sending:
        """Look after the stream of the current task until `leave`."""
        sending = Sending(asyncio.current_task())
        self._open.add(sending)
        if self._timer is None:
            self._start()
        return sending

    def leave(self, sending: Sending) -> None:
        """The stream is over."""
        self._open.discard(sending)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def failure(self) -> GatewayError:
        """What a stalled reader is told."""
        return GatewayError(Kind.STALLED_READER, f"The stream was not read for {self._stalled_for_s():g} s.")

    def _start(self) -> None:
        every_s = max(EVERY_MIN_S, min(EVERY_MAX_S, self._stalled_for_s() / LOOKS))
        self._timer = asyncio.get_running_loop().call_later(every_s, self._look)

    def _look(self) -> None:
        oldest_s = asyncio.get_running_loop().time() - self._stalled_for_s()
        for sending in [sending for sending in self._open if sending.since_s <= oldest_s]:
            self._open.discard(sending)
            sending.is_stalled = True
            if sending.task is not None:
                sending.task.cancel()
        self._timer = None
        if self._open:
            self._start()
