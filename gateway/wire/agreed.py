"""Requests made outside JSON in the words of another client format: whether a body of that format says the same.

A provider of that format gets the request as its JSON. So it is written as that JSON and read again, as a body over
HTTP would be: what is checked, counted and priced must be what is sent.

Rules:
- A message read from a body of its format always agrees.
- Paths are those of the request's own fields.

Not here: OpenAI's format (openai/disputes.py), what limits are counted by in `extra` (counted.py), ranges (admission).
"""

from typing import Any, Final, NamedTuple

from gateway.wire.anthropic import chat as anthropic
from gateway.wire.foreign import extra_names
from gateway.wire.gemini import chat as gemini
from gateway.wire.json import loads
from gateway.wire.pb import chat_pb2
from gateway.wire.responses import request as responses

CLIENT_FORMATS: Final = ("openai", "anthropic", "gemini", "responses")
_CODECS: Final[dict[str, Any]] = {"anthropic": anthropic, "gemini": gemini, "responses": responses}
_BESIDE: Final = frozenset(
    ("model", "messages", "extra", "nulls", "dialect", "stream", "stream_options", "is_stop_string",
     "previous_response_id", "is_answer_kept")
)  # fmt: skip
_ELSEWHERE: Final = ("conversation", "prompt", "background", "previous_response_id")
_DEPTH_MAX: Final = 1000


class Fault(NamedTuple):
    """What is wrong with a request, and how to mend it."""

    path: str
    text: str


def first_fault(request: chat_pb2.ChatRequest) -> Fault | None:
    """The first thing a body of the request's dialect would not have said, or None.

    Raises JsonInvalid for a JSON text in the request that is none; its message names the field.
    """
    if request.dialect in ("", "openai"):
        return None
    codec = _CODECS.get(request.dialect)
    if codec is None:
        return Fault("dialect", f"`dialect` must be empty or one of {', '.join(CLIENT_FORMATS)}.")
    if request.dialect == "responses" and (name := _kept_elsewhere(request)):
        return Fault(name, f"`{name}` in `extra` is not supported: send the conversation, or `previous_response_id`.")
    read = codec.decode_request(codec.encode_request(request, []))
    return _of_fields(request, read) or _of_messages(request, read)


def _kept_elsewhere(request: chat_pb2.ChatRequest) -> str | None:
    names = extra_names(request.extra)
    kept = loads(request.extra.encode(), depth_max=_DEPTH_MAX) if names else {}
    return next((name for name in _ELSEWHERE if kept.get(name)), None)


def _of_fields(request: chat_pb2.ChatRequest, read: chat_pb2.ChatRequest) -> Fault | None:
    again = {field.name: value for field, value in read.ListFields()}
    for field, value in request.ListFields():
        name = field.name
        if name in _BESIDE:
            continue
        if name not in again:
            return Fault(
                name, f"`{name}` has no place in the format `{request.dialect}`: leave it out, or `dialect` empty."
            )
        if not field.is_repeated and field.type != field.TYPE_MESSAGE and again.pop(name) != value:
            return Fault(name, f"`{name}` is in `extra` with another value than in its own field: set one of them.")
    return None


def _of_messages(request: chat_pb2.ChatRequest, read: chat_pb2.ChatRequest) -> Fault | None:
    """Texts a message would be sent with and was not counted by: only `extra` can bring them."""
    if not _has_extra(request) or _chars(read) <= _chars(request):
        return None
    at = next((at for at, message in enumerate(request.messages) if _has_extra_in(message)), 0)
    text = f"`messages[{at}]` says more in `extra` than in its blocks: write it there."
    return Fault(f"messages[{at}]", text)


def _has_extra(request: chat_pb2.ChatRequest) -> bool:
    return any(_has_extra_in(message) for message in request.messages)


def _has_extra_in(message: Any) -> bool:
    if getattr(message, "extra", "") not in ("", "{}"):
        return True
    return any(
        _has_extra_in(nested)
        for field, value in message.ListFields()
        if field.type == field.TYPE_MESSAGE
        for nested in (value if field.is_repeated else (value,))
    )


def _chars(request: chat_pb2.ChatRequest) -> int:
    return sum(map(_block_chars, [block for message in request.messages for block in message.blocks]))


def _block_chars(block: Any) -> int:
    inside = sum(map(_block_chars, block.tool_result.blocks))
    return len(block.text) + len(block.tool_use.arguments) + len(block.document.text) + inside
