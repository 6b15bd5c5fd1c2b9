"""What is known of every deployment now: breaker, calls under way, latency, and what upstream limits leave.

Rules:
    - One per process, kept over reloads; state is found by `live_id` (provider, upstream model, key), so models that
      send the same upstream model to the same account share its state, and other models do not.
    - Pure: the time is passed in (`now_s`, the loop's). Nothing waits.
    - Who calls `began` calls `ended` once, whatever happens; a verdict of NEUTRAL changes no count.
    - Bounded: one state per configured deployment; `keep` forgets those of a former configuration.
Not here:
    - When to call it (pipeline); orders made from it (routing.plan).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping
from math import ceil, exp

from gateway.config.catalogue import Deployment
from gateway.routing.allowance import Allowance
from gateway.routing.breaker import Breaker, Verdict

SAMPLES_MAX = 128  # of first contents, for the 95th percentile
SAMPLES_MIN = 20  # below that no percentile is given
LATENCY_DECAY_S = 2.0
QUICKEST_KNOWN_S = 10.0  # so long after a first content the fastest one is believed


class Meter:
    """A peak-sensitive average of times: a slower one counts at once, faster ones by and by."""

    __slots__ = ("at_s", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0  # 0 = nothing seen yet
        self.at_s = 0.0

    def now_s(self, now_s: float) -> float:
        """The average, decayed since: a deployment that gets no calls is slowly given another chance."""
        return self.seconds * exp(-max(0.0, now_s - self.at_s) / LATENCY_DECAY_S)

    def observed(self, now_s: float, seconds: float) -> None:
        """One more."""
        if seconds >= self.seconds:
            self.seconds = seconds
        else:
            kept = exp(-max(0.0, now_s - self.at_s) / LATENCY_DECAY_S)
            self.seconds = self.seconds * kept + seconds * (1 - kept)
        self.at_s = now_s


class Live:
    """One deployment, now."""

    __slots__ = ("allowance", "breaker", "deployment_id", "first_contents", "in_flight", "samples", "whole_answers")

    def __init__(self, deployment: Deployment) -> None:
        self.deployment_id = deployment.live_id
        self.breaker = Breaker(deployment.breaker)
        self.allowance = Allowance()
        self.in_flight = 0
        self.first_contents = Meter()  # of streams
        self.whole_answers = Meter()
        self.samples: deque[float] = deque(maxlen=SAMPLES_MAX)


class Board:
    """See the module's rules."""

    __slots__ = ("_live",)

    def __init__(self) -> None:
        self._live: dict[str, Live] = {}

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._live.values()))

    def live(self, deployment: Deployment) -> Live:
        """The state of one deployment, made at its first use; its rules are those of the latest configuration."""
        found = self._live.get(deployment.live_id)
        if found is None:
            found = self._live[deployment.live_id] = Live(deployment)
        elif found.breaker.rules is not deployment.breaker:
            found.breaker.follow(deployment.breaker)
        return found

    def keep(self, ids: Container[str]) -> None:
        """Forget deployments that are no longer configured and have nothing under way."""
        for each in [one for one, live in self._live.items() if one not in ids and not live.in_flight]:
            del self._live[each]

    def refusal(self, deployment: Deployment, now_s: float) -> str | None:
        """Why no attempt should begin now; None when one may.

        A plan's candidates were asked already: ask again before a later one, and try the last one in any case.
        """
        live = self._live.get(deployment.live_id)
        if live is None or not live.breaker.reason or not deployment.breaker.is_enabled:
            return None
        return live.breaker.refusal(now_s)

    def began(self, deployment: Deployment, now_s: float) -> None:
        """An attempt begins."""
        live = self.live(deployment)
        live.in_flight += 1
        if live.breaker.reason:
            live.breaker.began(now_s)

    def first_content(self, deployment: Deployment, now_s: float, seconds: float) -> None:
        """A stream gave its first content, `seconds` after its attempt began."""
        live = self.live(deployment)
        live.first_contents.observed(now_s, seconds)
        live.samples.append(seconds)
        if seconds > deployment.breaker.slow_s and deployment.breaker.is_enabled:
            live.breaker.was_slow(now_s)

    def answered(self, deployment: Deployment, now_s: float, seconds: float) -> None:
        """An attempt gave a whole answer, `seconds` after it began."""
        self.live(deployment).whole_answers.observed(now_s, seconds)

    def ended(
        self,
        deployment: Deployment,
        now_s: float,
        verdict: Verdict,
        seconds: float,
        retry_after_s: float | None = None,
    ) -> None:
        """An attempt is over, `seconds` after it began."""
        live = self.live(deployment)
        live.in_flight -= 1
        if deployment.breaker.is_enabled:
            live.breaker.ended(now_s, verdict, seconds, retry_after_s)

    def told(self, deployment: Deployment, headers: Mapping[str, str], now_s: float) -> None:
        """An answer's headers came (names in lower case): what the provider's own limits leave."""
        if deployment.has_limit_headers:
            self.live(deployment).allowance.read(headers, now_s)

    def ttft_p95_s(self, deployment: Deployment) -> float | None:
        """95 of 100 first contents came within so many seconds; None while too few were seen."""
        live = self._live.get(deployment.live_id)
        if live is None or len(live.samples) < SAMPLES_MIN:
            return None
        ordered = sorted(live.samples)
        return ordered[ceil(len(ordered) * 0.95) - 1]

    def quickest_s(self, deployment: Deployment, now_s: float) -> float | None:
        """The fastest of the latest first contents; None while too few were seen, or when there was none lately.

        Nobody is kept out by it for long: without calls that succeed it is soon unknown. Nothing is known of one that
        passes the client's name on: its figures are of several upstream models.
        """
        if deployment.upstream_model is None:
            return None
        live = self._live.get(deployment.live_id)
        if live is None or len(live.samples) < SAMPLES_MIN or now_s - live.first_contents.at_s > QUICKEST_KNOWN_S:
            return None
        return min(live.samples)


__all__ = ["Board", "Live", "Verdict"]
