"""Refusals as each vendor words them, by its published error reference: status, headers, body, and the kind it is.

Rules: every vendor has a body for each status of `STATUSES`, in its own shape, and rows for its structured codes; the
kinds are written down here by hand, not taken from the code.
Not here: what the gateway makes of them (test_error_matrix.py).
Source: error references of OpenAI, Azure OpenAI, Groq, Anthropic, Google (google.rpc.Code), Cohere, Amazon Bedrock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.core.errors import Kind

WORDS = "the vendor's words"

STATUSES: dict[int, Kind] = {
    400: Kind.INVALID_REQUEST,
    401: Kind.PROVIDER_AUTH,
    402: Kind.PROVIDER_AUTH,
    403: Kind.PROVIDER_AUTH,
    404: Kind.MODEL_NOT_FOUND,
    405: Kind.PROVIDER_REFUSED,
    408: Kind.PROVIDER_TIMEOUT,
    409: Kind.PROVIDER_REFUSED,
    410: Kind.MODEL_NOT_FOUND,
    413: Kind.REQUEST_TOO_LARGE,
    415: Kind.INVALID_REQUEST,
    422: Kind.INVALID_REQUEST,
    424: Kind.PROVIDER_ERROR,
    425: Kind.PROVIDER_ERROR,
    429: Kind.PROVIDER_RATE_LIMITED,
    451: Kind.PROVIDER_REFUSED,
    499: Kind.PROVIDER_ERROR,
    500: Kind.PROVIDER_ERROR,
    501: Kind.PROVIDER_REFUSED,
    502: Kind.PROVIDER_ERROR,
    503: Kind.PROVIDER_ERROR,
    504: Kind.PROVIDER_TIMEOUT,
    529: Kind.PROVIDER_ERROR,
}
"""What a status means where the vendor's words do not say more."""


class Refusal(NamedTuple):
    """One answer that is no success."""

    status: int
    kind: Kind
    body: bytes
    headers: Mapping[str, str] = {}


Body = Callable[..., bytes]


def openai(
    status: int = 0, code: str | None = None, type_: str = "invalid_request_error", **more: Any
) -> bytes:  # every vendor's takes it
    """OpenAI's error object."""
    return json.dumps({"error": {"message": WORDS, "type": type_, "param": None, "code": code, **more}}).encode()


_ANTHROPIC = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip


def anthropic(status: int = 0, type_: str = "") -> bytes:
    """Anthropic's."""
    type_ = type_ or _ANTHROPIC.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return json.dumps({"type": "error", "error": {"type": type_, "message": WORDS}, "request_id": "req_1"}).encode()


_GOOGLE = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def gemini(status: int = 0, word: str = "", *details: Any) -> bytes:
    """Google's."""
    word = word or _GOOGLE.get(status, "UNKNOWN")
    return json.dumps({"error": {"code": status, "message": WORDS, "status": word, "details": details}}).encode()


def cohere(_status: int = 0) -> bytes:
    """Cohere's."""
    return json.dumps({"id": "7fb0b2a8", "message": WORDS}).encode()


def bedrock(_status: int = 0) -> bytes:
    """Amazon's; the name of the exception is in a header."""
    return json.dumps({"message": WORDS}).encode()


def palm(status: int = 0) -> bytes:
    """Google's, also for its old models."""
    return gemini(status)


BODIES: dict[str, Body] = {
    "openai": openai,
    "azure": openai,
    "responses": openai,
    "anthropic": anthropic,
    "anthropic_complete": anthropic,
    "gemini": gemini,
    "palm": palm,
    "cohere": cohere,
    "bedrock": bedrock,
}

_QUOTA = {"reason": "RATE_LIMIT_EXCEEDED", "@type": "type.googleapis.com/google.rpc.ErrorInfo"}


