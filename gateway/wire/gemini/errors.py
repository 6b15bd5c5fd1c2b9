"""Errors as Google's APIs spell them: `{"error": {"code", "message", "status", "details"}}`.

Rules:
- The status word is the canonical gRPC code; the HTTP status goes with it, so 402 and 413 become 429 and 400.
- A wait goes into a RetryInfo detail, the reason into an ErrorInfo detail, the member that is wrong into a BadRequest
  detail, an exhausted limit into a QuotaFailure detail (google/rpc/error_details.proto).
- A streamed answer that is no event stream has its error in an array of one element; reading takes both.

Not here: what a failure means for the call (providers.gemini_dialect), kinds (core.errors).
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.wire import json
from gateway.wire.openai.mirror import JsonObject

STATUS_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
"""HTTP status -> status word."""

HTTP_STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Status word -> HTTP status."""

WAIT_MAX_S: Final = 1e9
_TYPE = "type.googleapis.com/google.rpc."
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)


class Failure(NamedTuple):
    """What an error body says; everything is optional."""

    code: int | None = None
    """HTTP status, as the body repeats it."""
    status: str = ""
    message: str = ""
    reason: str = ""
    """Of ErrorInfo, e.g. API_KEY_INVALID."""
    retry_after_s: float | None = None


def encode(
    http_status: int, message: str, *, reason: str = "", retry_after_s: float | None = None, metadata: Any = None,
    field: str = "", quota: str = "",
) -> JsonObject:  # fmt: skip
    """The error body of a failure with this HTTP status; `field` is the member that is wrong, `quota` the limit."""
    details: list[JsonObject] = []
    if reason:
        info = {"@type": _TYPE + "ErrorInfo", "reason": reason.upper(), "domain": "gateway"}
        details.append(info | ({"metadata": metadata} if metadata else {}))
    if retry_after_s is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": _duration(retry_after_s)})
    if field:
        violation = {"field": field, "description": message}
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [violation]})
    if quota:
        details.append({"@type": _TYPE + "QuotaFailure", "violations": [{"subject": quota, "description": message}]})
    word = STATUS_WORDS.get(http_status, "INTERNAL" if http_status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": http_status, "message": message, "status": word, "details": details}}


def _duration(seconds: float) -> str:
    """Seconds as protobuf's JSON spells a duration: to the millisecond, rounded up, never zero."""
    millis = max(1, math.ceil(round(min(seconds, WAIT_MAX_S) * 1000, 3)))
    return f"{millis // 1000}.{millis % 1000:03}".rstrip("0").rstrip(".") + "s"


def decode(body: bytes) -> Failure:
    """What an error body says; an empty Failure for anything that is none."""
    try:
        answer = json.loads(body)
    except json.JsonInvalid:
        return Failure()
    if type(answer) is list and answer:
        answer = answer[0]
    error = answer.get("error") if type(answer) is dict else None
    return of_object(error) if type(error) is dict else Failure()


def of_object(error: Mapping[str, Any]) -> Failure:
    """What the member `error` of a body or of a frame says."""
    code, status, message = error.get("code"), error.get("status"), error.get("message")
    details = error.get("details")
    found = [detail for detail in details if type(detail) is dict] if type(details) is list else []
    reasons = [detail["reason"] for detail in found if type(detail.get("reason")) is str]
    waits = [wait for detail in found if (wait := _seconds(detail.get("retryDelay"))) is not None]
    return Failure(
        code if type(code) is int else None,
        status if type(status) is str else "",
        message if type(message) is str else "",
        reasons[0] if reasons else "",
        max(waits) if waits else None,
    )


def _seconds(value: Any) -> float | None:
    match = _DURATION.fullmatch(value) if type(value) is str else None
    return float(match.group(1)) if match else None
