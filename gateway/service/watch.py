"""The RPCs that run: ends those whose reader takes nothing, and all of them when a drain is over.

Rules:
    - No timer and no task per RPC; the timer runs only while one is open, a look costs one pass over them.
    - A reader that takes one message starts its time anew; time spent waiting for the provider does not count.
    - Ending an RPC cancels its task and leaves the reason with it: the provider's connection closes and the call
      settles at once; the status follows what is in flight, so a reader that comes back is told why.
Not here:
    - The same for HTTP readers (frontend.watch) and for calls on the link (rpc.server_call).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from gateway.core.errors import GatewayError, Kind

LOOKS = 4  # per allowed time, so that an RPC ends at most a quarter of it late
EVERY_MIN_S, EVERY_MAX_S = 0.05, 5.0


class Rpc:
    """One RPC: its task, since when a message waits to be taken (loop time), and why it was ended, if it was."""

    __slots__ = ("ended", "task", "waits_since_s")

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self.task = task
        self.waits_since_s = math.inf
        self.ended: GatewayError | None = None

    def end(self, reason: GatewayError) -> None:
        """Cancel its task, once."""
        if self.ended is None and self.task is not None:
            self.ended = reason
            self.task.cancel()


class Watch:
    """The open RPCs of a listener. `stalled_for_s` is asked at each look, so a reload changes it."""

    def __init__(self, stalled_for_s: Callable[[], float]) -> None:
        self._stalled_for_s = stalled_for_s
        self._open: set[Rpc] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def open_count(self) -> int:
        """RPCs that run."""
        return len(self._open)

    def enter(self) -> Rpc:
        """Look after the current task's RPC until `leave`."""
        rpc = Rpc(asyncio.current_task())
        self._open.add(rpc)
        if self._timer is None:
            self._start()
        return rpc

    def leave(self, rpc: Rpc) -> None:
        """The RPC is over."""
        self._open.discard(rpc)

    def end_all(self, reason: GatewayError) -> int:
        """End every RPC; how many there were."""
        for rpc in self._open:
            rpc.end(reason)
        return len(self._open)

    def _start(self) -> None:
        every_s = max(EVERY_MIN_S, min(EVERY_MAX_S, self._stalled_for_s() / LOOKS))
        self._timer = asyncio.get_running_loop().call_later(every_s, self._look)

    def _look(self) -> None:
        allowed_s = self._stalled_for_s()
        oldest_s = asyncio.get_running_loop().time() - allowed_s
        for rpc in self._open:
            if rpc.waits_since_s <= oldest_s:
                rpc.end(GatewayError(Kind.STALLED_READER, f"The stream was not read for {allowed_s:g} s."))
        self._timer = None
        if self._open:
            self._start()
