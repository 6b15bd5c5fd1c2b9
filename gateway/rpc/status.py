"""A failure's three shapes: `GatewayError`, `gateway.v1.Error` (link) and `google.rpc.Status` (ordinary RPC).

Rules:
    - to_error/from_error and to_status/from_status are inverse up to milliseconds of retry_after and, on
      a Status, texts longer than `TEXT_MAX` (gRPC metadata is small).
    - `cause` never leaves the process; text that is not valid Unicode is mended, never raised.
    - What an unknown peer sends becomes a `GatewayError`, whatever it is.
Not here:
    - The table (core.errors), rendering for HTTP (frontend), aborting an RPC (service).
Format: google/rpc/error_details.proto; AIP-193.
"""

from __future__ import annotations

import math

from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from gateway.core.errors import TABLE, GatewayError, Kind, Status
from gateway.wire.pb import errors_pb2

DOMAIN = "gateway"
TEXT_MAX = 1000
RETRY_AFTER_MAX_S = 1e9

_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}

# What a bare status code means when the peer sent no details of ours.
_KIND_OF_CODE: dict[int, Kind] = {
    Status.CANCELLED: Kind.CANCELLED,
    Status.INVALID_ARGUMENT: Kind.INVALID_REQUEST,
    Status.FAILED_PRECONDITION: Kind.INVALID_REQUEST,
    Status.OUT_OF_RANGE: Kind.INVALID_REQUEST,
    Status.DEADLINE_EXCEEDED: Kind.DEADLINE_EXCEEDED,
    Status.NOT_FOUND: Kind.NOT_FOUND,
    Status.ALREADY_EXISTS: Kind.CONFLICT,
    Status.ABORTED: Kind.CONFLICT,
    Status.PERMISSION_DENIED: Kind.PERMISSION_DENIED,
    Status.RESOURCE_EXHAUSTED: Kind.RATE_LIMITED,
    Status.UNIMPLEMENTED: Kind.UNIMPLEMENTED,
    Status.UNAVAILABLE: Kind.UNAVAILABLE,
    Status.UNAUTHENTICATED: Kind.INVALID_KEY,
}


def valid_text(text: str) -> str:
    """`text` as protobuf accepts it: lone surrogates become `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def to_error(failure: GatewayError) -> errors_pb2.Error:
    """The failure as it crosses the link."""
    error = errors_pb2.Error(message=valid_text(failure.message))
    error.kind = int(failure.kind)  # type: ignore[assignment]  # the numbers are the same
    if failure.param is not None:
        error.param = valid_text(failure.param)
    if failure.code is not None:
        error.code = valid_text(failure.code)
    if failure.retry_after_s is not None:
        error.retry_after_ms = _ms(failure.retry_after_s)
    if failure.limit is not None:
        error.limit = valid_text(failure.limit)
    if failure.http_status is not None:
        error.http_status = failure.http_status
    return error


def from_error(error: errors_pb2.Error) -> GatewayError:
    """The failure a link carried. A kind of a newer peer becomes INTERNAL, with its message."""
    return GatewayError(
        _KINDS.get(error.kind, Kind.INTERNAL),
        error.message,
        param=error.param if error.HasField("param") else None,
        code=error.code if error.HasField("code") else None,
        retry_after_s=max(error.retry_after_ms, 0) / 1000 if error.HasField("retry_after_ms") else None,
        limit=error.limit if error.HasField("limit") else None,
        http_status=error.http_status if error.HasField("http_status") else None,
    )


def to_status(failure: GatewayError) -> status_pb2.Status:
    """The failure for a gRPC client: code, message, ErrorInfo, RetryInfo, QuotaFailure and our Error."""
    error = to_error(failure)
    error.message = _cut(error.message)
    if error.HasField("param"):
        error.param = _cut(error.param)
    status = status_pb2.Status(code=int(TABLE[failure.kind].status), message=error.message)
    for detail in _details(failure, error):
        status.details.add().Pack(detail)
    return status


def from_status(code: int, details: bytes | None, message: str = "") -> GatewayError:
    """The failure a gRPC client saw.

    `code` is the canonical number, `details` the bytes of the `grpc-status-details-bin` trailer (None when
    absent), `message` the status message. Without our own detail the kind follows from ErrorInfo.reason,
    else from the code.
    """
    status = status_pb2.Status(code=code, message=message)
    try:
        status.ParseFromString(details or b"")
    except DecodeError:
        return GatewayError(_kind_of(code), message)
    found = _unpack(status)
    if isinstance(found, errors_pb2.Error):
        return from_error(found)
    if isinstance(found, error_details_pb2.ErrorInfo) and found.reason in Kind.__members__:
        return GatewayError(
            Kind[found.reason],
            status.message or message,
            param=_text(found, "param"),
            code=_text(found, "code"),
            limit=_text(found, "limit"),
        )
    return GatewayError(_kind_of(code), status.message or message)


def _details(failure: GatewayError, error: errors_pb2.Error) -> list[Message]:
    info = error_details_pb2.ErrorInfo(reason=failure.kind.name, domain=DOMAIN)
    for name in ("param", "code", "limit"):
        if error.HasField(name):
            info.metadata[name] = getattr(error, name)
    found: list[Message] = [info]
    if error.HasField("retry_after_ms"):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        found.append(retry)
    if error.HasField("limit"):
        found.append(_quota(error))
    found.append(error)
    return found


def _quota(error: errors_pb2.Error) -> error_details_pb2.QuotaFailure:
    violation = error_details_pb2.QuotaFailure.Violation(subject=error.limit, description=error.message)
    return error_details_pb2.QuotaFailure(violations=[violation])


def _unpack(status: status_pb2.Status) -> errors_pb2.Error | error_details_pb2.ErrorInfo | None:
    """Our Error when there is one, else ErrorInfo."""
    info: error_details_pb2.ErrorInfo | None = None
    for detail in status.details:
        error, candidate = errors_pb2.Error(), error_details_pb2.ErrorInfo()
        try:
            if detail.Unpack(error):
                return error
            if detail.Unpack(candidate):
                info = candidate
        except DecodeError:
            continue
    return info


def _text(info: error_details_pb2.ErrorInfo, name: str) -> str | None:
    found: str | None = info.metadata.get(name)
    return found


def _kind_of(code: int) -> Kind:
    return _KIND_OF_CODE.get(code, Kind.INTERNAL)


def _ms(seconds: float) -> int:
    """Whole milliseconds, rounded up; what a float adds to 4.065 s is not a millisecond."""
    return math.ceil(round(min(max(seconds, 0.0), RETRY_AFTER_MAX_S) * 1000, 3))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "\u2026"
