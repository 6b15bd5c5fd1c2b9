"""Payloads to bytes, with the byte-level oddities a behaviour asks for.

Rules:
- Pure, and blind to wire formats: payloads are JSON objects or literal bytes.
- Without oddities a frame is `data: {...}` and a blank line, a body is compact JSON.

Not here: when bytes are written, cut or stalled (play.py); which members there are (openai.py).
"""

import json
from typing import Any

import orjson

from gateway.simulator.behaviour import Behaviour
from gateway.simulator.reply import Frame, Json
from gateway.wire.bedrock.eventstream import encode_message
from gateway.wire.sse import encode_event

EXTRA = {"x_null": None, "x_big": 2**70, "x_nested": {"list": [1, None, {"deep": True}], "text": "é😀"}}
_MB = 1 << 20


def with_extra(value: Any) -> Any:
    """Return the JSON value with unknown members in every object of it."""
    if isinstance(value, dict):
        return {**{key: with_extra(inner) for key, inner in value.items()}, **EXTRA}
    return [with_extra(inner) for inner in value] if isinstance(value, list | tuple) else value


def dump(payload: Json, behaviour: Behaviour, *, huge_mb: int = 0, is_malformed: bool = False) -> bytes:
    """Return the JSON text of a payload; `huge_mb` pads it to that many megabytes with an unknown member."""
    if behaviour.has_extra:  # orjson has no integers beyond 64 bits
        data = json.dumps(with_extra(payload), ensure_ascii=False, separators=(",", ":")).encode()
    else:
        data = orjson.dumps(payload)
    if behaviour.fault.is_nan:
        data = data[:-1] + b',"x_score":NaN}'
    if behaviour.fault.is_bad_utf8:
        for member in (b'"content":"', b'"text":"'):
            data = data.replace(member, member + b"\xff\xfe")
    if huge_mb:
        data = data[:-1] + b',"x_padding":"' + b"x" * (huge_mb * _MB) + b'"}'
    return data[: len(data) * 2 // 3] if is_malformed else data


def encode(frame: Frame, behaviour: Behaviour, *, huge_mb: int = 0, is_malformed: bool = False) -> bytes:
    """Return one event of a stream, with the line ends and comments this behaviour has."""
    if isinstance(frame.payload, bytes):
        data = frame.payload
    else:
        data = dump(frame.payload, behaviour, huge_mb=huge_mb, is_malformed=is_malformed)
    if behaviour.is_multiline:
        data = data.replace(b',"', b',\n"')  # a line break between members is only white space to JSON
    event = encode_event(data, frame.event)
    if behaviour.is_nospace:
        event = event.replace(b"data: ", b"data:")
    if behaviour.has_comments:
        event = b": keep-alive\n\n" + event
    return with_line_ends(event, behaviour)


def amazon(frame: Frame, behaviour: Behaviour, *, huge_mb: int = 0, is_malformed: bool = False) -> bytes:
    """Return one message of Amazon's event stream; an event whose name says so is an exception."""
    name = frame.event or ""
    kind = "exception" if name.endswith("Exception") else "event"
    payload = frame.payload
    data = (
        payload if isinstance(payload, bytes) else dump(payload, behaviour, huge_mb=huge_mb, is_malformed=is_malformed)
    )
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return encode_message(headers, data)


def with_line_ends(event: bytes, behaviour: Behaviour) -> bytes:
    if behaviour.is_crlf:
        return event.replace(b"\n", b"\r\n")
    return event.replace(b"\n", b"\r") if behaviour.is_cr else event
