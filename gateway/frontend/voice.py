"""How an endpoint speaks beside its bodies: failures, names of headers, where a key may stand.

Rules:
    - Each client format has one voice; before a route is known, it is OpenAI's.
    - A failure has one rendering, before (`failure`) and after (`error_event`) the head was sent.

Format: OpenAI's error object; Anthropic's, with its rate-limit headers, whose resets are RFC 3339 times; Google's
(google.rpc.Status with details), whose members are named in Gemini's words.

Not here: bodies and streams (inference.py), bytes of heads (answer.py).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.core.errors import GatewayError
from gateway.frontend import answer
from gateway.frontend.settings import Profile
from gateway.wire import json
from gateway.wire.anthropic.errors import error_object
from gateway.wire.anthropic.names import own_path as anthropic_path
from gateway.wire.gemini import array
from gateway.wire.gemini.errors import encode as google_error
from gateway.wire.gemini.names import own_path
from gateway.wire.sse import encode_event

Headers = Mapping[str, str]
_DROPPED = "x-gateway-dropped"
_LIMIT = re.compile(r"x-ratelimit-(limit|remaining|reset)-([\w-]+)")
_GO_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?")


@dataclass(frozen=True, slots=True)
class Voice:
    """One client format.

    `id_header` carries the request id beside `x-request-id`; `carriers` add to the profile's, the parameter `query_key`
    of the URL to both. `stream_type` is the media type of streams, `ping` what keeps one alive without saying anything.
    """

    dialect: str
    failure: Callable[[GatewayError, Profile, str], tuple[int, bytes, str]]
    error_event: Callable[[GatewayError, str], bytes]
    headers: Callable[[Headers, Profile], Headers]
    id_header: str = ""
    carriers: tuple[str, ...] = ()
    query_key: str = ""
    stream_type: str = answer.EVENT_STREAM
    ping: bytes = answer.PING


def _openai_failure(error: GatewayError, profile: Profile, _request_id: str) -> tuple[int, bytes, str]:
    return answer.failure(error, profile)


def _openai_event(error: GatewayError, _request_id: str) -> bytes:
    return answer.error_event(error)


def _openai_headers(headers: Headers, profile: Profile) -> Headers:
    return headers if profile.rate_limit_headers != "inferxgate" else _inferxgate_headers(headers)


def _inferxgate_headers(headers: Headers) -> Headers:
    """Those of requests, under InferXgate's names, whose reset is a time in unix seconds; no others."""
    named = {}
    for name, value in headers.items():
        if (found := _LIMIT.fullmatch(name)) is None:
            named[name] = value
        elif found[2] == "requests":
            is_reset = found[1] == "reset"
            named[f"x-ratelimit-{found[1]}"] = str(math.ceil(time.time() + _seconds(value))) if is_reset else value
    return named


def _anthropic_message(error: GatewayError) -> str:
    """What is wrong, with the member in the client's own words."""
    if not error.param:
        return error.message
    return error.message.replace(f"`{error.param}`", f"`{anthropic_path(error.param)}`")


def _anthropic_failure(error: GatewayError, profile: Profile, request_id: str) -> tuple[int, bytes, str]:
    status, _, lines = answer.failure(error, profile)
    return status, json.dumps(error_object(status, _anthropic_message(error), request_id)), lines


def _anthropic_event(error: GatewayError, request_id: str) -> bytes:
    status = error.http_status or error.row.http_status
    return encode_event(json.dumps(error_object(status, _anthropic_message(error), request_id)), "error")


def _anthropic_headers(headers: Headers, profile: Profile) -> Headers:
    named = {}
    for name, value in headers.items():
        if (found := _LIMIT.fullmatch(name)) is None:
            named[name] = _in_own_words(value, anthropic_path) if name == _DROPPED else value
        elif profile.rate_limit_headers != "none":
            what, dimension = found.groups()
            named[f"anthropic-ratelimit-{dimension}-{what}"] = _reset_at(value) if what == "reset" else value
    return named


