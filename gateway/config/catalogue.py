"""What can be called: the configuration's models and providers, compiled once per snapshot.

Rules:
    - A `Catalogue` is immutable and belongs to one configuration snapshot.
    - A wire name is looked up exactly first, then by glob in the order of the configuration; one longer
      than any configured name may be is unknown, so that clients fill no memory with names.
    - Every candidate is kept, also those that cannot be used now: the plan drops them with the reason.
Not here:
    - Choosing among candidates (routing.plan); sockets (providers.transport).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cachetools import LRUCache

from gateway.config.caching import CacheRules, cache_rules
from gateway.config.choice import Choice, choice_of, has_headroom, name_of
from gateway.config.schema import BreakerRules, Candidate, Config, Model, Pricing, Provider, Timeouts
from gateway.config.schema.access import Limits as LimitSettings
from gateway.config.schema.pricing import ListPrices
from gateway.config.schema.rescue import Hedge
from gateway.config.schema.routing import Concurrency
from gateway.config.schema.upstream import NEVER_STREAMS
from gateway.core.globs import is_glob, matches
from gateway.core.limits import LIMIT_NAMES, Limits, Scope
from gateway.core.secret import Secret
from gateway.core.tariff import Tariff

GLOB_CACHE_MAX = 4096
CHARACTERS = "characters"
# dialects with tools, but without the functions OpenAI had before
FUNCTIONS_AS_TOOLS = frozenset(("responses", "anthropic", "gemini", "bedrock", "cohere"))
COMPLETIONS = frozenset(("openai", "azure", "palm"))  # dialects with text completions beside chats
CUSTOM_TOOLS = frozenset(("openai", "azure", "responses"))  # dialects with tools that take free text
OWN_TOOL = frozenset(("anthropic", "bedrock"))  # dialects that put a schema into a tool by themselves
NAME_MAX_CHARS = 200  # of a wire name, as in the schema


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What signs requests to Amazon. Never shown."""

    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """Provider + upstream model + credentials: the thing that can fail."""

    id: str  # its name; with #1, #2, ... for several keys
    name: str  # provider/upstream_model; the model part is * when the client's name is passed on
    provider: str
    dialect: str
    upstream_model: str | None  # None = the name the client sent
    base_url: str
    headers: Mapping[str, str] = field(repr=False)  # includes the credential
    query: Mapping[str, str]
    paths: Mapping[str, str]
    force: Mapping[str, Any]
    drop: frozenset[str]
    rename: Mapping[str, str]
    is_usage_in_stream_asked: bool
    timeouts: Timeouts
    response_max_bytes: int
    chunk_max_bytes: int
    connections_max: int
    keepalive_s: float
    output_max_tokens: int | None  # of the model; None = unknown
    priority: int
    weight: int | None  # None on a whole priority = the order of the list
    unavailable_reason: str | None
    can_stream: bool = True  # whether it may be asked for a stream
    can_answer_whole: bool = True  # whether it may be asked for an answer that is no stream
    breaker: BreakerRules = field(default_factory=BreakerRules)
    live_id: str = ""  # what its live state is kept by: provider, upstream model (or the first wire name) and key
    place: int = 0  # of its candidate in the list; keys of one provider share it
    concurrency: Concurrency | None = None  # None = as many calls at the same time as come
    capabilities: frozenset[str] = frozenset()
    pricing: ListPrices | None = None  # its provider's own, else the model's; None = unknown
    has_limit_headers: bool = False  # whether a policy asks what the provider's own limits leave
    context_window_tokens: int | None = None  # None = unknown
    accepts_prefill: bool = False  # goes on from an unfinished answer
    prefill_force: Mapping[str, Any] = field(default_factory=dict)  # over `force`, when it is asked to
    prefill_message: Mapping[str, Any] = field(default_factory=dict)  # members of the unfinished message
    emulation: str = ""  # another way to structured answers: tool, instruction or none; empty = the dialect's
    is_schema_native: bool = False  # whether dialects that would emulate a schema may send it
    has_custom_tools: bool = True  # whether its format has tools that take free text
    takes_functions_as_tools: bool = False  # whether `functions` of a request become its tools
    takes_completions_as_chats: bool = False  # whether its model, or its dialect, only chats
    has_anthropic_fields: bool = True  # of dialect bedrock: whether its model understands Anthropic's own
    aws: AwsKeys | None = None  # None = the credential is among the headers
    ca_file: str | None = None  # who signs its certificate; None = the system's authorities


