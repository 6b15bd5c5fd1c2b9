"""The settings about answers that fail half way, and about first tokens that are late.

Rules:
    - `rescue` is an order: each means is tried before the next; `error` ends it, so nothing may follow it.
    - A hedge is off unless a model turns it on: it costs calls.

Not here: doing it (pipeline.attempts).
"""

from typing import Annotated, Literal

from pydantic import AfterValidator

from gateway.config.schema.base import Section, setting

Means = Literal["continue", "splice", "restart", "buffer", "error"]


def _in_order(means: tuple[Means, ...]) -> tuple[Means, ...]:
    if len(set(means)) != len(means):
        raise ValueError("names a means twice")
    if "error" in means[:-1]:
        raise ValueError("has something after `error`, which ends the list")
    return means


RescueList = Annotated[tuple[Means, ...], AfterValidator(_in_order)]


class Hedge(Section):
    """A second deployment raced against one whose first token is late."""

    is_enabled: bool = setting(False, "Whether the first token of a stream is hedged.")
    delay_min_s: float = setting(
        0.1,
        "Shortest wait before the second attempt; else the 95th percentile of the deployment's own first tokens.",
        unit="seconds",
        ge=0,
        le=600,
    )
    budget_percent: float = setting(5.0, "Second attempts allowed as a share of calls.", unit="percent", ge=0, le=100)
    price_max_factor: float = setting(
        2.0,
        "A deployment whose tokens cost more than so many times those of the first is not raced.",
        unit="times the price",
        ge=0,
        le=1000,
    )
