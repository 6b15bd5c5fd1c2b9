"""The section about vendors' accounts: providers.

Rules:
    - A vendor that speaks a known dialect is a block here and no Python.
    - `enabled: auto` means on when its key is there; `on` makes a missing key an error in production.

Not here: which model goes where (schema/models.py); sockets (providers/transport.py).
"""

from typing import Any, Literal

from gateway.config.schema.base import SecretValue, Section, Slug, Switch, setting

MIB = 1024 * 1024
StructuredOutput = Literal["auto", "native", "tool", "instruction", "none"]


class Timeouts(Section):
    """The five clocks of an attempt."""

    connect_s: float = setting(5.0, "Name lookup, TCP and TLS.", unit="seconds", gt=0, le=300)
    headers_s: float = setting(60.0, "From the request sent to the response's head.", unit="seconds", gt=0, le=3600)
    first_token_s: float = setting(
        120.0, "From the request sent to a stream's first content.", unit="seconds", gt=0, le=3600
    )
    idle_s: float = setting(60.0, "Between two pieces of a response.", unit="seconds", gt=0, le=3600)
    total_s: float = setting(600.0, "The whole attempt.", unit="seconds", gt=0, le=86_400)


class TimeoutOverrides(Section):
    """Clocks of a model or candidate that differ from its provider's. Unset = the provider's."""

    connect_s: float | None = setting(None, "Name lookup, TCP and TLS.", unit="seconds", gt=0, le=300)
    headers_s: float | None = setting(
        None, "From the request sent to the response's head.", unit="seconds", gt=0, le=3600
    )
    first_token_s: float | None = setting(
        None, "From the request sent to a stream's first content.", unit="seconds", gt=0, le=3600
    )
    idle_s: float | None = setting(None, "Between two pieces of a response.", unit="seconds", gt=0, le=3600)
    total_s: float | None = setting(None, "The whole attempt.", unit="seconds", gt=0, le=86_400)

    def over(self, base: Timeouts) -> Timeouts:
        """`base` with what is set here put in its place."""
        changed = {name: value for name in Timeouts.model_fields if (value := getattr(self, name)) is not None}
        return base.model_copy(update=changed) if changed else base


class Paths(Section):
    """Paths under `base_url`, by operation. `{model}` stands for the upstream model, URL-quoted."""

    chat: str = setting("/chat/completions", "Chat completions.", pattern="^/")
    completions: str = setting("/completions", "Legacy completions.", pattern="^/")
    embeddings: str = setting("/embeddings", "Embeddings.", pattern="^/")
    models: str = setting("/models", "Model list.", pattern="^/")


class Aws(Section):
    """Amazon's keys, which sign each request; without them `api_key` is sent as with any vendor."""

    region: str = setting(..., "Region of `base_url`, e.g. us-east-1.", pattern="^[a-z0-9-]+$")
    access_key_id: SecretValue = setting(..., "The access key's id: `{env: NAME}` or `{file: PATH}`.")
    secret_access_key: SecretValue = setting(..., "The secret access key: `{env: NAME}` or `{file: PATH}`.")
    session_token: SecretValue | None = setting(None, "The session token of temporary keys.")

    @property
    def absence(self) -> str | None:
        """Why requests cannot be signed; None when they can."""
        keys = (self.access_key_id, self.secret_access_key, self.session_token)
        return next((key.absence for key in keys if key is not None and not key.is_set), None)


Dialect = Literal[
    "openai",
    "azure",
    "responses",
    "anthropic",
    "anthropic_complete",
    "gemini",
    "palm",
    "cohere",
    "bedrock",
]
Streaming = Literal["both", "only", "never"]
NEVER_STREAMS = frozenset(("palm",))
"""Dialects whose format has no streams."""


class Provider(Section):
    """One account at one vendor."""

    dialect: Dialect = setting(..., "Wire format the vendor speaks.")
    base_url: str = setting(
        ..., "URL the paths are appended to, version included.", pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$"
    )
    enabled: Switch = setting(
        "on", "`auto` = on when the key is there; `on` = a missing key is an error in production."
    )
    api_key: SecretValue | None = setting(None, "The vendor's key: `{env: NAME}` or `{file: PATH}`.")
    api_keys: tuple[SecretValue, ...] = setting(
        (), "Several keys of the account, used in turn; one that is refused is left out. Instead of `api_key`."
    )
    auth: Literal["bearer", "api-key", "x-api-key", "x-goog-api-key", "none"] = setting(
        "bearer",
        "Header that carries the key: `authorization: Bearer`, `api-key`, `x-api-key`, `x-goog-api-key`, or none.",
    )
    aws: Aws | None = setting(None, "Amazon's keys, for dialect bedrock.")
    headers: dict[str, str] = setting(dict, "Headers added to each request.")
    query: dict[str, str] = setting(dict, "Query parameters added to each URL.")
    paths: Paths = setting(Paths, "Paths that differ from OpenAI's.")
    force: dict[str, Any] = setting(dict, "Parameters set in each request body, over the client's.")
    drop: tuple[str, ...] = setting((), "Parameters removed from each request body.")
    rename: dict[str, str] = setting(dict, "Parameters renamed in each request body: client's name to vendor's.")
    structured_output: StructuredOutput = setting(
        "auto",
        "How `response_format` is met: `native` by its format's own member, `tool` by a function that must be called, "
        "`instruction` by words, `none` not at all; `auto` as its dialect does.",
    )
    is_usage_in_stream_asked: bool = setting(
        True, "Whether streams ask for usage by `stream_options`; off for vendors that refuse the member."
    )
    streaming: Streaming | None = setting(
        None,
        "Whether it answers `both` streamed and whole, `only` streamed, or `never` streamed; "
        "unset = what its dialect can do.",
    )
    is_local: bool = setting(False, "Whether this is your own machine or network: plain `http://` is allowed.")
    ca_file: str | None = setting(
        None,
        "Authorities (PEM, absolute path) that sign its certificate, instead of the system's; read at the first call.",
        pattern="^/",
    )
    timeouts: Timeouts = setting(Timeouts, "The five clocks of an attempt.")
    response_max_bytes: int = setting(64 * MIB, "Largest response that is not a stream.", unit="bytes", ge=65_536)
    chunk_max_bytes: int = setting(4 * MIB, "Largest single event of a stream.", unit="bytes", ge=4096)
    connections_max: int = setting(20_000, "Open connections to this provider.", unit="connections", ge=1, le=100_000)
    keepalive_s: float = setting(30.0, "How long an idle connection is kept.", unit="seconds", ge=0, le=3600)

    @property
    def unavailable_reason(self) -> str | None:
        """Why no attempt can be made at this provider; None when one can."""
        if self.enabled == "off":
            return "disabled"
        if self.aws is not None and self.aws.absence is not None:
            return self.aws.absence
        keys = self.keys
        if self.auth != "none" and keys and not any(key.is_set for key in keys):
            return keys[0].absence
        return None

    @property
    def keys(self) -> tuple[SecretValue, ...]:
        """All keys of the account, also those that are absent."""
        return self.api_keys or (() if self.api_key is None else (self.api_key,))

    @property
    def is_available(self) -> bool:
        """Whether attempts can be made: enabled, and its key (if it names one) is there."""
        return self.unavailable_reason is None


Providers = dict[Slug, Provider]
