"""Failures as new-api words them, on paths of OpenAI's and Anthropic's formats.

Rules:
    - The gateway's own failures have the type `new_api_error` and quote the request id; a provider's have
      `upstream_error` and its status as `param`. What is absent is an empty string, never null.
    - Which status a failure has does not depend on its words.

Source: new-api's relay errors.

Not here: statuses (answer.status_of); the envelope of `/api` (new_api.py).
"""

from __future__ import annotations

from dataclasses import replace

from gateway.core.errors import Fault, GatewayError, Kind
from gateway.frontend import answer
from gateway.frontend.settings import Profile
from gateway.frontend.voice import Voice
from gateway.wire import json
from gateway.wire.sse import encode_event

OWN, UPSTREAM = "new_api_error", "upstream_error"


def styled(voice: Voice) -> Voice:
    """The same voice with new-api's words for failures; formats new-api leaves to their vendors stay."""
    if voice.dialect == "openai":
        return replace(voice, failure=_openai_failure, error_event=_openai_event)
    if voice.dialect == "responses":
        return replace(voice, failure=_openai_failure)
    if voice.dialect == "anthropic":
        return replace(voice, failure=_anthropic_failure, error_event=_anthropic_event)
    return voice


def _object(error: GatewayError, status: int, request_id: str) -> dict[str, object]:
    if error.kind is Kind.NOT_FOUND and error.code is None and error.message.startswith("Invalid URL"):
        own = {"message": error.message, "type": "invalid_request_error", "param": "", "code": ""}
        return {"error": own}
    if error.row.fault is Fault.PROVIDER:
        members = {"type": UPSTREAM, "param": str(status), "code": error.code or "bad_response_status_code"}
    else:
        members = {"type": OWN, "param": error.param or "", "code": error.code or error.row.openai_code or ""}
    return {"error": {"message": _message(error, request_id), **members}}


def _message(error: GatewayError, request_id: str) -> str:
    return f"{error.message} (request id: {request_id})"


def _openai_failure(error: GatewayError, profile: Profile, request_id: str) -> tuple[int, bytes, str]:
    status, _, lines = answer.failure(error, profile)
    return status, json.dumps(_object(error, status, request_id)), lines


def _openai_event(error: GatewayError, request_id: str) -> bytes:
    status = error.http_status or error.row.http_status
    return b"data: %b\n\n" % json.dumps(_object(error, status, request_id))


def _anthropic_object(error: GatewayError, request_id: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": OWN, "message": _message(error, request_id)}})


def _anthropic_failure(error: GatewayError, profile: Profile, request_id: str) -> tuple[int, bytes, str]:
    status, _, lines = answer.failure(error, profile)
    return status, _anthropic_object(error, request_id), lines


def _anthropic_event(error: GatewayError, request_id: str) -> bytes:
    return encode_event(_anthropic_object(error, request_id), "error")
