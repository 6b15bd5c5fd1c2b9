"""Why a call failed: one exception class per thing a caller can do about it.

Rules:
    - Everything the gateway or the connection reports is a `GatewayError`; programming mistakes stay
      `TypeError` and `ValueError`, cancellation stays the caller's own `CancelledError`.
    - The class follows the kind (`gateway.v1.ErrorKind`); a failure without one (no server, a proxy in
      between) follows the gRPC status.
    - `from_rpc` never fails: details it cannot read are left out.
Not here: which failure is tried again (retry.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from gateway.client.generated.gateway.v1 import Error, ErrorKind

_DETAILS_KEY = "grpc-status-details-bin"

Metadata = Iterable[Any]  # pairs of key and text or bytes; grpc spells their type differently in sync and aio


class GatewayError(Exception):
    """A call failed.

    Attributes:
        message: what went wrong and how to mend it, in the gateway's words.
        kind: `ErrorKind`; UNSPECIFIED when the failure did not come from a gateway.
        reason: the kind's name without prefix (`RATE_LIMITED`), or the gRPC status name without a kind.
        status: the canonical gRPC status, e.g. `grpc.StatusCode.UNAVAILABLE`.
        http_status: the status the same failure has over HTTP, or the provider's own when it is passed on.
        param: the offending member, e.g. `messages[0].content`.
        code: a finer machine-readable code, when the kind has several.
        retry_after_s: seconds until another try makes sense.
        limit: for rate limits: requests, tokens or concurrency.
        request_id: what to quote when asking about this call.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind = ErrorKind.UNSPECIFIED,
        status: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        detail: Error | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        detail = Error() if detail is None else detail
        self.message = message
        self.kind = kind
        self.status = status
        self.param = detail.param
        self.code = detail.code
        self.limit = detail.limit
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.http_status = detail.http_status or http_status_of(kind, status)

    @property
    def reason(self) -> str:
        return _name(self.kind) or self.status.name

    def __str__(self) -> str:
        about = f" (param {self.param})" if self.param else ""
        tail = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.reason}: {self.message}{about}{tail}"


class BadRequestError(GatewayError):
    """The request is wrong; `param` names the member. The same request fails again."""


class AuthenticationError(GatewayError):
    """No key, or not a valid one."""


class PermissionDeniedError(GatewayError):
    """The key is valid but may not do this."""


class InsufficientBalanceError(GatewayError):
    """No money left on the account of this key."""


class NotFoundError(GatewayError):
    """No such model (or not for this key), or no such resource."""


class ConflictError(GatewayError):
    """The call collided with another one."""


class RateLimitError(GatewayError):
    """A limit was reached: of this key (`limit` says which) or of the provider. See `retry_after_s`."""


class DeadlineExceededError(GatewayError):
    """The call's deadline passed, or the provider was too slow."""


class CallCancelledError(GatewayError):
    """The other side cancelled the call."""


class UnavailableError(GatewayError):
    """No gateway answers at this address, or it is overloaded or draining."""


class ProviderError(GatewayError):
    """The provider behind the gateway failed."""


class StreamCutError(ProviderError):
    """The stream ended before the answer did; what arrived so far is incomplete."""


class UnimplementedError(GatewayError):
    """This gateway does not offer the method."""


class InternalError(GatewayError):
    """A bug in the gateway; quote `request_id` when reporting it."""


@dataclass(frozen=True, slots=True)
class _Row:
    error: type[GatewayError]
    http_status: int


_K = ErrorKind
_BY_KIND: dict[ErrorKind, _Row] = {
    _K.INVALID_REQUEST: _Row(BadRequestError, 400),
    _K.UNSUPPORTED_PARAMETER: _Row(BadRequestError, 400),
    _K.CONTEXT_LENGTH_EXCEEDED: _Row(BadRequestError, 400),
    _K.CONTENT_FILTERED: _Row(BadRequestError, 400),
    _K.MISSING_KEY: _Row(AuthenticationError, 401),
    _K.INVALID_KEY: _Row(AuthenticationError, 401),
    _K.INSUFFICIENT_BALANCE: _Row(InsufficientBalanceError, 402),
    _K.PERMISSION_DENIED: _Row(PermissionDeniedError, 403),
    _K.NOT_FOUND: _Row(NotFoundError, 404),
    _K.MODEL_NOT_FOUND: _Row(NotFoundError, 404),
    _K.METHOD_NOT_ALLOWED: _Row(UnimplementedError, 405),
    _K.REQUEST_TIMEOUT: _Row(DeadlineExceededError, 408),
    _K.CONFLICT: _Row(ConflictError, 409),
    _K.REQUEST_TOO_LARGE: _Row(BadRequestError, 413),
    _K.UNSUPPORTED_MEDIA_TYPE: _Row(BadRequestError, 415),
    _K.RATE_LIMITED: _Row(RateLimitError, 429),
    _K.OVERLOADED: _Row(UnavailableError, 503),
    _K.CANCELLED: _Row(CallCancelledError, 499),
    _K.INTERNAL: _Row(InternalError, 500),
    _K.UNIMPLEMENTED: _Row(UnimplementedError, 501),
    _K.DEADLINE_EXCEEDED: _Row(DeadlineExceededError, 504),
    _K.PROVIDER_ERROR: _Row(ProviderError, 502),
    _K.PROVIDER_TIMEOUT: _Row(DeadlineExceededError, 504),
    _K.PROVIDER_RATE_LIMITED: _Row(RateLimitError, 429),
    _K.PROVIDER_AUTH: _Row(ProviderError, 502),
    _K.PROVIDER_INVALID: _Row(ProviderError, 502),
    _K.PROVIDER_REFUSED: _Row(ProviderError, 502),
    _K.STREAM_CUT: _Row(StreamCutError, 502),
    _K.UNAVAILABLE: _Row(UnavailableError, 503),
    _K.STALLED_READER: _Row(DeadlineExceededError, 408),
}

