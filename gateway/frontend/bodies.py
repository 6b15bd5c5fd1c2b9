"""How many bytes of request bodies a frontend holds, and when that is too many.

Rules:
    - A body counts from its first byte read until the answer to its call begins: so long the call may still have to be
      sent, on another link if need be. A compressed body counts with what it grew to.
    - Past `http.bodies_max_bytes` only bodies up to `SMALL_BYTES` are taken: one of a known length is refused before a
      byte of it is read, others when they outgrow that. Bytes that were only announced are not held.

Not here: how large one body may be (body.py), how many connections there may be (server.py).
"""

from __future__ import annotations

from gateway.core.errors import GatewayError, Kind

SMALL_BYTES = 65_536


class Bodies:
    """The count of one frontend."""

    __slots__ = ("held_bytes",)

    def __init__(self) -> None:
        self.held_bytes = 0


class Hold:
    """What one request holds of the count; `release` when it holds nothing any more."""

    __slots__ = ("_bodies", "_max_bytes", "size_bytes")

    def __init__(self, bodies: Bodies, max_bytes: int) -> None:
        self._bodies = bodies
        self._max_bytes = max_bytes
        self.size_bytes = 0

    def announce(self, size_bytes: int) -> None:
        """A body of that size is about to be read. Raises GatewayError OVERLOADED."""
        if size_bytes > SMALL_BYTES and self._bodies.held_bytes + size_bytes > self._max_bytes:
            raise _overloaded()

    def take(self, size_bytes: int) -> None:
        """So many bytes more were read. Raises GatewayError OVERLOADED; they count until `release` all the same."""
        self._bodies.held_bytes += size_bytes
        self.size_bytes += size_bytes
        if self._bodies.held_bytes > self._max_bytes and self.size_bytes > SMALL_BYTES:
            raise _overloaded()

    def release(self) -> None:
        """Nothing of the body is needed any more; the second call does nothing."""
        self._bodies.held_bytes -= self.size_bytes
        self.size_bytes = 0


def _overloaded() -> GatewayError:
    return GatewayError(
        Kind.OVERLOADED,
        "The gateway holds as many bytes of request bodies as it may (http.bodies_max_bytes); try again in a moment.",
        retry_after_s=1.0,
    )
