"""One timer for all replies: it ends stalled readers and keeps quiet streams alive.

Rules:
    - No timer and no task per stream; the timer runs only while there is a reply to look at.
    - A look costs one pass over the open streams; it happens at most every 50 ms, at least every 5 s.

Not here: what stalled means (reply.py).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.frontend.reply import Reply
    from gateway.frontend.settings import Http


class Watch:
    """The replies that stream or wait for their reader; `open_count` is how many."""

    def __init__(self) -> None:
        self._replies: set[Reply] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def open_count(self) -> int:
        """Replies being watched."""
        return len(self._replies)

    def add(self, reply: Reply) -> None:
        """Look after `reply` until `discard`."""
        self._replies.add(reply)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_period_s(reply.http), self._look)

    def discard(self, reply: Reply) -> None:
        """The request of `reply` is over."""
        self._replies.discard(reply)

    def _look(self) -> None:
        self._timer = None
        now_s = time.monotonic()
        for reply in list(self._replies):
            if reply.is_stalled(now_s):
                reply.abort("stalled")
            elif _is_quiet(reply, now_s):
                reply.ping()
        for reply in self._replies:
            self.add(reply)  # starts the timer
            break


def _is_quiet(reply: Reply, now_s: float) -> bool:
    ping_s = reply.http.stream_ping_s
    if now_s - reply.last_write_s < ping_s or not ping_s or not reply.is_stream or reply.outcome == "complete":
        return False
    transport = reply.request.transport
    return transport is not None and not transport.is_closing() and not reply.is_paused()


def _period_s(http: Http) -> float:
    return max(0.05, min(5.0, http.stalled_for_s / 4, (http.stream_ping_s or 20.0) / 4))
