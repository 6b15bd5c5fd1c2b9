"""An answer as bytes: heads, the OpenAI error object, the frames of an event stream.

Rules:
    - No control character and no name that belongs to the connection passes from a call into a head.
    - A failure has one rendering, before (`failure`) and after (`error_event`) the head was sent.

Format: RFC 9112 for heads, wire-formats of OpenAI for the error object, the HTML standard for event streams.

Not here: when something is written (reply.py), what a failure means (gateway.core.errors).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from itertools import compress

from gateway.core import hops
from gateway.core.errors import Fault, GatewayError, Kind
from gateway.frontend.settings import Cors, Profile
from gateway.wire import json

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

_UNSAFE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_RESERVED = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "date", "keep-alive"),
        *("proxy-connection", "server-timing", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id"),
    }
)
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
# Kinds whose status an SDK would retry although another try cannot help.
_HOPELESS = frozenset(
    (
        Kind.UNIMPLEMENTED,
        Kind.PROVIDER_AUTH,
        Kind.PROVIDER_REFUSED,
        Kind.DEADLINE_EXCEEDED,
        Kind.STALLED_READER,
        Kind.CONFLICT,
    )
)


class _Date:
    """The `date` line, rendered once a second."""

    second = 0
    line = ""


def head(status: int, content_type: str, length: int, lines: str) -> bytes:
    """The head of a whole answer; `lines` are complete header lines, `content_type` may be empty."""
    size = "" if status == 204 else f"content-length: {length}\r\n"
    return f"{_start(status, content_type)}{size}{_date_line()}{lines}\r\n".encode("latin-1", "replace")


@lru_cache(maxsize=256)
def _start(status: int, content_type: str) -> str:
    kind = f"content-type: {content_type}\r\n" if content_type else ""
    return (_STATUS_LINES.get(status) or f"HTTP/1.1 {status} Status {status}\r\n") + kind


def stream_head(status: int, lines: str, *, is_chunked: bool, content_type: str = EVENT_STREAM) -> bytes:
    """The head of an event stream; without the chunked coding (HTTP/1.0) it ends with its connection."""
    coding = "transfer-encoding: chunked\r\n" if is_chunked else ""
    start = f"{_STATUS_LINES[status]}content-type: {content_type}\r\n{coding}"
    return f"{start}{_date_line()}{lines}\r\n".encode("latin-1", "replace")


def _date_line() -> str:
    now = int(time.time())
    if now != _Date.second:
        _Date.second, _Date.line = now, f"date: {formatdate(now, usegmt=True)}\r\n"
    return _Date.line


def chunk(data: bytes) -> bytes:
    """`data` (not empty) in the chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def header_lines(headers: Mapping[str, str], profile: Profile) -> str:
    """The headers a call gave as lines: unsafe characters replaced by `?`, reserved and malformed names dropped."""
    is_shown, lines = _layout(tuple(headers), profile.has_gateway_headers, profile.rate_limit_headers != "none")
    values = list(headers.values() if is_shown is None else compress(headers.values(), is_shown))
    filled = list(lines)
    filled[1::2] = values if _is_plain("".join(values)) else map(_safe, values)
    return "".join(filled)


@lru_cache(maxsize=1024)
def _layout(names: tuple[str, ...], has_gateway: bool, has_limits: bool) -> tuple[list[bool] | None, tuple[str, ...]]:
    """Which of a call's headers may be sent (None: all), and their lines, every second item a place for a value.

    All answers have the same few sets of names.
    """
    is_shown = [
        name not in _RESERVED
        and _NAME.fullmatch(name) is not None
        and (has_gateway or not name.startswith("x-gateway-"))
        and (has_limits or not name.startswith("x-ratelimit-"))
        for name in names
    ]
    lines = [""]
    for name in compress(names, is_shown):
        lines[-1] += f"{name}: "
        lines += ["", "\r\n"]
    return None if all(is_shown) else is_shown, tuple(lines)


def _is_plain(text: str) -> bool:
    """Whether all of it may stand in a head, as nearly always: JSON has to escape no control character in it."""
    return text.isascii() and len(json.dumps(text)) == len(text) + 2 and "\x7f" not in text


def _safe(text: str) -> str:
    return text if _is_plain(text) else _UNSAFE.sub("?", text)


def timing_line(stages: str) -> str:
    """The `server-timing` line of some stages."""
    return f"server-timing: {_safe(stages)}\r\n"


def error_object(error: GatewayError) -> dict[str, object]:
    """The OpenAI error object of a failure."""
    row = error.row
    code = error.code if error.code is not None else row.openai_code
    return {"error": {"message": error.message, "type": row.openai_type, "param": error.param, "code": code}}


def status_of(error: GatewayError, profile: Profile) -> int:
    """The status of a failure, as the profile chooses."""
    row = error.row
    if error.kind is Kind.INSUFFICIENT_BALANCE:
        is_key = error.code == "key_budget_exceeded" or error.limit == "budget"
        return profile.spent_key_status if is_key else profile.no_credit_status
    if error.kind is Kind.MODEL_NOT_FOUND:
        return error.http_status or profile.unknown_model_status
    if row.fault is Fault.PROVIDER and profile.upstream_error_status == "502":
        return 502
    return error.http_status or row.http_status


def failure(error: GatewayError, profile: Profile) -> tuple[int, bytes, str]:
    """Status, body and header lines of a failure before anything was sent."""
    status = status_of(error, profile)
    is_hopeless = error.kind in _HOPELESS or error.code == hops.CODE
    lines = "x-should-retry: false\r\n" if is_hopeless else ""
    if error.retry_after_s is not None:
        wait_s = max(error.retry_after_s, 0.001)
        lines += f"retry-after: {math.ceil(wait_s)}\r\nretry-after-ms: {math.ceil(wait_s * 1000)}\r\n"
    return status, json.dumps(error_object(error)), lines


def error_event(error: GatewayError) -> bytes:
    """The event that ends a stream which failed after its head was sent."""
    return b"data: %b\n\n" % json.dumps(error_object(error))


def cors_lines(cors: Cors, origin: str | None) -> str:
    """The header lines that let a page of `origin` read an answer; empty for others."""
    if not cors.allow_origins:
        return ""
    if origin is None:
        return "" if "*" in cors.allow_origins else "vary: origin\r\n"
    if origin in cors.allow_origins:
        lines = f"access-control-allow-origin: {_UNSAFE.sub('?', origin)}\r\nvary: origin\r\n"
    elif "*" in cors.allow_origins:
        lines = "access-control-allow-origin: *\r\n"
    else:
        return "vary: origin\r\n"
    if cors.allow_credentials and "allow-origin: *" not in lines:
        lines += "access-control-allow-credentials: true\r\n"
    return f"{lines}access-control-expose-headers: {', '.join(cors.expose_headers)}\r\n"


def preflight_lines(cors: Cors) -> str:
    """What a preflight answer says beyond `cors_lines`."""
    return (
        f"access-control-allow-methods: {', '.join(cors.allow_methods)}\r\n"
        f"access-control-allow-headers: {', '.join(cors.allow_headers)}\r\n"
        f"access-control-max-age: {cors.max_age_s}\r\n"
    )
