"""How many calls at the same time a deployment takes well: found from its latency, up by steps, down by the gradient.

Rules:
    - Pure: fed with how long calls took until their first content, and the time; nothing here waits or counts calls.
    - Judged once per window, by the median against the unloaded latency. Above `tolerance` times that, the limit
      shrinks in proportion; below, it grows by a step, but only while it is being reached.
    - The unloaded latency is the lowest median seen; once per epoch it is measured anew with half the limit, so that a
      vendor who became slower for good is not throttled for ever.
    - Streams and whole answers have an unloaded latency each; the worse of the two decides.
Source: the gradient idea of Netflix' concurrency-limits and Envoy's adaptive concurrency filter, rewritten for medians.
Not here:
    - Waiting for a place (pipeline.gate).
"""

from __future__ import annotations

from math import inf, sqrt
from statistics import median

from gateway.config.schema.routing import Concurrency

WINDOW_S = 0.5
SAMPLES_MIN = 10  # of a window; it lasts until it has them
SAMPLES_MAX = 500  # kept of a window
EPOCH_S = 60.0
SHRINK_MIN = 0.5  # per window
REFUSED_SHRINK = 0.9


class _Kind:
    """Streams, or whole answers: the window's samples and the unloaded latency."""

    __slots__ = ("samples", "unloaded_s")

    def __init__(self) -> None:
        self.samples: list[float] = []
        self.unloaded_s = inf


class Limit:
    """See the module's rules. `calls` is the limit in force."""

    __slots__ = ("_epoch_s", "_kinds", "_limit", "_measuring", "_most", "_refused", "_rules", "_window_s")

    def __init__(self, rules: Concurrency, now_s: float) -> None:
        self._rules = rules
        self._limit = float(rules.limit_first)
        self._kinds = (_Kind(), _Kind())
        self._window_s = self._epoch_s = now_s
        self._most = 0  # calls at the same time in this window
        self._refused = False
        self._measuring = 0  # windows left with half the limit

    @property
    def calls(self) -> int:
        """So many may run at the same time."""
        return max(self._rules.limit_min, int(self._limit / 2 if self._measuring else self._limit))

    def busy(self, in_flight: int) -> None:
        """So many run now."""
        self._most = max(self._most, in_flight)

    def refused(self) -> None:
        """The provider refused a call for load."""
        self._refused = True

    def took(self, now_s: float, seconds: float, *, is_stream: bool) -> None:
        """A call gave its first content after so many seconds."""
        samples = self._kinds[is_stream].samples
        if len(samples) < SAMPLES_MAX:
            samples.append(seconds)
        if now_s - self._window_s >= WINDOW_S and len(samples) >= SAMPLES_MIN:
            self._judge(now_s)

    def _judge(self, now_s: float) -> None:
        if self._measuring == 2:  # with half the limit now, but these calls began before
            self._measuring = 1
            self._begin_window(now_s)
            return
        ratio, rules = max(self._ratio(kind) for kind in self._kinds), self._rules
        if self._measuring:
            self._measuring = 0
        elif ratio > rules.tolerance:
            self._limit *= max(SHRINK_MIN, rules.tolerance / ratio)
        elif self._most >= self.calls * 0.9:
            self._limit += max(1.0, sqrt(self._limit) / 4)
        if self._refused:
            self._limit *= REFUSED_SHRINK
        self._limit = min(float(rules.limit_max), max(float(rules.limit_min), self._limit))
        if now_s - self._epoch_s >= EPOCH_S:
            self._epoch_s, self._measuring = now_s, 2
            for kind in self._kinds:
                kind.unloaded_s = inf
        self._begin_window(now_s)

    def _begin_window(self, now_s: float) -> None:
        self._window_s, self._most, self._refused = now_s, 0, False
        for kind in self._kinds:
            kind.samples.clear()

    def _ratio(self, kind: _Kind) -> float:
        """The window's median against the unloaded one; 0 when too little was seen."""
        if len(kind.samples) < SAMPLES_MIN // 2:
            return 0.0
        middle = max(1e-6, median(kind.samples))
        kind.unloaded_s = min(kind.unloaded_s, middle)
        return middle / kind.unloaded_s
