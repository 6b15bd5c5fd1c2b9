"""The part of the configuration a frontend needs, as it arrives over the link.

Rules:
    - Names, units and defaults are those of the sections `http` and `profiles` of the configuration (a test compares).
    - Reading is tolerant: an unknown member is ignored, an absent one has its default, so that a frontend works with a
      service one version older or newer. The service checked the values.

Not here: reading YAML and checking it (gateway.config), how settings travel (gateway.rpc).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from gateway.wire import json

MIB = 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cors:
    """Cross-origin answers for browsers; off while `allow_origins` is empty, `*` is any origin."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ("GET", "POST", "OPTIONS")
    allow_headers: tuple[str, ...] = ("authorization", "content-type", "x-request-id", "traceparent")
    expose_headers: tuple[str, ...] = (
        "x-request-id",
        "x-gateway-provider",
        "x-gateway-generation",
        "server-timing",
        "retry-after",
        "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
    )
    allow_credentials: bool = False
    max_age_s: int = 600


@dataclass(frozen=True, slots=True)
class Http:
    """The listener. `backlog`, `headers_max_bytes`, `keepalive_s` and `max_connections` are read once, at start."""

    host: str = "127.0.0.1"
    port: int = 8080
    body_max_bytes: int = 20 * MIB
    bodies_max_bytes: int = 512 * MIB
    json_max_depth: int = 64
    headers_max_bytes: int = 32_768
    headers_timeout_s: float = 15.0
    body_timeout_s: float = 60.0
    keepalive_s: float = 75.0
    max_connections: int = 20_000
    stalled_for_s: float = 60.0
    stream_buffer_max_bytes: int = 262_144
    stream_ping_s: float = 15.0
    backlog: int = 2048
    call_headers: tuple[str, ...] = ()
    is_request_id_trusted: bool = True
    is_forwarded_for_trusted: bool = False
    has_server_timing: bool = True
    cors: Cors = field(default_factory=Cors)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a client sees that another gateway's clients expect otherwise."""

    key_carriers: tuple[str, ...] = ("bearer",)
    key_prefix: str | None = None
    is_model_list_public: bool = False
    rate_limit_headers: str = "openai"
    model_extras: tuple[str, ...] = ("capabilities", "context_window", "pricing")
    upstream_error_status: str = "mapped"
    has_gateway_headers: bool = True
    dialects: tuple[str, ...] = ("openai", "responses", "anthropic", "gemini")


DEFAULT_PROFILE = Profile()


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """One immutable value; a reload swaps it, and a request keeps the one it started with."""

    http: Http = field(default_factory=Http)
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def profile(self, name: str) -> Profile:
        """The profile called `name`, or the default one."""
        return self.profiles.get(name, DEFAULT_PROFILE)

    @classmethod
    def from_json(cls, text: str) -> FrontendSettings:
        """Read `{"http": {...}, "profiles": {name: {...}}}`; ValueError if that is no JSON object."""
        sections = json.loads(text.encode())
        if not isinstance(sections, dict):
            raise ValueError("frontend settings must be a JSON object")
        profiles = {name: _section(Profile, members) for name, members in (sections.get("profiles") or {}).items()}
        return cls(http=_section(Http, sections.get("http") or {}), profiles=profiles)


def _section(kind: type[T], members: Mapping[str, Any]) -> T:
    values: dict[str, Any] = {}
    for part in fields(kind):  # type: ignore[arg-type]  # every kind here is a dataclass
        value = members.get(part.name)
        if value is None:
            continue
        default = part.default_factory if callable(part.default_factory) else None
        if isinstance(default, type) and is_dataclass(default):
            value = _section(default, value)
        values[part.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