def _amazon(name: str) -> dict[str, str]:
    return {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


_OPENAI_ROWS = [
    Refusal(400, Kind.CONTEXT_LENGTH_EXCEEDED, openai(code="context_length_exceeded")),
    Refusal(413, Kind.CONTEXT_LENGTH_EXCEEDED, openai(code="context_length_exceeded")),
    Refusal(400, Kind.CONTENT_FILTERED, openai(code="content_filter")),
    Refusal(400, Kind.CONTENT_FILTERED, openai(code="content_policy_violation")),
    Refusal(400, Kind.UNSUPPORTED_PARAMETER, openai(code="unsupported_parameter")),
    Refusal(400, Kind.UNSUPPORTED_PARAMETER, openai(code="unsupported_value")),
    Refusal(400, Kind.MODEL_NOT_FOUND, openai(code="model_not_found")),
    Refusal(403, Kind.MODEL_NOT_FOUND, openai(code="model_not_found")),
    Refusal(404, Kind.MODEL_NOT_FOUND, openai(code="DeploymentNotFound")),
    Refusal(403, Kind.PROVIDER_AUTH, openai(code="unsupported_country_region_territory", type_="request_forbidden")),
    Refusal(429, Kind.PROVIDER_RATE_LIMITED, openai(code="rate_limit_exceeded", type_="tokens")),
    Refusal(429, Kind.PROVIDER_AUTH, openai(code="insufficient_quota", type_="insufficient_quota")),
    Refusal(429, Kind.PROVIDER_AUTH, openai(code="billing_not_active")),
    Refusal(400, Kind.PROVIDER_AUTH, openai(code="invalid_api_key")),
    Refusal(498, Kind.PROVIDER_RATE_LIMITED, openai(code="capacity_exceeded")),
    Refusal(503, Kind.PROVIDER_ERROR, openai(code=None, type_="service_unavailable")),
]
_ANTHROPIC_ROWS = [
    Refusal(500, Kind.PROVIDER_ERROR, anthropic(type_="overloaded_error")),
    Refusal(500, Kind.PROVIDER_TIMEOUT, anthropic(type_="timeout_error")),
    Refusal(500, Kind.PROVIDER_RATE_LIMITED, anthropic(type_="rate_limit_error")),
    Refusal(400, Kind.INVALID_REQUEST, anthropic(type_="invalid_request_error")),
    Refusal(498, Kind.PROVIDER_REFUSED, anthropic(498)),
]
_GEMINI_ROWS = [
    Refusal(400, Kind.PROVIDER_AUTH, gemini(400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"})),
    Refusal(400, Kind.PROVIDER_AUTH, gemini(400, "FAILED_PRECONDITION")),
    Refusal(400, Kind.INVALID_REQUEST, gemini(400, "OUT_OF_RANGE")),
    Refusal(403, Kind.PROVIDER_AUTH, gemini(403, "PERMISSION_DENIED", {"reason": "SERVICE_DISABLED"})),
    Refusal(429, Kind.PROVIDER_RATE_LIMITED, gemini(429, "RESOURCE_EXHAUSTED", _QUOTA, {"retryDelay": "7s"})),
    Refusal(500, Kind.PROVIDER_ERROR, gemini(500, "DATA_LOSS")),
    Refusal(498, Kind.PROVIDER_REFUSED, gemini(498)),
]
ROWS: dict[str, list[Refusal]] = {
    "openai": _OPENAI_ROWS,
    "azure": _OPENAI_ROWS,
    "responses": _OPENAI_ROWS,
    "anthropic": _ANTHROPIC_ROWS,
    "anthropic_complete": _ANTHROPIC_ROWS,
    "gemini": _GEMINI_ROWS,
    "palm": _GEMINI_ROWS,
    "cohere": [Refusal(498, Kind.PROVIDER_AUTH, cohere())],
    "bedrock": [
        Refusal(400, Kind.INVALID_REQUEST, bedrock(), _amazon("ValidationException")),
        Refusal(400, Kind.PROVIDER_RATE_LIMITED, bedrock(), _amazon("ThrottlingException")),
        Refusal(400, Kind.PROVIDER_RATE_LIMITED, bedrock(), _amazon("ServiceQuotaExceededException")),
        Refusal(429, Kind.PROVIDER_RATE_LIMITED, bedrock(), _amazon("ModelNotReadyException")),
        Refusal(400, Kind.PROVIDER_AUTH, bedrock(), _amazon("UnrecognizedClientException")),
        Refusal(403, Kind.PROVIDER_AUTH, bedrock(), _amazon("ExpiredTokenException")),
        Refusal(400, Kind.PROVIDER_AUTH, bedrock(), {"x-amzn-errortype": "AccessDeniedException"}),
        Refusal(404, Kind.MODEL_NOT_FOUND, bedrock(), _amazon("ResourceNotFoundException")),
        Refusal(408, Kind.PROVIDER_TIMEOUT, bedrock(), _amazon("ModelTimeoutException")),
        Refusal(424, Kind.PROVIDER_ERROR, bedrock(), _amazon("ModelErrorException")),
        Refusal(503, Kind.PROVIDER_ERROR, bedrock(), _amazon("ServiceUnavailableException")),
        Refusal(498, Kind.PROVIDER_REFUSED, bedrock()),
    ],
}
"""Answers whose structured words say more than, or something else than, their status."""


def refusals(dialect: str) -> list[Refusal]:
    """Every row of a vendor."""
    body = BODIES[dialect]
    return [Refusal(status, kind, body(status)) for status, kind in STATUSES.items()] + ROWS[dialect]
