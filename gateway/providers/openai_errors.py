"""Failures in the words of OpenAI: error bodies, and error objects inside answers and streams.

Rules:
    - An answer is classified by status, then by the error's `code` and `type`, never by its message.
Source: OpenAI API specification 2.3.0; Azure OpenAI for `innererror`.
Not here:
    - Answers that are none (the dialects); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.errors import GatewayError, Kind
from gateway.providers.refusals import refusal
from gateway.providers.upstream import sendable
from gateway.wire import json

KINDS: Final = {
    "context_length_exceeded": Kind.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": Kind.CONTENT_FILTERED,
    "content_policy_violation": Kind.CONTENT_FILTERED,
    "unsupported_parameter": Kind.UNSUPPORTED_PARAMETER,
    "unsupported_value": Kind.UNSUPPORTED_PARAMETER,
    "model_not_found": Kind.MODEL_NOT_FOUND,
    "insufficient_quota": Kind.PROVIDER_AUTH,
    "invalid_api_key": Kind.PROVIDER_AUTH,
    "billing_not_active": Kind.PROVIDER_AUTH,
}
"""An error's `code` (or `type`) -> kind, over the statuses of refused requests; an account's over all."""
FILTERED: Final = "content_filter"
POLICY_VIOLATION: Final = "ResponsibleAIPolicyViolation"
_STATUS: Final = re.compile("[45][0-9]{2}")
FLEX_CAPACITY: Final = 498
"""Groq's status for a service tier without capacity."""
_NO_ACCESS: Final = frozenset((403, 404, 410))
_REFUSED: Final = frozenset((400, 413, 415, 422))


def classify(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    error = error_object(body)
    code, param = error.get("code"), error.get("param")
    name = FILTERED if _is_filtered(error) else sendable(str(code or error.get("type") or ""), 100)
    return refusal(
        status,
        headers,
        words=str(error.get("message") or ""),
        cause=f"HTTP {status} {name}",
        kind=_kind_of(status, name),
        param=sendable(param, 200) if isinstance(param, str) else None,
        code=name if isinstance(code, str) and code else None,
    )


def _is_filtered(error: Mapping[str, Any]) -> bool:
    """Whether Azure's filters refused it: they say so in an error inside the error, whatever its own code is."""
    inner = error.get("innererror")
    return isinstance(inner, dict) and inner.get("code") == POLICY_VIOLATION


def _kind_of(status: int, name: str) -> Kind | None:
    kind = KINDS.get(name)
    if kind is Kind.PROVIDER_AUTH or status in _REFUSED or (kind is Kind.MODEL_NOT_FOUND and status in _NO_ACCESS):
        return kind
    return Kind.PROVIDER_RATE_LIMITED if status == FLEX_CAPACITY else None


def in_band_error(error: object) -> GatewayError:
    """An error object where an answer or a chunk was expected: classified by the status it carries, else by code."""
    members = error if isinstance(error, dict) else {"message": str(error)}
    status = members.get("status") or members.get("code")
    if isinstance(status, str) and _STATUS.fullmatch(status):
        status = int(status)
    is_status = isinstance(status, int) and 400 <= status < 600  # HTTP error statuses
    known = {"rate_limit_exceeded": 429, "context_length_exceeded": 400, "content_filter": 400, "invalid_prompt": 400}
    guessed = known.get(str(members.get("code"))) or known.get(str(members.get("type"))) or 500
    return classify(status if is_status else guessed, {}, json.dumps({"error": members}))  # type: ignore[arg-type]  # int


def error_object(body: bytes) -> Mapping[str, Any]:
    """The error in a body: its member `error`, else itself; empty when there is none."""
    try:
        answer = json.loads(body)
    except json.JsonInvalid:
        return {}
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    return error if isinstance(error, dict) else {"message": error}
