"""The sections about listeners and processes: http, grpc, link, process.

Rules:
    - A listener's address and a process count need a restart; everything else here is read per call or per connection.

Not here: what a client sees of errors, headers and routes (profiles.py).
"""

from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from gateway.config.schema.base import SecretValue, Section, Slug, Switch, setting

MIB = 1024 * 1024
HOST = r"^[a-z0-9.:\[\]_-]{1,253}$"


class Cors(Section):
    """Cross-origin answers for browsers. Off while `allow_origins` is empty."""

    allow_origins: tuple[str, ...] = setting(
        (), 'Origins that may call, e.g. `https://app.example.com`; `"*"` for any.'
    )
    allow_methods: tuple[str, ...] = setting(("GET", "POST", "OPTIONS"), "Methods allowed to other origins.")
    allow_headers: tuple[str, ...] = setting(
        ("authorization", "content-type", "x-request-id", "traceparent"), "Request headers other origins may send."
    )
    expose_headers: tuple[str, ...] = setting(
        (
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
        ),
        "Response headers a script on another origin may read.",
    )
    allow_credentials: bool = setting(False, "Whether browsers may send cookies and authorization automatically.")
    max_age_s: int = setting(600, "How long a browser may keep a preflight answer.", unit="seconds", ge=0, le=86_400)


