"""Failures in the words of Google: error bodies, and error objects inside answers and streams.

Rules:
    - An error is classified by status, status word and ErrorInfo reason, never by its message.
Source: the Gemini API reference (v1beta), google/rpc/error_details.proto.
Not here:
    - Reading error objects (wire.gemini.errors); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.errors import GatewayError, Kind
from gateway.providers.refusals import refusal
from gateway.providers.upstream import sendable
from gateway.wire.gemini import errors

_INVALID_KEY = frozenset(("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "CREDENTIALS_MISSING", "SERVICE_DISABLED",
                          "ACCESS_TOKEN_EXPIRED", "BILLING_DISABLED", "CONSUMER_INVALID"))  # fmt: skip


def classify(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    return _classified(status, headers, errors.decode(body))


def in_band_error(error: object) -> GatewayError:
    """An error object where an answer or a frame was expected: classified by its code, else by its status word."""
    failure = errors.of_object(error) if isinstance(error, dict) else errors.Failure(message=str(error))
    is_status = failure.code is not None and 400 <= failure.code < 600  # HTTP error statuses
    status = failure.code if is_status else errors.HTTP_STATUSES.get(failure.status, 500)
    return _classified(status or 500, {}, failure)


def _classified(status: int, headers: Mapping[str, str], failure: errors.Failure) -> GatewayError:
    is_account = failure.reason in _INVALID_KEY or failure.status == "FAILED_PRECONDITION"
    return refusal(
        status,
        headers,
        words=failure.message,
        cause=sendable(f"HTTP {status} {failure.status} {failure.reason}".rstrip(), 200),
        kind=Kind.PROVIDER_AUTH if is_account else None,
        wait_s=failure.retry_after_s,
    )
