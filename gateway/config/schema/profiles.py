"""The section about profiles: what clients of other gateways see otherwise.

Rules:
    - A profile holds only what a client can see; nothing in it changes where a call goes or what it costs. What it says
      about keys (prefix, requests per minute) is for keys made through it.
    - Every shipped profile is one file of `config/profiles/`.

Not here: which listener or Host has which profile (edge.py); how a profile is rendered (frontend).
"""

from typing import Annotated, Literal

from pydantic import StringConstraints

from gateway.config.schema.base import Section, setting

Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class Profile(Section):
    """A named bundle of client-visible behaviour."""

    key_carriers: tuple[Literal["bearer", "bare", "x-api-key", "api-key"], ...] = setting(
        ("bearer",),
        "Where a key may stand: `authorization: Bearer KEY`, `bare`: `authorization: KEY`, `x-api-key`, `api-key`.",
        min_length=1,
    )
    key_prefix: str | None = setting(
        None,
        "What keys made through this profile begin with; unset = `auth.key_prefix`.",
        pattern=r"^[A-Za-z0-9_-]{0,32}$",
    )
    key_prefixes: tuple[Prefix, ...] = setting((), "Keys with another beginning are refused; empty = none is.")
    key_requests_per_minute: int | None = setting(
        None, "Limit of keys made through this profile that name none.", unit="requests per minute", ge=1
    )
    has_sessions: bool = setting(True, "Whether the token of a login is accepted where a key is.")
    is_model_list_public: bool = setting(False, "Whether `GET /v1/models` answers without a key.")
    is_pricing_public: bool = setting(False, "Whether `GET /api/pricing` answers without a key.")
    is_stats_public: bool = setting(False, "Whether `GET /stats` and `GET /v1/providers` answer without a key.")
    rate_limit_headers: Literal["openai", "inferxgate", "none"] = setting(
        "openai",
        "Family of rate-limit headers: OpenAI's of requests and tokens, `x-ratelimit-limit`, `-remaining` and `-reset` "
        "(unix seconds) of requests, or none.",
    )
    model_extras: tuple[Literal["capabilities", "context_window", "pricing", "permission", "endpoint_types"], ...] = (
        setting(("capabilities", "context_window", "pricing"), "Members of a model object beyond OpenAI's four.")
    )
    upstream_error_status: Literal["mapped", "502"] = setting(
        "mapped",
        "Status for a provider's own failure: by the table of errors (its 500, 502, 503, 529 pass), or always 502.",
    )
    no_credit_status: Literal[402, 403, 429] = setting(402, "Status of a call that its user's wallet does not cover.")
    spent_key_status: Literal[401, 402, 403, 429] = setting(
        402, "Status of a call that its key's budget does not cover."
    )
    unknown_model_status: Literal[404, 503] = setting(404, "Status of a call for a model there is not.")
    error_style: Literal["openai", "new_api"] = setting(
        "openai", "How OpenAI's error object is filled: as OpenAI does, or as new-api does."
    )
    request_id_header: HeaderName | None = setting(None, "A second header for the request id, beside `x-request-id`.")
    has_gateway_headers: bool = setting(
        True, "Whether responses carry `x-gateway-provider` and `x-gateway-generation`."
    )
    dialects: tuple[Literal["openai", "responses", "anthropic", "gemini"], ...] = setting(
        ("openai", "responses", "anthropic", "gemini"),
        "Client formats that have routes; of others every path is 404. Models and health always have theirs.",
    )
    endpoints: tuple[
        Literal["completions", "accounts", "admin", "metrics", "openapi", "inferxgate", "new_api", "billing"], ...
    ] = setting(
        ("completions", "accounts", "admin", "metrics", "openapi"),
        "Groups of paths there are beside the formats': `/v1/completions`, `/auth`, `/admin`, `/metrics`, "
        "`/openapi.json`; InferXgate's `/stats`, `/v1/providers` and names of metrics; new-api's `/api`; "
        "`/v1/dashboard/billing`.",
    )
    system_name: str = setting("one-gateway", "What pages for people call this gateway.", min_length=1, max_length=100)
    page_language: Literal["en", "vi"] = setting("en", "Language of pages for people; `?lang=` chooses another.")
