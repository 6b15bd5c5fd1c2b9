"""Policy `latency`: the better of two drawn at random, by time to first content and calls under way.

Rules:
    - The load of a deployment is its peak-sensitive average time (of streams to their first content, of other calls to
      the answer), decayed since the last one, times the calls under way and one more. One that turns slow gathers
      calls, and is avoided before its first slow answer.
    - One that was not asked yet counts as fast as the fastest known, so that it is tried and not flooded.
    - Two are drawn by weight, the better goes first; the others follow by load. So nobody gets everything.
Source: Finagle's and linkerd's "power of two choices, peak EWMA".
Not here:
    - Measuring (routing.board).
"""

from __future__ import annotations

from math import inf

from gateway.config.catalogue import Deployment
from gateway.routing.select.sight import Sight
from gateway.routing.select.weighted import weight_of, weighted

LATENCY_MIN_S = 0.001


def latency(tier: list[Deployment], sight: Sight) -> list[Deployment]:
    """The better of two first, then by load."""
    if len(tier) < 2:
        return tier
    loads = _loads(tier, sight)
    first, second, *_ = weighted(tier, sight)
    better = second if loads[second] < loads[first] else first
    return [better, *sorted([d for d in tier if d is not better], key=lambda d: loads[d])]


def _loads(tier: list[Deployment], sight: Sight) -> dict[Deployment, float]:
    lives = {d: sight.board.live(d) for d in tier}
    meters = {d: live.first_contents if sight.facts.is_stream else live.whole_answers for d, live in lives.items()}
    seen = {d: meter.now_s(sight.now_s) for d, meter in meters.items() if meter.seconds}
    fastest_s = min(seen.values(), default=LATENCY_MIN_S)
    return {
        d: max(LATENCY_MIN_S, seen.get(d, fastest_s)) * (live.in_flight + 1) if weight_of(d) else inf
        for d, live in lives.items()
    }