class Rescue(NamedTuple):
    """What is tried for a stream that fails after its first content."""

    means: tuple[str, ...]
    max_bytes: int  # of delivered text
    attempts_max: int


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One model of the configuration."""

    slug: str
    names: tuple[str, ...]
    owned_by: str
    created_unix_s: int
    is_listed: bool
    capabilities: frozenset[str]
    capability_list: tuple[str, ...]
    context_window_tokens: int | None
    output_max_tokens: int | None
    has_dimensions: bool
    dimensions_default: int | None
    dimensions_allowed: tuple[int, ...]
    pricing: Pricing | None
    tariff: Tariff | None  # of `pricing`
    candidates: tuple[Deployment, ...]
    attempts_max: int
    backoff_base_s: float
    backoff_max_s: float
    retry_after_max_s: float
    has_fallback: bool
    on_client_gone: str
    on_unsupported: str
    scope: Scope | None = None  # limits of all callers together
    limits_per_key: Limits | None = None
    is_reply_renamed: bool = False  # whether answers have the name the caller asked for
    has_modes: bool = False  # whether its price depends on how the vendor processes a call

    @property
    def is_free(self) -> bool:
        """Whether its price is known and nothing."""
        return self.tariff is not None and self.tariff.is_free

    rescue: Rescue | None = None  # None = such a stream fails
    hedge: Hedge | None = None  # None = first tokens are not hedged
    content_filter_fallback: frozenset[str] = frozenset()  # providers
    deadline_min_s: float = 0.0
    counting: str = ""  # an encoding, or CHARACTERS: what the gateway counts itself; empty = nothing
    choice: Choice | None = None  # None = priority and weight alone
    cache: CacheRules | None = None  # None = answers are neither kept nor shared


class Catalogue:
    """The models of one snapshot."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        self._slugs = {e.slug: e for e in entries}
        self._exact = {name: e for e in reversed(entries) for name in e.names if not is_glob(name)}
        self._globs = [(name, e) for e in entries for name in e.names if is_glob(name)]
        self._seen: LRUCache[str, Entry | None] = LRUCache(GLOB_CACHE_MAX)

    @classmethod
    def of(cls, config: Config) -> Catalogue:
        """Compile a checked configuration."""
        return cls(tuple(_entry(slug, model, config) for slug, model in config.models.items()))

    def find(self, name: str) -> Entry | None:
        """The model of that wire name; None when there is none."""
        entry = self._exact.get(name)
        if entry is not None or not self._globs or len(name) > NAME_MAX_CHARS:
            return entry
        if name not in self._seen:
            self._seen[name] = next((e for glob, e in self._globs if matches(name, glob)), None)
        return self._seen[name]

    def of_slug(self, slug: str) -> Entry | None:
        """The model of that key of the configuration; None when there is none."""
        return self._slugs.get(slug)

    def listed(self) -> list[tuple[str, Entry]]:
        """Every wire name that may be shown, with its model, in the order of the configuration."""
        return [(name, e) for e in self.entries if e.is_listed for name in e.names if not is_glob(name)]


def _entry(slug: str, model: Model, config: Config) -> Entry:
    retry, own = config.policies.retry, model.retry
    candidates = _candidates(model, config)
    pricing = model.pricing
    return Entry(
        slug=slug,
        names=model.names,
        owned_by=model.owned_by,
        created_unix_s=model.created_unix_s,
        is_listed=model.is_listed,
        capabilities=_can(model.capabilities),
        capability_list=model.capabilities,
        context_window_tokens=model.context_window_tokens,
        output_max_tokens=model.output_max_tokens,
        has_dimensions=model.has_dimensions,
        dimensions_default=model.dimensions_default,
        dimensions_allowed=model.dimensions_allowed,
        pricing=pricing,
        tariff=pricing.tariff() if pricing else None,
        is_reply_renamed=model.reply_model == "requested",
        has_modes=bool(pricing and pricing.modes),
        candidates=candidates,
        attempts_max=own.attempts_max or retry.attempts_max,
        backoff_base_s=own.backoff_base_s or retry.backoff_base_s,
        backoff_max_s=own.backoff_max_s or retry.backoff_max_s,
        retry_after_max_s=retry.retry_after_max_s,
        has_fallback=config.policies.has_fallback if model.has_fallback is None else model.has_fallback,
        on_client_gone=model.on_client_gone or config.policies.on_client_gone,
        on_unsupported=model.on_unsupported or config.policies.on_unsupported,
        scope=_scope(slug, model),
        limits_per_key=_limits(model.limits_per_key),
        rescue=_rescue(model, config),
        hedge=model.hedge if model.hedge.is_enabled else None,
        content_filter_fallback=frozenset(model.content_filter_fallback),
        deadline_min_s=config.policies.deadline_min_s,
        counting=_counting(model),
        choice=choice_of(model),
        cache=cache_rules(slug, model, candidates),
    )


def _rescue(model: Model, config: Config) -> Rescue | None:
    policies = config.policies
    listed = policies.rescue if model.rescue is None else model.rescue
    means = tuple(each for each in listed if each != "error")
    return Rescue(means, policies.rescue_max_bytes, policies.rescue_attempts_max) if means else None


def _scope(slug: str, model: Model) -> Scope | None:
    limits = _limits(model.limits)
    return None if limits is None else Scope(f"model:{slug}", limits, "model")


def _limits(own: LimitSettings) -> Limits | None:
    limits = Limits(**{name: getattr(own, name) for name in LIMIT_NAMES})
    return limits if limits.is_limited else None


