"""Every way a call can fail: one enum, one exception, one table.

Rules:
    - A failure has one `Kind`; the table gives its gRPC status, HTTP status, OpenAI type and code,
      whether another attempt may help, and whose fault it is.
    - Messages are ours: they name the offending member or configuration key and how to mend it.
    - `Kind` has the numbers of `gateway.v1.ErrorKind` (a test compares them).
Not here:
    - Rendering for a client dialect (frontend), google.rpc.Status (rpc.status), classification of a
      provider's answer (the dialect files).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any


class Kind(IntEnum):
    """What went wrong; numbered as `gateway.v1.ErrorKind`."""

    INVALID_REQUEST = 1
    UNSUPPORTED_PARAMETER = 2
    CONTEXT_LENGTH_EXCEEDED = 3
    CONTENT_FILTERED = 4
    MISSING_KEY = 5
    INVALID_KEY = 6
    INSUFFICIENT_BALANCE = 7
    PERMISSION_DENIED = 8
    NOT_FOUND = 9
    MODEL_NOT_FOUND = 10
    METHOD_NOT_ALLOWED = 11
    REQUEST_TIMEOUT = 12
    CONFLICT = 13
    REQUEST_TOO_LARGE = 14
    UNSUPPORTED_MEDIA_TYPE = 15
    RATE_LIMITED = 16
    OVERLOADED = 17
    CANCELLED = 18
    INTERNAL = 19
    UNIMPLEMENTED = 20
    DEADLINE_EXCEEDED = 21
    PROVIDER_ERROR = 22
    PROVIDER_TIMEOUT = 23
    PROVIDER_RATE_LIMITED = 24
    PROVIDER_AUTH = 25
    PROVIDER_INVALID = 26
    STREAM_CUT = 27
    UNAVAILABLE = 28
    STALLED_READER = 29
    PROVIDER_REFUSED = 30


class Fault(Enum):
    """Whose fault a failure is; only a provider's counts against its deployment."""

    CALLER = "caller"
    GATEWAY = "gateway"
    PROVIDER = "provider"


class Next(Enum):
    """What may be tried after a failure, before the first content was forwarded."""

    STOP = "stop"  # the same call fails everywhere
    RETRY = "retry"  # the same deployment may answer next time; then the next one
    FALLBACK = "fallback"  # another deployment may answer; this one will not


