"""What the upstream saw: counters, and a bounded ring of the last requests.

Rules:
- A request ends exactly once: completed, faulted (the simulator broke it off itself) or aborted (the client left).
- Everything is bounded: MAX_MODELS names (the rest counts as `(other)`), MAX_RING requests, MAX_RING_BYTES of bodies.
- Times are milliseconds since the simulator started, on a monotonic clock.
- Bodies and headers are kept as they came and parsed when somebody looks.

Not here: HTTP (server.py).
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_MODELS = 1024
MAX_RING = 512
MAX_RING_BYTES = 16 << 20
MAX_BODY_BYTES = 1 << 20
OTHER = "(other)"


@dataclass(slots=True)
class ModelCounts:
    """Counters of one model name; `attempts` are the requests that reached its behaviour (key and shape were right)."""

    requests: int = 0
    attempts: int = 0
    completed: int = 0
    faulted: int = 0
    aborted: int = 0
    streams_open: int = 0
    chunks: int = 0
    """Content frames of streams that were written to their clients."""
    first_ms: float | None = None

    def end(self, outcome: str, *, is_stream: bool) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)
        self.streams_open -= is_stream

    def as_json(self) -> dict[str, int]:
        names = ("requests", "attempts", "completed", "faulted", "aborted", "streams_open", "chunks")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Call:
    """One request. `phase`: reading, waiting (no headers sent), headers (no content sent), streaming, done."""

    method: str
    path: str
    headers: Mapping[str, str]
    request_id: str
    received_ms: float
    total: ModelCounts
    counts: ModelCounts | None = None
    model: str = ""
    body: bytes = b""
    phase: str = "reading"
    outcome: str = "open"
    aborted_ms: float | None = None
    is_stream: bool = False
    is_cut: bool = field(default=False)
    """The simulator closed the connection itself."""

    def sent(self) -> None:
        """Count a content frame."""
        self.total.chunks += 1
        if self.counts is not None:
            self.counts.chunks += 1

    def as_json(self) -> dict[str, Any]:
        try:
            body = orjson.loads(self.body) if self.body else None
        except orjson.JSONDecodeError:
            body = self.body.decode("utf-8", "replace")
        return {
            "method": self.method,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "request_id": self.request_id,
            "model": self.model,
            "body": body,
            "stream": self.is_stream,
            "phase": self.phase,
            "outcome": self.outcome,
            "t_received": round(self.received_ms, 3),
            "t_aborted": None if self.aborted_ms is None else round(self.aborted_ms, 3),
        }


class Observed:
    """The one mutable record of a simulator."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._serial = 0
        self.reset()

    def reset(self) -> None:
        """Forget all counts, attempts and requests; what is still open counts nowhere any more."""
        self._total = ModelCounts()
        self._by_model: dict[str, ModelCounts] = {}
        self._ring: deque[Call] = deque(maxlen=MAX_RING)
        self._ring_bytes = 0
        self.redirects_followed = 0

    def now_ms(self) -> float:
        return (time.monotonic() - self._started_s) * 1000

    def begin(self, method: str, path: str, headers: Mapping[str, str]) -> Call:
        """Count a request whose headers have come."""
        self._serial += 1
        self._total.requests += 1
        call = Call(method, path, headers, f"req_{self._serial:032x}", self.now_ms(), self._total)
        if len(self._ring) == MAX_RING:
            self._forget_oldest()
        self._ring.append(call)
        return call

    def read(self, call: Call, body: bytes) -> None:
        """Keep the body for whoever looks at the ring."""
        call.body = body if len(body) <= MAX_BODY_BYTES else b'"(%d bytes, not kept)"' % len(body)
        call.phase = "waiting"
        self._ring_bytes += len(call.body)
        while self._ring_bytes > MAX_RING_BYTES and len(self._ring) > 1:
            self._forget_oldest()

    def name(self, call: Call, model: str, *, is_stream: bool) -> None:
        """Count the request for its model."""
        call.model, call.is_stream = model, is_stream
        call.counts = self._of(model)
        call.counts.requests += 1
        for counts in (call.counts, call.total):
            counts.streams_open += is_stream

    def attempt(self, call: Call) -> tuple[int, float]:
        """Count an attempt that reached the behaviour; return its number and the ms since the model's first."""
        counts = call.counts or self._of(call.model)
        counts.attempts += 1
        if counts.first_ms is None:
            counts.first_ms = call.received_ms
        return counts.attempts, call.received_ms - counts.first_ms

    def end(self, call: Call, outcome: str) -> None:
        """Count the end: `completed`, `faulted` or `aborted` (a second end counts nothing)."""
        if call.outcome != "open":
            return
        call.outcome = outcome
        if outcome == "aborted":
            call.aborted_ms = self.now_ms()
        elif not call.is_cut:
            call.phase = "done"
        call.total.end(outcome, is_stream=call.is_stream)
        if call.counts is not None:
            call.counts.end(outcome, is_stream=call.is_stream)

    def requests(self, model: str | None = None, last: int = MAX_RING) -> list[dict[str, Any]]:
        """Return the last of the kept requests, oldest first, of one model or all."""
        calls = [call for call in self._ring if model in (None, call.model)]
        return [call.as_json() for call in calls[max(0, len(calls) - last) :]]

    def stats(self) -> dict[str, Any]:
        total = self._total.as_json()
        del total["attempts"]
        return {
            **total,
            "redirects_followed": self.redirects_followed,
            "now_ms": round(self.now_ms(), 3),
            "by_model": {name: counts.as_json() for name, counts in self._by_model.items()},
        }

    def _of(self, model: str) -> ModelCounts:
        if model not in self._by_model and len(self._by_model) >= MAX_MODELS:
            model = OTHER
        return self._by_model.setdefault(model, ModelCounts())

    def _forget_oldest(self) -> None:
        self._ring_bytes -= len(self._ring.popleft().body)
