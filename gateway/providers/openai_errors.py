"""Failures in the words of OpenAI: error bodies, and error objects inside answers and streams.

Rules:
    - An answer is classified by status, then by the error's `code` and `type`, never by its message.
Source: OpenAI API specification 2.3.0.
Not here:
    - Answers that are none (the dialects); what is tried after an error (pipeline.attempt).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from gateway.core.errors import GatewayError, Kind
from gateway.providers.upstream import TEXT_MAX_CHARS, retry_after_s, sendable
from gateway.wire import json


def classify(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    error = error_object(body)
    wait_s = retry_after_s(headers, time.time())
    code = sendable(str(error.get("code") or error.get("type") or ""), 100)
    cause = f"HTTP {status} {code}"
    if status in (401, 402, 403) or code in ("insufficient_quota", "invalid_api_key", "billing_not_active"):
        message = "The provider refused the gateway's own credentials or account."
        return GatewayError(Kind.PROVIDER_AUTH, message, cause=cause)
    if status in (400, 413, 415, 422):
        return _refused(status, code, error, cause)
    if status == 404:  # an HTTP status
        message = "The provider does not know this model. Check `upstream_model` of its candidate."
        return GatewayError(Kind.MODEL_NOT_FOUND, message, param="model", cause=cause)
    if status in (408, 504):
        return GatewayError(Kind.PROVIDER_TIMEOUT, f"The provider answered {status}: it timed out.", cause=cause)
    if status == 429:  # an HTTP status
        message = "The provider's rate limit is reached."
        return GatewayError(Kind.PROVIDER_RATE_LIMITED, message, retry_after_s=wait_s, cause=cause)
    return GatewayError(
        Kind.PROVIDER_ERROR,
        f"The provider answered HTTP {status}.",
        retry_after_s=wait_s,
        http_status=status if status in (500, 502, 503) else None,
        cause=cause,
    )


def in_band_error(error: object) -> GatewayError:
    """An error object where an answer or a chunk was expected: classified by the status it carries, else by code."""
    members = error if isinstance(error, dict) else {"message": str(error)}
    status = members.get("status") or members.get("code")
    is_status = isinstance(status, int) and 400 <= status < 600  # HTTP error statuses
    known = {"rate_limit_exceeded": 429, "context_length_exceeded": 400, "content_filter": 400, "invalid_prompt": 400}
    guessed = known.get(str(members.get("code"))) or known.get(str(members.get("type"))) or 500
    return classify(status if is_status else guessed, {}, json.dumps({"error": members}))  # type: ignore[arg-type]  # int


def _refused(status: int, code: str, error: Mapping[str, Any], cause: str) -> GatewayError:
    kind = {
        "context_length_exceeded": Kind.CONTEXT_LENGTH_EXCEEDED,
        "content_filter": Kind.CONTENT_FILTERED,
        "content_policy_violation": Kind.CONTENT_FILTERED,
        "unsupported_parameter": Kind.UNSUPPORTED_PARAMETER,
        "unsupported_value": Kind.UNSUPPORTED_PARAMETER,
    }.get(code, Kind.REQUEST_TOO_LARGE if status == 413 else Kind.INVALID_REQUEST)  # an HTTP status
    words = sendable(str(error.get("message") or "no reason given"), TEXT_MAX_CHARS)
    param = error.get("param")
    has_code = isinstance(error.get("code"), str) and kind is Kind.INVALID_REQUEST
    return GatewayError(
        kind,
        f"The provider refused the request: {words}",
        param=sendable(param, 200) if isinstance(param, str) else None,
        code=code if has_code else None,
        cause=cause,
    )


def error_object(body: bytes) -> Mapping[str, Any]:
    """The error in a body: its member `error`, else itself; empty when there is none."""
    try:
        answer = json.loads(body)
    except json.JsonInvalid:
        return {}
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    return error if isinstance(error, dict) else {"message": error}
