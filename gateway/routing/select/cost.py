"""Policy `cost`: the cheapest for this call, by its estimated tokens.

Rules:
    - A candidate's own prices count, else its model's; unknown prices come last, for unknown is not free.
    - Equal prices keep the order of the list.
Not here:
    - What a call is charged (pipeline.settle).
"""

from __future__ import annotations

from decimal import Decimal

from gateway.config.catalogue import Deployment
from gateway.routing.select.sight import Sight

OUTPUT_DEFAULT_TOKENS = 256  # where the caller set no bound


def cost(tier: list[Deployment], sight: Sight) -> list[Deployment]:
    """Cheapest first."""
    return sorted(tier, key=lambda d: _price(d, sight))


def _price(deployment: Deployment, sight: Sight) -> tuple[bool, Decimal]:
    """Whether it is unknown, and micro-USD, not rounded."""
    pricing, facts = deployment.pricing, sight.facts
    if pricing is None:
        return True, Decimal(0)
    output_tokens = facts.output_tokens or OUTPUT_DEFAULT_TOKENS
    given = facts.prompt_tokens * pricing.input_usd_per_million
    return False, given + output_tokens * pricing.output_usd_per_million
