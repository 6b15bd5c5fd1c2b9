"""Policy `least_in_flight`: who has the fewest calls under way, per unit of weight.

Rules:
    - Equal ones are drawn, so that a quiet gateway does not send everything to the first of the list.
    - Weight 0 comes last.
Not here:
    - How fast a deployment is (latency.py).
"""

from __future__ import annotations

from math import inf

from gateway.config.catalogue import Deployment
from gateway.routing.select.sight import Sight
from gateway.routing.select.weighted import weight_of


def least_in_flight(tier: list[Deployment], sight: Sight) -> list[Deployment]:
    """Fewest first."""
    return sorted(tier, key=lambda d: (_load(d, sight), sight.draw()))


def _load(deployment: Deployment, sight: Sight) -> float:
    weight = weight_of(deployment)
    return sight.board.live(deployment).in_flight / weight if weight else inf
