"""The sections about what clients ask for: models, policies.

Rules:
    - `names` are the wire names; a name with `*` is a glob and is not listed by `/v1/models`.
    - Candidates are tried in order of priority, then by weight within one priority.

Not here: choosing among candidates (routing).
"""

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from gateway.config.schema.access import Limits
from gateway.config.schema.base import Capability, Section, Slug, setting
from gateway.config.schema.caching import ModelCache
from gateway.config.schema.pricing import ListPrices, Pricing
from gateway.config.schema.rescue import Hedge, RescueList
from gateway.config.schema.routing import BreakerRules, Condition, Routing
from gateway.config.schema.upstream import Streaming, StructuredOutput, TimeoutOverrides

WireName = Annotated[str, StringConstraints(pattern=r"^[^\s,]{1,200}$")]
OnClientGone = Literal["cancel", "drain"]
OnUnsupported = Literal["error", "drop"]
ReplyModel = Literal["upstream", "requested"]
Tokenizer = Literal["estimate", "o200k_base", "cl100k_base"]
UsageUnit = Literal["tokens", "characters"]


class Candidate(Section):
    """One deployment a model can be served by."""

    provider: str = setting(..., "Key of a block in `providers`.", min_length=1)
    upstream_model: str | None = setting(
        None, "The vendor's name of the model; unset = the name the client sent.", min_length=1
    )
    priority: int = setting(
        0,
        "Lower is tried first; within one priority the order of the list, or `weight` where it is set.",
        ge=0,
        le=1000,
    )
    weight: int | None = setting(
        None,
        "Share of calls within one priority; 0 = only as fallback; unset on all = order of the list.",
        ge=0,
        le=1000,
    )
    force: dict[str, Any] = setting(dict, "Parameters set in the request body, over provider and client.")
    drop: tuple[str, ...] = setting((), "Parameters removed from the request body, besides the provider's.")
    streaming: Streaming | None = setting(
        None, "`both`, `only` or `never`: whether it answers streamed, whole, or either; unset = as its provider."
    )
    context_window_tokens: int | None = setting(
        None,
        "Prompt and completion together; it is left out of larger calls. Unset = the model's.",
        unit="tokens",
        ge=1,
    )
    structured_output: StructuredOutput | None = setting(
        None, "How `response_format` is met, where that differs from its provider's."
    )
    additional_fields: Literal["auto", "anthropic", "none"] = setting(
        "auto",
        "Dialect bedrock: whether thinking, effort and `top_k` go to `additionalModelRequestFields`, as only "
        "Anthropic's models understand them; `auto` = where `upstream_model` names anthropic.",
    )
    accepts_prefill: bool = setting(
        False, "Whether it goes on from an unfinished answer of the assistant at the end of the conversation."
    )
    prefill_force: dict[str, Any] = setting(
        dict, "Parameters of a request that goes on from an unfinished answer, over `force`."
    )
    prefill_message: dict[str, Any] = setting(
        dict, "Members of that unfinished message in OpenAI's format, such as `prefix: true`."
    )
    capabilities: tuple[Capability, ...] | None = setting(
        None, "What it can do, where that is less than its model's; it is left out of calls that need more."
    )
    pricing: ListPrices | None = setting(None, "Its provider's own prices, for policy `cost`; unset = the model's.")
    timeouts: TimeoutOverrides = setting(TimeoutOverrides, "Clocks that differ from the model's.")


class RetryOverrides(Section):
    """Retry of one model. Unset = section `policies.retry`."""

    attempts_max: int | None = setting(
        None, "Attempts per candidate, the first included.", unit="attempts", ge=1, le=20
    )
    backoff_base_s: float | None = setting(None, "First wait before a retry.", unit="seconds", gt=0, le=60)
    backoff_max_s: float | None = setting(None, "Longest wait before a retry.", unit="seconds", gt=0, le=600)


