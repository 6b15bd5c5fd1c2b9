"""The remaining sections: profiles, observe, simulator.

Rules:
    - A profile holds only what a client can see; nothing in it changes what a call costs or where it goes.

Not here: how a profile is chosen and rendered (frontend).
"""

from typing import Literal

from gateway.config.schema.base import Section, Switch, setting


class Profile(Section):
    """A named bundle of client-visible behaviour."""

    key_carriers: tuple[Literal["bearer", "x-api-key", "api-key"], ...] = setting(
        ("bearer",), "Where a key may stand: `authorization: Bearer`, `x-api-key`, `api-key`.", min_length=1
    )
    key_prefix: str | None = setting(
        None,
        "What keys made through this profile begin with; unset = `auth.key_prefix`.",
        pattern=r"^[A-Za-z0-9_-]{0,32}$",
    )
    is_model_list_public: bool = setting(False, "Whether `GET /v1/models` answers without a key.")
    rate_limit_headers: Literal["openai", "none"] = setting("openai", "Family of rate-limit headers on responses.")
    model_extras: tuple[Literal["capabilities", "context_window", "pricing"], ...] = setting(
        ("capabilities", "context_window", "pricing"), "Members of a model object beyond OpenAI's four."
    )
    upstream_error_status: Literal["mapped", "502"] = setting(
        "mapped", "Status for a provider's own failure: by the table of errors, or always 502."
    )
    has_gateway_headers: bool = setting(
        True, "Whether responses carry `x-gateway-provider` and `x-gateway-generation`."
    )
    dialects: tuple[Literal["openai", "responses", "anthropic", "gemini"], ...] = setting(
        ("openai", "responses", "anthropic", "gemini"),
        "Client formats that have routes; of others every path is 404. Models, health and metrics always have theirs.",
    )


class Observe(Section):
    """Logs, metrics and health."""

    explain_calls_max: int = setting(
        1000, "Latest calls whose route can be explained by their request id; 0 = none.", unit="calls", ge=0, le=100_000
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least severe record that is written.")
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "Shape of a record; `auto` = console on a terminal, else one JSON object per line.", reloads=False
    )
    has_access_log: bool = setting(True, "Whether each call writes one record.")
    has_metrics: bool = setting(True, "Whether `/metrics` answers.", reloads=False)
    loop_lag_warn_s: float = setting(0.25, "Event-loop lag that is logged.", unit="seconds", gt=0, le=60)


class Simulator(Section):
    """The stand-in upstream. Never in production."""

    enabled: Switch = setting("auto", "`auto` = on in development and test, off in production.", reloads=False)
    host: str = setting("127.0.0.1", "Address to listen on.", reloads=False, min_length=1)
    port: int = setting(
        0, "Port to listen on; 0 lets the system choose.", unit="TCP port", reloads=False, ge=0, le=65_535
    )
