"""What the halves tell of themselves, as metrics and log records.

Rules:
    - An observer never raises and never waits.
Not here:
    - The metrics themselves (observe.metrics).
"""

from __future__ import annotations

from gateway.frontend.observer import Observation
from gateway.observe.log import Log
from gateway.observe.metrics import HTTP, HTTP_SECONDS, LINK_BATCHES, LINK_FRAMES, LINK_LINKS, LINK_QUEUE, LINK_STALLS
from gateway.observe.tally import Count, Tally, count_of, tally_of


class LinkMetrics:
    """A `LinkObserver` of one side of the link: frontend or service."""

    def __init__(self, side: str) -> None:
        self._batches = count_of(LINK_BATCHES, side)
        self._frames = count_of(LINK_FRAMES, side)
        self._stalls = count_of(LINK_STALLS, side)
        self._queue = LINK_QUEUE.labels(side)
        self._links = LINK_LINKS.labels(side)

    def batch_sent(self, frames: int, size_bytes: int, waiting: int) -> None:
        """A batch was handed to gRPC."""
        self._batches.inc()
        self._frames.inc(frames)
        if waiting:
            self._queue.set(waiting)

    def batch_received(self, frames: int, size_bytes: int) -> None:
        """Counted where it was sent."""

    def call_stalled(self) -> None:
        """A call waits for its reader."""
        self._stalls.inc()

    def links_changed(self, links: int) -> None:
        """So many links are up."""
        self._links.set(links)


class HttpMetrics:
    """An `Observer` of a frontend: counts requests, and logs those that never became a call.

    `routes` are labels; any other route is `unknown`.
    """

    def __init__(self, log: Log, routes: frozenset[str]) -> None:
        self._log = log
        self._routes = routes
        self._gathered: dict[tuple[str, str, int], tuple[Count, Tally]] = {}
        self._seconds: dict[str, Tally] = {}

    def __call__(self, observation: Observation) -> None:
        """Count one request."""
        seen = observation
        gathered = self._gathered.get((seen.route, seen.method, seen.status)) or self._gather(seen)
        gathered[0].inc()
        gathered[1].observe(seen.seconds)
        if seen.outcome != "complete" and self._log.level <= 20:  # the level `info`
            self._log.write(
                "info",
                "request",
                request_id=seen.request_id,
                route=seen.route[:100],
                method=_method(seen),
                status=seen.status,
                outcome=seen.outcome,
                error=seen.error,
                ms=round(seen.seconds * 1000, 3),
                peer=seen.peer,
            )

    def _gather(self, seen: Observation) -> tuple[Count, Tally]:
        """Counter and histogram for labels of bounded number, whatever was asked."""
        route = seen.route if seen.route in self._routes else "unknown"
        key = (route, _method(seen), seen.status)
        if key not in self._gathered:
            seconds = self._seconds[route] = self._seconds.get(route) or tally_of(HTTP_SECONDS, route)
            self._gathered[key] = count_of(HTTP, route, key[1], str(seen.status)), seconds
        return self._gathered[key]


_METHODS = frozenset(("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"))


def _method(seen: Observation) -> str:
    return seen.method if seen.method in _METHODS else "other"