class Model(Section):
    """What a client may ask for by name."""

    names: tuple[WireName, ...] = setting(..., "Wire names; `*` and `?` make a glob.", min_length=1)
    owned_by: str = setting("gateway", "Owner shown in the model list.", min_length=1)
    created_unix_s: int = setting(1_700_000_000, "Creation time shown in the model list.", unit="Unix seconds", ge=0)
    is_listed: bool = setting(True, "Whether the names without glob are in the model list.")
    capabilities: tuple[Capability, ...] = setting(
        ("chat",), "What it can do; requests beyond that are refused.", min_length=1
    )
    context_window_tokens: int | None = setting(
        None, "Prompt and completion together; unset = unknown.", unit="tokens", ge=1
    )
    output_max_tokens: int | None = setting(None, "Longest completion; unset = unknown.", unit="tokens", ge=1)
    dimensions_default: int | None = setting(
        None, "Length of an embedding when none is asked; unset = unknown.", unit="numbers", ge=1
    )
    has_dimensions: bool = setting(False, "Whether `dimensions` may be asked for.")
    dimensions_allowed: tuple[int, ...] = setting(
        (), "The only lengths that may be asked for; empty = any up to `dimensions_default`."
    )
    pricing: Pricing | None = setting(None, "List prices; unset = unknown, which is not free.")
    candidates: tuple[Candidate, ...] = setting(..., "Deployments in order.", min_length=1)
    retry: RetryOverrides = setting(RetryOverrides, "Retry that differs from `policies.retry`.")
    routing: Routing = setting(Routing, "How candidates are ordered and restricted.")
    cache: ModelCache = setting(ModelCache, "Whether answers are given again.")
    has_fallback: bool | None = setting(None, "Whether later candidates are tried; unset = `policies.has_fallback`.")
    content_filter_fallback: tuple[str, ...] = setting(
        (), "Providers that are asked after another one refused the prompt by its content filter; empty = none."
    )
    rescue: RescueList | None = setting(
        None, "What is tried, in order, for a stream that fails after its first content; unset = `policies.rescue`."
    )
    hedge: Hedge = setting(Hedge, "A second attempt raced against a late first token.")
    tokenizer: Tokenizer = setting(
        "estimate",
        "How tokens are counted where no provider reports them: in one of OpenAI's encodings (the extra `tokens`), or "
        "by a rule of thumb.",
    )
    usage_unit: UsageUnit = setting(
        "tokens", "What it counts and is paid by. `characters` counts them here, whatever its provider reports."
    )
    on_unsupported: OnUnsupported | None = setting(
        None, "What becomes of a member the provider's format has no place for; unset = `policies.on_unsupported`."
    )
    reply_model: ReplyModel = setting(
        "upstream",
        "The name of the model in answers: as its provider says it (`upstream`), or as the caller asked (`requested`).",
    )
    on_client_gone: OnClientGone | None = setting(
        None, "What happens when the caller leaves; unset = `policies.on_client_gone`."
    )
    timeouts: TimeoutOverrides = setting(TimeoutOverrides, "Clocks that differ from the provider's.")
    limits: Limits = setting(Limits, "How much all callers together may use of this model; unset = no limit.")
    limits_per_key: Limits = setting(Limits, "How much each key may use of this model; unset = no limit.")


Models = dict[Slug, Model]


class Retry(Section):
    """When the same deployment is tried again."""

    attempts_max: int = setting(3, "Attempts per candidate, the first included.", unit="attempts", ge=1, le=20)
    backoff_base_s: float = setting(0.2, "First wait before a retry.", unit="seconds", gt=0, le=60)
    backoff_max_s: float = setting(5.0, "Longest wait before a retry.", unit="seconds", gt=0, le=600)
    retry_after_max_s: float = setting(
        10.0, "A provider's `retry-after` beyond this goes to the next candidate instead.", unit="seconds", ge=0, le=600
    )
    budget_percent: int = setting(
        20, "Retries allowed as a share of calls, so an outage is not made worse.", unit="percent", ge=0, le=1000
    )


class Policies(Section):
    """Defaults for how calls are routed."""

    retry: Retry = setting(Retry, "When the same deployment is tried again.")
    breaker: BreakerRules = setting(BreakerRules, "When a failing deployment is left out for a while.")
    batch: tuple[Condition, ...] = setting(
        (), "Which calls may wait behind others for a place (`routing.concurrency`); any one condition."
    )
    has_fallback: bool = setting(True, "Whether the next candidate is tried when one fails before its first content.")
    rescue: RescueList = setting(
        ("error",),
        "What is tried, in order, for a stream that fails after its first content: `continue`, `splice`, `restart`, "
        "`buffer`, `error`.",
    )
    rescue_max_bytes: int = setting(
        262_144,
        "Delivered text kept for a rescue, per stream; a longer answer can only begin anew or fail.",
        unit="bytes",
        ge=1024,
        le=16_777_216,
    )
    rescue_attempts_max: int = setting(
        4, "Attempts for rescuing one stream, over all means.", unit="attempts", ge=1, le=20
    )
    on_unsupported: OnUnsupported = setting(
        "error",
        "A member the provider's format has no place for: `error` refuses the call, `drop` leaves it out and names it.",
    )
    on_client_gone: OnClientGone = setting(
        "cancel", "What happens when the caller leaves: `cancel` closes the upstream, `drain` reads it to its end."
    )
    deadline_default_s: float = setting(
        600.0, "Deadline of a call whose caller sets none.", unit="seconds", gt=0, le=86_400
    )
    deadline_min_s: float = setting(
        0.0,
        "A call with less time left is refused at once, and no further attempt begins with less.",
        unit="seconds",
        ge=0,
        le=600,
    )
    deadline_max_s: float = setting(3600.0, "Latest deadline a caller may set.", unit="seconds", gt=0, le=86_400)