def _reset_at(duration: str) -> str:
    """The time a Go duration from now, to the second."""
    return datetime.fromtimestamp(time.time() + _seconds(duration), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(duration: str) -> float:
    """Of a Go duration."""
    found = _GO_DURATION.fullmatch(duration)
    hours, minutes, rest, unit = found.groups() if found else (None, None, None, None)
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0) / (1000 if unit == "ms" else 1)


def _google_object(error: GatewayError, status: int) -> dict[str, object]:
    """Google's error object: the same reason and details as over gRPC."""
    field = own_path(error.param) if error.param else ""
    message = error.message.replace(f"`{error.param}`", f"`{field}`") if error.param else error.message
    told = (("param", field), ("code", error.code), ("limit", error.limit))
    return google_error(
        status,
        message,
        reason=error.kind.name,
        retry_after_s=error.retry_after_s,
        metadata={name: value for name, value in told if value},
        field=field,
        quota=error.limit or "",
    )


def _gemini_failure(error: GatewayError, profile: Profile, _request_id: str) -> tuple[int, bytes, str]:
    status, _, lines = answer.failure(error, profile)
    return status, json.dumps(_google_object(error, status)), lines


def _gemini_event(error: GatewayError, _request_id: str) -> bytes:
    return b"data: %b\n\n" % json.dumps(_google_object(error, error.http_status or error.row.http_status))


def _array_failure(error: GatewayError, profile: Profile, request_id: str) -> tuple[int, bytes, str]:
    status, body, lines = _gemini_failure(error, profile, request_id)
    return status, array.OPEN + body + array.CLOSE, lines


def _array_event(error: GatewayError, _request_id: str) -> bytes:
    """The last element; a stream that has begun has elements before it."""
    body = json.dumps(_google_object(error, error.http_status or error.row.http_status))
    return array.BETWEEN + body + array.CLOSE


def _gemini_headers(headers: Headers, _profile: Profile) -> Headers:
    dropped = headers.get(_DROPPED)
    if dropped is None:
        return headers
    return {**headers, _DROPPED: _in_own_words(dropped, own_path)}


def in_own_words(error: GatewayError, own: Callable[[str], str]) -> GatewayError:
    """The same failure, its member as the client calls it."""
    if not error.param:
        return error
    told = error.again()
    told.headers, told.trailers = error.headers, error.trailers
    told.param = own(error.param)
    told.message = error.message.replace(f"`{error.param}`", f"`{told.param}`")
    return told


def told_by(own: Callable[[str], str]) -> Voice:
    """The voice of one request of the Responses format, whose items `own` can tell."""

    def failure(error: GatewayError, profile: Profile, request_id: str) -> tuple[int, bytes, str]:
        return _openai_failure(in_own_words(error, own), profile, request_id)

    def headers(given: Headers, profile: Profile) -> Headers:
        named = _openai_headers(given, profile)
        return {**named, _DROPPED: _in_own_words(given[_DROPPED], own)} if _DROPPED in given else named

    return replace(RESPONSES, failure=failure, headers=headers)


def _in_own_words(paths: str, own: Callable[[str], str]) -> str:
    return ", ".join([own(path) for path in paths.split(", ")])


OPENAI = Voice("openai", _openai_failure, _openai_event, _openai_headers)
RESPONSES = Voice("responses", _openai_failure, _openai_event, _openai_headers)  # a stream's events: responses.py
ANTHROPIC = Voice(
    "anthropic", _anthropic_failure, _anthropic_event, _anthropic_headers, "request-id", ("x-api-key", "bearer")
)
GEMINI = Voice(
    "gemini",
    _gemini_failure,
    _gemini_event,
    _gemini_headers,
    carriers=("x-goog-api-key", "bearer"),
    query_key="key",
    ping=b"\n",  # Google's Python SDK takes a comment for JSON
)
GEMINI_ARRAY = replace(
    GEMINI, failure=_array_failure, error_event=_array_event, stream_type=answer.JSON
)  # a stream without `alt=sse`