class Status(IntEnum):
    """The canonical gRPC status codes (google.rpc.Code), without importing grpc."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    status: Status
    http_status: int
    openai_type: str
    openai_code: str | None
    next: Next
    fault: Fault


_C, _G, _P = Fault.CALLER, Fault.GATEWAY, Fault.PROVIDER
_INVALID = "invalid_request_error"
_SERVER = "server_error"

TABLE: dict[Kind, Row] = {
    Kind.INVALID_REQUEST: Row(Status.INVALID_ARGUMENT, 400, _INVALID, None, Next.STOP, _C),
    Kind.UNSUPPORTED_PARAMETER: Row(Status.INVALID_ARGUMENT, 400, _INVALID, "unsupported_parameter", Next.FALLBACK, _C),
    Kind.CONTEXT_LENGTH_EXCEEDED: Row(
        Status.INVALID_ARGUMENT, 400, _INVALID, "context_length_exceeded", Next.FALLBACK, _C
    ),
    Kind.CONTENT_FILTERED: Row(Status.INVALID_ARGUMENT, 400, _INVALID, "content_filter", Next.STOP, _C),
    Kind.MISSING_KEY: Row(Status.UNAUTHENTICATED, 401, _INVALID, "invalid_api_key", Next.STOP, _C),
    Kind.INVALID_KEY: Row(Status.UNAUTHENTICATED, 401, _INVALID, "invalid_api_key", Next.STOP, _C),
    Kind.INSUFFICIENT_BALANCE: Row(
        Status.RESOURCE_EXHAUSTED, 402, "insufficient_quota", "insufficient_user_quota", Next.STOP, _C
    ),
    Kind.PERMISSION_DENIED: Row(Status.PERMISSION_DENIED, 403, _INVALID, "permission_denied", Next.STOP, _C),
    Kind.NOT_FOUND: Row(Status.NOT_FOUND, 404, _INVALID, None, Next.STOP, _C),
    Kind.MODEL_NOT_FOUND: Row(Status.NOT_FOUND, 404, _INVALID, "model_not_found", Next.FALLBACK, _C),
    Kind.METHOD_NOT_ALLOWED: Row(Status.UNIMPLEMENTED, 405, _INVALID, "method_not_supported", Next.STOP, _C),
    Kind.REQUEST_TIMEOUT: Row(Status.DEADLINE_EXCEEDED, 408, _INVALID, "request_timeout", Next.STOP, _C),
    Kind.CONFLICT: Row(Status.ABORTED, 409, _INVALID, "conflict", Next.STOP, _C),
    Kind.REQUEST_TOO_LARGE: Row(Status.INVALID_ARGUMENT, 413, _INVALID, "request_too_large", Next.STOP, _C),
    Kind.UNSUPPORTED_MEDIA_TYPE: Row(Status.INVALID_ARGUMENT, 415, _INVALID, "unsupported_media_type", Next.STOP, _C),
    Kind.RATE_LIMITED: Row(Status.RESOURCE_EXHAUSTED, 429, "rate_limit_error", "rate_limit_exceeded", Next.STOP, _C),
    Kind.OVERLOADED: Row(Status.UNAVAILABLE, 503, "service_unavailable", "overloaded", Next.STOP, _G),
    Kind.CANCELLED: Row(Status.CANCELLED, 499, _INVALID, "cancelled", Next.STOP, _C),
    Kind.INTERNAL: Row(Status.INTERNAL, 500, _SERVER, "internal_error", Next.STOP, _G),
    Kind.UNIMPLEMENTED: Row(Status.UNIMPLEMENTED, 501, _INVALID, "api_not_implemented", Next.STOP, _C),
    Kind.DEADLINE_EXCEEDED: Row(Status.DEADLINE_EXCEEDED, 504, _SERVER, "deadline_exceeded", Next.STOP, _C),
    Kind.PROVIDER_ERROR: Row(Status.UNAVAILABLE, 502, _SERVER, "provider_error", Next.RETRY, _P),
    Kind.PROVIDER_TIMEOUT: Row(Status.DEADLINE_EXCEEDED, 504, _SERVER, "provider_timeout", Next.FALLBACK, _P),
    Kind.PROVIDER_RATE_LIMITED: Row(
        Status.RESOURCE_EXHAUSTED, 429, "rate_limit_error", "provider_rate_limited", Next.RETRY, _P
    ),
    Kind.PROVIDER_AUTH: Row(Status.UNAVAILABLE, 502, _SERVER, "provider_auth_failed", Next.FALLBACK, _P),
    Kind.PROVIDER_REFUSED: Row(Status.UNAVAILABLE, 502, _SERVER, "provider_refused", Next.FALLBACK, _P),
    Kind.PROVIDER_INVALID: Row(Status.UNAVAILABLE, 502, _SERVER, "provider_invalid_response", Next.RETRY, _P),
    Kind.STREAM_CUT: Row(Status.UNAVAILABLE, 502, _SERVER, "stream_cut", Next.RETRY, _P),
    Kind.UNAVAILABLE: Row(Status.UNAVAILABLE, 503, "service_unavailable", "unavailable", Next.STOP, _G),
    Kind.STALLED_READER: Row(Status.DEADLINE_EXCEEDED, 408, _INVALID, "stalled_reader", Next.STOP, _C),
}


class GatewayError(Exception):
    """A failure of a call.

    `message` is shown to the caller. `param` names the offending member (`messages[0].content`).
    `code` overrides the table's OpenAI code. `retry_after_s` is seconds until another try makes sense.
    `limit` is requests, tokens or concurrency for rate limits. `http_status` is the provider's own
    status when it is passed on. `cause` is for the log only and never reaches a caller.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        limit: str | None = None,
        http_status: int | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.limit = limit
        self.http_status = http_status
        self.cause = cause
        self.before: list[Any] = []  # events of a stream that came whole before the failure, in the same read
        self.headers: dict[str, str] = {}  # of a refusal, e.g. what is left of a limit
        self.trailers: dict[str, str] = {}  # what a complete call would have had in its Tail

    @property
    def row(self) -> Row:
        """The line of the table for this failure."""
        return TABLE[self.kind]

    def again(self) -> GatewayError:
        """The same failure for another call; what a call adds to its own (headers, trailers) is not shared."""
        return GatewayError(
            self.kind,
            self.message,
            param=self.param,
            code=self.code,
            retry_after_s=self.retry_after_s,
            limit=self.limit,
            http_status=self.http_status,
            cause=self.cause,
        )

    def __repr__(self) -> str:
        return f"GatewayError({self.kind.name}, {self.message!r}, param={self.param!r})"
