"""Errors: the object `{"type": "error", "error": {"type", "message"}, "request_id"}` and the types by status.

Rules: the type follows the status; in a stream, where there is no status, the status follows the type.
Not here: which failure it is for the gateway (the provider's dialect, the frontend).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, loads
from gateway.wire.openai.mirror import JsonObject

TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STATUSES: Final = {type_: status for status, type_ in TYPES.items()}


def type_of_status(status: int) -> str:
    """The error type for an HTTP status."""
    if status in (503, 529):
        return "overloaded_error"
    return TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def error_object(status: int, message: str, request_id: str | None = None) -> JsonObject:
    """The body of a failure, and the data of an `error` event."""
    out: JsonObject = {"type": "error", "error": {"type": type_of_status(status), "message": message}}
    return out if request_id is None else {**out, "request_id": request_id}


def read_error(body: bytes) -> tuple[str, str]:
    """Type and message of an error body; empty where it says neither."""
    try:
        answer = loads(body)
    except JsonInvalid:
        return "", ""
    return error_of(answer)


def error_of(answer: Any) -> tuple[str, str]:
    """Type and message of an error object, inside its envelope or bare."""
    error = answer.get("error", answer) if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return "", ""
    type_, message = error.get("type"), error.get("message")
    return type_ if isinstance(type_, str) else "", message if isinstance(message, str) else ""
