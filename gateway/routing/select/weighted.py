"""Policies `ordered` and `weighted`: the order of the list, or drawn by weight without replacement.

Rules:
    - An unset weight counts 1; weight 0 comes last and is never drawn.
    - The second place is drawn among who is left, by the same weights, and so on.
Not here:
    - Splits with sticky callers (split.py).
"""

from __future__ import annotations

from gateway.config.catalogue import Deployment
from gateway.routing.select.sight import Sight


def ordered(tier: list[Deployment], _sight: Sight) -> list[Deployment]:
    """As listed."""
    return tier


def weighted_if_set(tier: list[Deployment], sight: Sight) -> list[Deployment]:
    """By weight when any is set, else as listed."""
    return tier if all(d.weight is None for d in tier) else weighted(tier, sight)


def weighted(tier: list[Deployment], sight: Sight) -> list[Deployment]:
    """Drawn."""
    weights = {d: weight_of(d) for d in tier}
    rest, drawn = [d for d in tier if weights[d] > 0], []
    while len(rest) > 1:
        drawn.append(rest.pop(_pick([weights[d] for d in rest], sight.draw())))
    return drawn + rest + [d for d in tier if weights[d] == 0]


def weight_of(deployment: Deployment) -> int:
    """Its weight; unset counts 1."""
    return 1 if deployment.weight is None else deployment.weight


def _pick(weights: list[int], drawn: float) -> int:
    point = drawn * sum(weights)
    for at, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return at
    return len(weights) - 1
