"""The sections about choosing among a model's candidates: breaker, policy, rules, split, mirror, concurrency.

Rules:
    - A candidate is named by its `provider`, or by `provider/upstream_model` where a provider stands twice.
    - Everything but the breaker is off until it is written, and costs nothing then.

Not here: the decisions themselves (routing).
"""

from typing import Literal

from gateway.config.schema.base import Section, setting


class BreakerRules(Section):
    """When a deployment is left out for a while. The last one a call could use is never left out."""

    is_enabled: bool = setting(True, "Whether failing deployments are left out for a while.")
    window_s: float = setting(30.0, "How far back calls count.", unit="seconds", gt=0, le=3600)
    calls_min: int = setting(20, "Calls in the window below which no share is judged.", unit="calls", ge=1, le=100_000)
    error_percent: int = setting(50, "Share of failed calls that opens it.", unit="percent", ge=1, le=100)
    consecutive_max: int = setting(5, "Failures without a success between that open it.", unit="calls", ge=1, le=1000)
    slow_s: float = setting(60.0, "A first content later than this is slow.", unit="seconds", gt=0, le=3600)
    slow_percent: int = setting(80, "Share of slow calls that opens it.", unit="percent", ge=1, le=100)
    cooldown_base_s: float = setting(
        5.0, "First time left out; doubled by each failed probe.", unit="seconds", gt=0, le=3600
    )
    cooldown_max_s: float = setting(
        120.0, "Longest time left out, a provider's `retry-after` included.", unit="seconds", gt=0, le=86_400
    )
    quarantine_base_s: float = setting(
        300.0,
        "First time a key is left out that its provider refused; doubled by each failed probe, twelvefold at most.",
        unit="seconds",
        gt=0,
        le=86_400,
    )


class BreakerOverrides(Section):
    """The breaker of one model's deployments. Unset = section `policies.breaker`."""

    is_enabled: bool | None = setting(None, "Whether failing deployments are left out for a while.")
    window_s: float | None = setting(None, "How far back calls count.", unit="seconds", gt=0, le=3600)
    calls_min: int | None = setting(
        None, "Calls in the window below which no share is judged.", unit="calls", ge=1, le=100_000
    )
    error_percent: int | None = setting(None, "Share of failed calls that opens it.", unit="percent", ge=1, le=100)
    consecutive_max: int | None = setting(
        None, "Failures without a success between that open it.", unit="calls", ge=1, le=1000
    )
    slow_s: float | None = setting(None, "A first content later than this is slow.", unit="seconds", gt=0, le=3600)
    slow_percent: int | None = setting(None, "Share of slow calls that opens it.", unit="percent", ge=1, le=100)
    cooldown_base_s: float | None = setting(
        None, "First time left out; doubled by each failed probe.", unit="seconds", gt=0, le=3600
    )
    cooldown_max_s: float | None = setting(None, "Longest time left out.", unit="seconds", gt=0, le=86_400)
    quarantine_base_s: float | None = setting(
        None, "First time a key is left out that its provider refused.", unit="seconds", gt=0, le=86_400
    )

    def over(self, base: BreakerRules) -> BreakerRules:
        """`base` with what is set here put in its place."""
        changed = {name: value for name in BreakerRules.model_fields if (value := getattr(self, name)) is not None}
        return base.model_copy(update=changed) if changed else base


Policy = Literal["ordered", "weighted", "least_in_flight", "latency", "cost", "headroom"]


class Routing(Section):
    """How one model's candidates are ordered and restricted."""

    breaker: BreakerOverrides = setting(BreakerOverrides, "Breaker that differs from `policies.breaker`.")
