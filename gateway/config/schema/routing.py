"""The sections about choosing among a model's candidates: breaker, policy, rules, split, mirror, concurrency.

Rules:
    - A candidate is named by its `provider`, or by `provider/upstream_model` where a provider stands twice.
    - Everything but the breaker is off until it is written, and costs nothing then.

Not here: the decisions themselves (routing).
"""

from typing import Annotated, Literal

from pydantic import StringConstraints

from gateway.config.schema.base import Capability, Section, Slug, setting


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
CandidateName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
CallKey = Annotated[str, StringConstraints(pattern=r"^(key|group|user|header:[a-z0-9][a-z0-9-]*|metadata:.{1,64})$")]
"""What of a call is looked at: `key`, `group`, `user`, `header:NAME` or `metadata:NAME`."""


class Condition(Section):
    """Which calls are meant. All that is written must hold; of a list, one of its values."""

    keys: tuple[str, ...] = setting((), "Ids of keys.")
    groups: tuple[str, ...] = setting((), "Groups of callers.")
    models: tuple[str, ...] = setting((), "Wire names or globs, as the client sent them.")
    headers: dict[HeaderName, str] = setting(
        dict, "Request headers and the glob their value must match; they stand in `http.call_headers` too."
    )
    metadata: dict[str, str] = setting(dict, "Members of the request's `metadata` and the glob of their value.")
    prompt_tokens_min: int | None = setting(None, "Smallest prompt, by estimate.", unit="tokens", ge=0)
    prompt_tokens_max: int | None = setting(None, "Largest prompt, by estimate.", unit="tokens", ge=0)
    needs: tuple[Capability, ...] = setting((), "Capabilities the call needs; all of them.")


class Rule(Section):
    """Where the calls of a condition go. The first rule that holds decides."""

    name: Slug = setting(..., "What logs and `route explain` call it.")
    when: Condition = setting(Condition, "Which calls; empty = all.")
    candidates: tuple[CandidateName, ...] = setting(
        (), "Only these are tried: `provider` or `provider/upstream_model`; empty = all."
    )
    model: Slug | None = setting(None, "Another model's slug, whose candidates and routing are used instead.")
    policy: Policy | None = setting(None, "Order of candidates for these calls; unset = the model's.")


class Arm(Section):
    """One side of a split."""

    name: Slug = setting(..., "What logs and `route explain` call it.")
    weight: int = setting(..., "Share of callers.", ge=0, le=1_000_000)
    candidates: tuple[CandidateName, ...] = setting(
        ..., "Tried first: `provider` or `provider/upstream_model`; the others follow as fallback.", min_length=1
    )


class Split(Section):
    """Callers divided among arms; the same caller is always in the same arm."""

    name: Slug = setting(..., "What logs call it; another name deals the callers anew.")
    by: CallKey = setting("key", "What of a call says who the caller is; without it the arm is drawn.")
    arms: tuple[Arm, ...] = setting(..., "Its sides.", min_length=2)


class Mirror(Section):
    """Calls copied to another model, whose answers are thrown away. Nobody waits for them or pays."""

    model: Slug = setting(..., "Slug of the model that gets the copies; its first usable candidate is asked once.")
    percent: float = setting(..., "Share of calls that are copied.", unit="percent", gt=0, le=100)
    in_flight_max: int = setting(16, "Copies at the same time; beyond it none is made.", unit="calls", ge=1, le=10_000)


class Concurrency(Section):
    """Calls at the same time per deployment, found by its latency; calls beyond wait in a bounded queue."""

    limit_min: int = setting(4, "Never fewer.", unit="calls", ge=1, le=100_000)
    limit_max: int = setting(512, "Never more.", unit="calls", ge=1, le=100_000)
    limit_first: int = setting(32, "To begin with.", unit="calls", ge=1, le=100_000)
    tolerance: float = setting(
        1.3, "Latency up to so many times the unloaded one is no overload.", unit="times", ge=1, le=10
    )
    queue_max: int = setting(256, "Calls that wait; beyond it a call is shed.", unit="calls", ge=0, le=100_000)
    wait_max_s: float = setting(2.0, "Longest wait; then the call is shed.", unit="seconds", gt=0, le=600)


class Routing(Section):
    """How one model's candidates are ordered and restricted."""

    policy: Policy | None = setting(
        None, "Order within one priority; unset = `weighted` where a weight is set, else `ordered`."
    )
    affinity: CallKey | None = setting(
        None, "Calls that agree in this go to the same candidate, while it can be used; unset = off."
    )
    rules: tuple[Rule, ...] = setting((), "Where certain calls go; the first that holds decides.")
    split: Split | None = setting(None, "Callers divided among candidates, to compare them.")
    mirror: Mirror | None = setting(None, "Calls copied to another model.")
    concurrency: Concurrency | None = setting(None, "Adaptive limit of calls at the same time; unset = off.")
    breaker: BreakerOverrides = setting(BreakerOverrides, "Breaker that differs from `policies.breaker`.")