def _candidates(model: Model, config: Config) -> tuple[Deployment, ...]:
    """One deployment per candidate and key of its provider, in the order of the list."""
    breaker = model.routing.breaker.over(config.policies.breaker)
    return tuple(
        _deployment((place, number, key), candidate, model, config.providers[candidate.provider], breaker)
        for place, candidate in enumerate(model.candidates)
        for number, key in _numbered(config.providers[candidate.provider])
    )


def _numbered(provider: Provider) -> list[tuple[int, Secret | None]]:
    """The keys with their numbers; a sole key has none. Of several, those that are absent are left out."""
    keys = provider.keys
    if len(keys) < 2:
        return [(0, keys[0] if keys else None)]
    there: list[tuple[int, Secret | None]] = [(number, key) for number, key in enumerate(keys, 1) if key.is_set]
    return there or [(1, keys[0])]


def _deployment(
    at: tuple[int, int, Secret | None], candidate: Candidate, model: Model, provider: Provider, breaker: BreakerRules
) -> Deployment:
    """One deployment; `at` is the candidate's place, the key's number and the key."""
    place, number, key = at
    streaming = candidate.streaming or provider.streaming or ("never" if provider.dialect in NEVER_STREAMS else "both")
    structured_output = candidate.structured_output or provider.structured_output
    capabilities = model.capabilities if candidate.capabilities is None else candidate.capabilities
    name = name_of(candidate)
    return Deployment(
        id=_numbered_name(name, number),
        name=name,
        provider=candidate.provider,
        dialect=provider.dialect,
        upstream_model=candidate.upstream_model,
        base_url=provider.base_url.rstrip("/"),
        headers=_headers(provider, key),
        query=provider.query,
        paths=provider.paths.model_dump(),
        force={**provider.force, **candidate.force},
        drop=frozenset(provider.drop) | frozenset(candidate.drop),
        rename=provider.rename,
        is_usage_in_stream_asked=provider.is_usage_in_stream_asked,
        timeouts=candidate.timeouts.over(model.timeouts.over(provider.timeouts)),
        response_max_bytes=provider.response_max_bytes,
        chunk_max_bytes=provider.chunk_max_bytes,
        connections_max=provider.connections_max,
        keepalive_s=provider.keepalive_s,
        output_max_tokens=model.output_max_tokens,
        priority=candidate.priority,
        weight=candidate.weight,
        unavailable_reason=provider.unavailable_reason,
        can_stream=streaming != "never",
        can_answer_whole=streaming != "only",
        breaker=breaker,
        live_id=_numbered_name(f"{candidate.provider}/{candidate.upstream_model or model.names[0]}", number),
        place=place,
        concurrency=model.routing.concurrency,
        capabilities=_can(capabilities),
        pricing=candidate.pricing or model.pricing,
        has_limit_headers=has_headroom(model),
        context_window_tokens=candidate.context_window_tokens or model.context_window_tokens,
        accepts_prefill=candidate.accepts_prefill,
        prefill_force=candidate.prefill_force,
        prefill_message=candidate.prefill_message,
        emulation=_emulation(structured_output, provider.dialect),
        is_schema_native=structured_output == "native",
        has_custom_tools=provider.dialect in CUSTOM_TOOLS,
        takes_functions_as_tools=provider.dialect in FUNCTIONS_AS_TOOLS,
        takes_completions_as_chats=provider.dialect not in COMPLETIONS or "completion" not in capabilities,
        has_anthropic_fields=_has_anthropic_fields(candidate),
        aws=_aws_keys(provider),
        ca_file=provider.ca_file,
    )


def _can(capabilities: tuple[str, ...]) -> frozenset[str]:
    """What can be asked of it: what it is said to do, and completions of all that chats."""
    return frozenset((*capabilities, "completion") if "chat" in capabilities else capabilities)


def _counting(model: Model) -> str:
    if model.usage_unit == CHARACTERS:
        return CHARACTERS
    return "" if model.tokenizer == "estimate" else model.tokenizer


def _emulation(structured_output: str, dialect: str) -> str:
    if structured_output == "tool" and dialect in OWN_TOOL:
        return ""
    return structured_output if structured_output in ("tool", "instruction", "none") else ""


def _has_anthropic_fields(candidate: Candidate) -> bool:
    if candidate.additional_fields == "auto":
        return candidate.upstream_model is None or "anthropic" in candidate.upstream_model
    return candidate.additional_fields == "anthropic"


def _numbered_name(name: str, number: int) -> str:
    return f"{name}#{number}" if number else name


def _aws_keys(provider: Provider) -> AwsKeys | None:
    aws = provider.aws
    if aws is None or aws.absence is not None:
        return None
    token = None if aws.session_token is None else aws.session_token.reveal()
    return AwsKeys(aws.region, aws.access_key_id.reveal(), aws.secret_access_key.reveal(), token)


def _headers(provider: Provider, key: Secret | None) -> dict[str, str]:
    headers = {name.lower(): value for name, value in provider.headers.items()}
    if provider.auth != "none" and key is not None and key.is_set:
        name = "authorization" if provider.auth == "bearer" else provider.auth
        headers[name] = f"Bearer {key.reveal()}" if provider.auth == "bearer" else key.reveal()
    return headers
