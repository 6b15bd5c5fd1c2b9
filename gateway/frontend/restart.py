"""Streams that may begin anew, for clients that asked for it: the event that says so, then a whole stream of its own.

Rules:
    - Only for a request with `x-gateway-on-cut: restart`, and only in formats whose stream is a sequence of events that
      stands for itself; all others never see a restart.
    - What comes after the event is what a client of its format gets of a fresh answer: its own ids, one opening.
    - The event's data has an empty `choices`, so that a reader of chunks finds nothing in it.

Not here: when an answer begins anew (the service), the frames of a format (inference.py and its neighbours).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gateway.rpc.contract import Batch

if TYPE_CHECKING:
    from gateway.frontend.inference import Frames

EVENT: Final = b'event: gateway.restart\ndata: {"type":"gateway.restart","object":"gateway.restart","choices":[]}\n\n'


class RestartFrames:
    """The frames of a stream, by one renderer for each beginning."""

    __slots__ = ("_inner", "_make")

    def __init__(self, make: Callable[[], Frames]) -> None:
        self._make = make
        self._inner = make()

    def frames(self, batch: Batch) -> bytes:
        """The frames of some events."""
        out, start = b"", 0
        for at, event in enumerate(batch):
            if _is_restart(event):
                out += self._inner.frames(batch[start:at]) + EVENT
                self._inner, start = self._make(), at + 1
        return out + self._inner.frames(batch[start:])

    def end(self) -> bytes:
        """What ends a complete stream."""
        return self._inner.end()


def _is_restart(event: Any) -> bool:
    return type(event) is not str and event.is_restart