class Listener(Section):
    """One more address of a frontend, with a profile of its own."""

    host: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0` for all.", reloads=False, min_length=1)
    port: int = setting(
        ..., "Port to listen on; 0 lets the system choose.", unit="TCP port", reloads=False, ge=0, le=65_535
    )
    profile: Slug = setting("default", "Which of `profiles` its clients see.", reloads=False)


class Host(Section):
    """A name clients ask for, with a profile of its own."""

    name: str = setting(..., "The request's `host`, lower case, without port.", pattern=HOST)
    profile: Slug = setting(..., "Which of `profiles` its clients see.")


class Http(Section):
    """The HTTP listener of a frontend."""

    host: str = setting("127.0.0.1", "Address to listen on; `0.0.0.0` for all.", reloads=False, min_length=1)
    port: int = setting(
        8080, "Port to listen on; 0 lets the system choose.", unit="TCP port", reloads=False, ge=0, le=65_535
    )
    profile: Slug = setting("default", "Which of `profiles` clients of this listener see.", reloads=False)
    listeners: dict[Slug, Listener] = setting(dict, "Further listeners by name.", reloads=False)
    hosts: tuple[Host, ...] = setting((), "Profiles by `host` of the request, before the listener's.", max_length=1000)
    allowed_hosts: tuple[Annotated[str, StringConstraints(pattern=HOST)], ...] = setting(
        (),
        "Names clients may ask for (`host`, lower case, without port); others are 421. Empty = any. "
        "`/health` and `/readyz` answer under every name.",
        max_length=1000,
    )
    body_max_bytes: int = setting(20 * MIB, "Largest request body, after decompression.", unit="bytes", ge=1024)
    bodies_max_bytes: int = setting(
        512 * MIB,
        "Request bodies one frontend holds at a time; past it, bodies over 64 KB are answered 503.",
        unit="bytes",
        ge=MIB,
    )
    json_max_depth: int = setting(64, "Deepest nesting of a JSON body.", unit="levels", ge=4, le=512)
    headers_max_bytes: int = setting(32_768, "Largest request head.", unit="bytes", reloads=False, ge=4096, le=MIB)
    headers_timeout_s: float = setting(
        15.0, "Time for a client to send its request head.", unit="seconds", gt=0, le=600
    )
    body_timeout_s: float = setting(60.0, "Time for a client to send its request body.", unit="seconds", gt=0, le=3600)
    keepalive_s: float = setting(
        75.0, "How long an idle connection stays open.", unit="seconds", reloads=False, ge=0, le=3600
    )
    max_connections: int = setting(
        20_000, "Open connections per frontend; more are answered 503.", unit="connections", reloads=False, ge=1
    )
    max_connections_per_peer: int | None = setting(
        None,
        "Open connections of one address per frontend; more are closed at once. Unset = no such limit, as behind a "
        "proxy, where all have its address.",
        unit="connections",
        reloads=False,
        ge=1,
    )
    stalled_for_s: float = setting(
        60.0, "A stream whose reader takes nothing for this long is ended.", unit="seconds", gt=0, le=3600
    )
    stream_buffer_max_bytes: int = setting(
        262_144, "Bytes held for one slow reader before its upstream is paused.", unit="bytes", ge=16_384
    )
    stream_ping_s: float = setting(
        15.0, "Quiet time after which a stream carries an SSE comment; 0 = never.", unit="seconds", ge=0, le=600
    )
    backlog: int = setting(
        2048, "Connections the system queues before accept.", unit="connections", reloads=False, ge=1
    )
    call_headers: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")], ...] = setting(
        (), "Request headers (lower case) that routing may look at; no other reaches a call.", max_length=32
    )
    is_request_id_trusted: bool = setting(
        True, "Whether a well-formed `x-request-id` of the client is used instead of a new one."
    )
    is_forwarded_for_trusted: bool = setting(
        False, "Whether the client address is read from `x-forwarded-for` (only behind your own proxy)."
    )
    has_server_timing: bool = setting(True, "Whether responses carry `server-timing` with the stages of the call.")
    cors: Cors = setting(Cors, "Cross-origin answers.")

    @model_validator(mode="after")
    def _largest_fits(self) -> "Http":
        if self.bodies_max_bytes < self.body_max_bytes:
            raise ValueError(
                f"bodies_max_bytes ({self.bodies_max_bytes}) is below body_max_bytes ({self.body_max_bytes}), "
                "so that the largest bodies would never be taken - raise bodies_max_bytes"
            )
        return self


class Tls(Section):
    """Encryption over TCP: PEM files. On as soon as `cert_file` is set."""

    cert_file: str | None = setting(
        None,
        "The service's certificate, then its intermediates; relative to the configuration directory.",
        reloads=False,
        min_length=1,
    )
    key_file: str | None = setting(
        None, "The private key of `cert_file`, without a password.", reloads=False, min_length=1
    )
    ca_file: str | None = setting(
        None,
        "Authorities whose certificates clients must show (mTLS); who they are is still said by their keys.",
        reloads=False,
        min_length=1,
    )


class Grpc(Section):
    """The gRPC listener of a service."""

    host: str = setting("127.0.0.1", "Address to listen on.", reloads=False, min_length=1)
    port: int = setting(
        50051, "Port to listen on; 0 lets the system choose.", unit="TCP port", reloads=False, ge=0, le=65_535
    )
    is_enabled: bool = setting(True, "Whether gRPC clients are served.", reloads=False)
    tls: Tls = setting(Tls, "Encryption of the listener.", reloads=False)
    is_admin_served: bool = setting(
        True, "Whether the Admin service is there; off, operators ask over HTTP.", reloads=False
    )
    reflection: Switch = setting(
        "auto", "Whether the services can be listed by reflection; `auto` = on in development.", reloads=False
    )
    message_max_bytes: int = setting(
        20 * MIB, "Largest message received or sent.", unit="bytes", reloads=False, ge=65_536, le=512 * MIB
    )
    max_concurrent_streams: int = setting(
        1000, "Calls at a time on one client connection.", unit="calls", reloads=False, ge=1, le=100_000
    )
    max_calls: int = setting(
        20_000, "Calls at a time on all connections; more are RESOURCE_EXHAUSTED.", unit="calls", reloads=False, ge=1
    )
    max_connections: int = setting(
        10_000, "Open connections; more are closed at once.", unit="connections", reloads=False, ge=1, le=1_000_000
    )
    handshake_timeout_s: float = setting(
        15.0, "Time for a new connection to say that it speaks HTTP/2.", unit="seconds", reloads=False, gt=0, le=600
    )
    keepalive_s: float = setting(30.0, "Idle time before a connection is probed.", unit="seconds", reloads=False, ge=1)
    keepalive_timeout_s: float = setting(
        10.0, "Time for the answer to a probe before the connection is closed.", unit="seconds", reloads=False, gt=0
    )
    max_connection_age_s: float = setting(
        0.0,
        "Age at which clients are asked to reconnect, for balancing; 0 = never.",
        unit="seconds",
        reloads=False,
        ge=0,
    )


class Backoff(Section):
    """Waits between tries: doubled each time, with full jitter, up to a limit."""

    base_s: float = setting(0.1, "First wait.", unit="seconds", gt=0, le=60)
    max_s: float = setting(5.0, "Longest wait.", unit="seconds", gt=0, le=600)

    @model_validator(mode="after")
    def _ordered(self) -> "Backoff":
        if self.max_s < self.base_s:
            raise ValueError(f"max_s ({self.max_s:g}) is below base_s ({self.base_s:g}) - raise max_s")
        return self


class LinkTls(Tls):
    """Encryption of a link over TCP: PEM files. On as soon as `cert_file` is set; a unix socket needs none."""

    ca_file: str | None = setting(
        None,
        "Authorities whose certificates frontends must show (mTLS); then they need no secret.",
        reloads=False,
        min_length=1,
    )


class Link(Section):
    """The stream between a frontend and the service."""

    address: str | None = setting(
        None,
        "`HOST:PORT` or `unix:PATH` where the service takes frontends; unset = a private unix socket made at start.",
        reloads=False,
    )
    secret: SecretValue | None = setting(
        None, "Shared secret both ends prove over TCP; a unix socket needs none.", reloads=False
    )
    tls: LinkTls = setting(LinkTls, "Encryption over TCP.", reloads=False)
    credit_bytes: int = setting(
        65_536,
        "Bytes in flight per call before the sender waits for the receiver.",
        unit="bytes",
        reloads=False,
        ge=16_384,
    )
    part_bytes: int = setting(
        262_144, "Size of the parts a large body travels in.", unit="bytes", reloads=False, ge=4096, le=2 * MIB
    )
    queue_max_calls: int = setting(
        20_000, "Calls open on one link before new ones are shed.", unit="calls", reloads=False, ge=1
    )
    reconnect: Backoff = setting(
        lambda: Backoff(base_s=0.05, max_s=0.5), "Waits between tries to reach a lost service.", reloads=False
    )


class Process(Section):
    """Processes and their lives."""

    frontends: int = setting(
        0, "Frontend processes; 0 = cores - 1, at least 1.", unit="processes", reloads=False, ge=0, le=256
    )
    event_loop: Literal["auto", "asyncio", "uvloop"] = setting(
        "auto", "Event loop; `auto` = uvloop where it is installed.", reloads=False
    )
    drain_s: float = setting(
        30.0,
        "Time running calls get to finish after SIGTERM before they are cut.",
        unit="seconds",
        reloads=False,
        ge=0,
        le=3600,
    )
    drain_announce_s: float = setting(
        0.0,
        "Before that: time in which `/readyz` and gRPC health say not ready and calls are still taken, for balancers.",
        unit="seconds",
        reloads=False,
        ge=0,
        le=600,
    )
    restart: Backoff = setting(Backoff, "Waits before a process that died is started again.", reloads=False)