_S = grpc.StatusCode
_BY_STATUS: dict[grpc.StatusCode, _Row] = {
    _S.CANCELLED: _Row(CallCancelledError, 499),
    _S.INVALID_ARGUMENT: _Row(BadRequestError, 400),
    _S.OUT_OF_RANGE: _Row(BadRequestError, 400),
    _S.FAILED_PRECONDITION: _Row(BadRequestError, 400),
    _S.DEADLINE_EXCEEDED: _Row(DeadlineExceededError, 504),
    _S.NOT_FOUND: _Row(NotFoundError, 404),
    _S.ALREADY_EXISTS: _Row(ConflictError, 409),
    _S.ABORTED: _Row(ConflictError, 409),
    _S.PERMISSION_DENIED: _Row(PermissionDeniedError, 403),
    _S.RESOURCE_EXHAUSTED: _Row(RateLimitError, 429),
    _S.UNIMPLEMENTED: _Row(UnimplementedError, 501),
    _S.UNAVAILABLE: _Row(UnavailableError, 503),
    _S.UNAUTHENTICATED: _Row(AuthenticationError, 401),
}
_OTHER = _Row(InternalError, 500)


def http_status_of(kind: ErrorKind, status: grpc.StatusCode) -> int:
    """The HTTP status the same failure has, by kind, else by gRPC status."""
    return _row(kind, status).http_status


def from_rpc(
    status: grpc.StatusCode, message: str, trailing: Metadata | None, *, request_id: str | None, address: str
) -> GatewayError:
    """The failure of one call, from its gRPC status and trailing metadata.

    Reads `google.rpc.Status` with ErrorInfo (reason), RetryInfo and `gateway.v1.Error` among its details.
    """
    detail, reason, retry_after_s = _details(trailing or ())
    kind = (detail.kind if detail is not None else None) or _kind_named(reason)
    if detail is not None and detail.retry_after_ms is not None:
        retry_after_s = detail.retry_after_ms / 1000
    if not kind and status is grpc.StatusCode.UNAVAILABLE:
        message = f"no answer from the gateway at {address}: {message}"
    error = _row(kind, status).error
    return error(message, kind=kind, status=status, detail=detail, retry_after_s=retry_after_s, request_id=request_id)


def cut(message: str, *, request_id: str | None) -> StreamCutError:
    """A stream that ended with OK although its answer was not complete."""
    return StreamCutError(message, kind=ErrorKind.STREAM_CUT, status=grpc.StatusCode.UNAVAILABLE, request_id=request_id)


def _row(kind: ErrorKind, status: grpc.StatusCode) -> _Row:
    return _BY_KIND.get(kind) or _BY_STATUS.get(status, _OTHER)


def _name(kind: ErrorKind) -> str:
    return (kind.proto_name or "").removeprefix("ERROR_KIND_") if kind in _BY_KIND else ""


def _kind_named(reason: str) -> ErrorKind:
    return ErrorKind.__members__.get(reason, ErrorKind.UNSPECIFIED)


def _details(trailing: Metadata) -> tuple[Error | None, str, float | None]:
    """(gateway.v1.Error, ErrorInfo.reason, RetryInfo in seconds) of the rich status, as far as present."""
    detail: Error | None = None
    reason, retry_after_s = "", None
    for item in _rich_status(trailing).details:
        name = item.type_url.rpartition("/")[2]
        try:
            if name == "gateway.v1.Error":
                detail = Error.parse(item.value)
            elif name == "google.rpc.ErrorInfo":
                reason = error_details_pb2.ErrorInfo.FromString(item.value).reason
            elif name == "google.rpc.RetryInfo":
                delay = error_details_pb2.RetryInfo.FromString(item.value).retry_delay
                retry_after_s = delay.seconds + delay.nanos / 1e9
        except (DecodeError, ValueError, EOFError):
            continue
    return detail, reason, retry_after_s


def _rich_status(trailing: Metadata) -> status_pb2.Status:
    for key, value in trailing:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
