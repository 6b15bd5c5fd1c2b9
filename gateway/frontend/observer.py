"""What a frontend tells about each request, once, when its answer is written or its client has gone.

Rules:
    - One observation for each request that could be read, and one for each connection refused before that.
    - Plain facts: no library of metrics or logs is seen from here.

Not here: what becomes of it (metrics, access log): whoever builds the frontend hands in an `Observer`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Observation(NamedTuple):
    """One request and its answer.

    `route` is the path pattern (`/v1/models/{id}`) or `unknown`, so that it has few values. `status` is the HTTP status
    that was sent, 499 when the client left before there was one. `outcome` is complete, error, cancelled or stalled; a
    stream that failed after its first event has status 200 and outcome error. `error` names the kind of the failure.
    `ttft_s` is seconds to the first event of a stream, None without one. `sent_bytes` counts head and body as written.
    """

    request_id: str
    route: str
    method: str
    status: int
    outcome: str
    error: str
    seconds: float
    is_stream: bool
    ttft_s: float | None
    chunks: int
    received_bytes: int
    sent_bytes: int
    peer: str


class Observer(Protocol):
    """Takes observations; it must not raise or wait."""

    def __call__(self, observation: Observation) -> None:
        """Take one observation."""
        ...


def unobserved(observation: Observation) -> None:
    """An `Observer` that drops what it is told."""
