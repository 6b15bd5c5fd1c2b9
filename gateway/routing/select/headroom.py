"""Policy `headroom`: who has most left of its provider's own rate limits.

Rules:
    - What is left is the smaller share of requests and tokens that the provider's latest headers named; unknown is all.
    - Shares are compared in tenths and equal ones are drawn, so that two idle accounts share the calls.
Not here:
    - Reading the headers (routing.allowance).
"""

from __future__ import annotations

from gateway.config.catalogue import Deployment
from gateway.routing.select.sight import Sight


def headroom(tier: list[Deployment], sight: Sight) -> list[Deployment]:
    """Most left first."""
    return sorted(tier, key=lambda d: (-round(_left(d, sight) * 10), sight.draw()))


def _left(deployment: Deployment, sight: Sight) -> float:
    return sight.board.live(deployment).allowance.share_left(sight.now_s)
