"""Requests of `POST /v1/responses`.

Rules:
- `instructions` become the first message, of role system; `max_output_tokens` is our `max_completion_tokens`.
- A stream asks for usage, because here it always has it.
- Written again for a provider of this format, a request is what was read: what the typed fields cannot give back
  (a list of items, tools, settings in objects) is in `extra` beside them. Only reasoning of another vendor is left out.
- Members without a typed field stay in `extra`: those that only describe the call are not reported (wire.foreign).

Not here: `input` (items.py), requests of other dialects (mapping.py), members that need a conversation kept by the
gateway (the frontend refuses them).
"""

from typing import Any

from gateway.wire.foreign import is_lifted
from gateway.wire.json import text
from gateway.wire.openai.fields import boolean, integer, is_text, number, string, string_map
from gateway.wire.openai.mirror import Field, JsonObject, Mirror
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.proof import is_lent
from gateway.wire.responses import DIALECT
from gateway.wire.responses.items import read_input
from gateway.wire.responses.mapping import mapped_request, settings
from gateway.wire.responses.tools import read_choice, read_tools
from gateway.wire.responses.turns import Turns

_LOGPROBS = "message.output_text.logprobs"
_STREAM = boolean("stream")


def _read_input(request: Any, value: Any) -> bool:
    if not is_text(value) and type(value) is not list:
        return False
    request.messages.extend(read_input(value))
    return type(value) is str


def _read_instructions(request: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    block = types_pb2.Block(text=value)
    request.messages.add(role="system", content_form=types_pb2.CONTENT_FORM_STRING, blocks=[block])
    return True


def _read_reasoning(request: Any, value: Any) -> bool:
    effort = value.get("effort") if type(value) is dict else None
    if not is_text(effort):
        return False
    request.reasoning_effort = effort
    return False


def _read_text(request: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    if is_text(verbosity := value.get("verbosity")):
        request.verbosity = verbosity
    if type(form := value.get("format")) is dict:
        _read_format(request, form)
    return False


def _read_format(request: Any, form: JsonObject) -> None:
    kind = form.get("type")
    if kind not in ("json_object", "json_schema"):
        return
    request.response_format.type = kind
    if kind == "json_object":
        return
    schema = request.response_format.json_schema
    schema.SetInParent()
    for name in ("name", "description"):
        if is_text(value := form.get(name)):
            setattr(schema, name, value)
    if form.get("schema") is not None:
        schema.schema_json = text(form["schema"])
    if type(form.get("strict")) is bool:
        schema.strict = form["strict"]


def _read_top_logprobs(request: Any, value: Any) -> bool:
    if not integer("top_logprobs").read(request, value):
        return False
    if not value:
        request.ClearField("top_logprobs")
        return False
    request.logprobs = True
    return True


def _read_include(request: Any, value: Any) -> bool:
    if type(value) is list and _LOGPROBS in value:
        request.logprobs = True
    return False


def _read_stream(request: Any, value: Any) -> bool:
    if value is True:
        request.stream_options.include_usage = True
    return _STREAM.read(request, value)


def _read_stream_options(request: Any, value: Any) -> bool:
    if type(value) is dict:
        request.stream_options.SetInParent()
    return False


def _write_max_tokens(out: JsonObject, value: int) -> None:
    out["max_output_tokens"] = value


REQUEST = Mirror(
    chat_pb2.ChatRequest,
    [
        string("model", allow_empty=False),
        Field("instructions", _read_instructions, {}),
        Field("input", _read_input, {}),
        Field("max_output_tokens", integer("max_completion_tokens").read, {"max_completion_tokens": _write_max_tokens}),
        number("temperature"),
        number("top_p"),
        Field("top_logprobs", _read_top_logprobs, integer("top_logprobs").writers),
        Field("include", _read_include, {}),
        Field("tools", read_tools, {}),
        Field("tool_choice", read_choice, {}),
        boolean("parallel_tool_calls"),
        Field("reasoning", _read_reasoning, {}),
        Field("text", _read_text, {}),
        string("user"),
        string("safety_identifier"),
        string_map("metadata"),
        string("service_tier"),
        boolean("store"),
        string("prompt_cache_key"),
        string("prompt_cache_retention"),
        Field("stream", _read_stream, _STREAM.writers),
        Field("stream_options", _read_stream_options, {}),
    ],
    first=("instructions", "input"),
)


def decode_request(obj: JsonObject) -> chat_pb2.ChatRequest:
    """Read a request body; any JSON object is accepted."""
    request: chat_pb2.ChatRequest = REQUEST.made(obj)
    request.dialect = DIALECT
    return request


def encode_request(request: chat_pb2.ChatRequest, unsupported: list[str] | None = None) -> JsonObject:
    """Return the request body of a message. Raises JsonInvalid for a JSON text in it that is none.

    Of a message of another dialect, the paths of members that have no place here are added to `unsupported`.
    """
    if request.dialect != DIALECT:
        return mapped_request(request, [] if unsupported is None else unsupported)
    out = REQUEST.encode(request)
    if type(items := out.get("input")) is list and any(_is_anothers(item) for item in items):
        out["input"] = [item for item in items if not _is_anothers(item)]
    messages = list(request.messages)
    if messages and is_lifted(messages[0]) and _text_of(messages[0]) is not None:
        out.setdefault("instructions", _text_of(messages.pop(0)))
    if messages and "input" not in out:
        words = _text_of(messages[0]) if len(messages) == 1 and messages[0].role == "user" else None
        out["input"] = words if words is not None else Turns([]).items(messages)
    for name, value in settings(request, []).items():
        out.setdefault(name, value)  # of a request that was made without JSON
    return out


def _is_anothers(item: Any) -> bool:
    """Whether an item is the reasoning of another vendor, which this one would refuse."""
    return type(item) is dict and item.get("type") == "reasoning" and is_lent(item.get("encrypted_content"))


def _text_of(message: types_pb2.Message) -> str | None:
    """The text of a message that is one text and nothing else."""
    return message.blocks[0].text if len(message.blocks) == 1 and message.blocks[0].HasField("text") else None
