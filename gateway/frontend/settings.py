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
    """The listener. `backlog`, `headers_max_bytes`, `keepalive_s` and `max_connections*` are read once, at start."""

    host: str = "127.0.0.1"
    port: int = 8080
    profile: str = "default"
    listeners: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hosts: tuple[Mapping[str, str], ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    body_max_bytes: int = 20 * MIB
    bodies_max_bytes: int = 512 * MIB
    json_max_depth: int = 64
    headers_max_bytes: int = 32_768
    headers_timeout_s: float = 15.0
    body_timeout_s: float = 60.0
    keepalive_s: float = 75.0
    max_connections: int = 20_000
    max_connections_per_peer: int | None = None
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

    name: str = "default"  # its key in the section
    key_carriers: tuple[str, ...] = ("bearer",)
    key_prefix: str | None = None
    key_prefixes: tuple[str, ...] = ()
    key_requests_per_minute: int | None = None
    has_sessions: bool = True
    is_model_list_public: bool = False
    is_pricing_public: bool = False
    is_stats_public: bool = False
    rate_limit_headers: str = "openai"
    model_extras: tuple[str, ...] = ("capabilities", "context_window", "pricing")
    upstream_error_status: str = "mapped"
    no_credit_status: int = 402
    spent_key_status: int = 402
    unknown_model_status: int = 404
    error_style: str = "openai"
    request_id_header: str | None = None
    has_gateway_headers: bool = True
    dialects: tuple[str, ...] = ("openai", "responses", "anthropic", "gemini")
    endpoints: tuple[str, ...] = ("completions", "accounts", "admin", "metrics", "openapi")
    system_name: str = "one-gateway"
    page_language: str = "en"


DEFAULT_PROFILE = Profile()


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """One immutable value; a reload swaps it, and a request keeps the one it started with."""

    http: Http = field(default_factory=Http)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)

    def profile(self, name: str, host: str | None = None) -> Profile:
        """The profile of a request for `host`, else the one called `name`, else the default one."""
        if self.hosts and host is not None:
            asked = host.lower()
            name = self.hosts.get(asked) or self.hosts.get(without_port(asked), name)
        return self.profiles.get(name, DEFAULT_PROFILE)

    @classmethod
    def from_json(cls, text: str) -> FrontendSettings:
        """Read `{"http": {...}, "profiles": {name: {...}}}`; ValueError if that is no JSON object."""
        sections = json.loads(text.encode())
        if not isinstance(sections, dict):
            raise ValueError("frontend settings must be a JSON object")
        profiles = {
            name: _section(Profile, {**members, "name": name})
            for name, members in (sections.get("profiles") or {}).items()
        }
        http = _section(Http, sections.get("http") or {})
        hosts = {str(each["name"]): str(each["profile"]) for each in http.hosts}
        return cls(http=http, profiles=profiles, hosts=hosts)


def without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


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
