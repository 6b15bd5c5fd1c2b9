"""Requests and whole answers of `POST /v1/messages`.

Rules:
- The member `system` becomes the first message, of role system and without `extra`; a turn of role system among
  `messages` always has one.
- `metadata.user_id` is our `user`, `stop_sequences` our `stop`; a stream asks for usage, because here it always has it.
- `output_config` is our `response_format` and `reasoning_effort`.
- An answer is one choice. `stop_reason` is kept as the native finish reason beside OpenAI's word for it.

Not here: messages of other dialects (mapping.py), streams (events.py).
"""

from typing import Any, Final

from gateway.wire.anthropic import DIALECT
from gateway.wire.anthropic.answers import mapped_response
from gateway.wire.anthropic.blocks import ABSENT, CONTENT, write_content
from gateway.wire.anthropic.mapping import MAX_TOKENS_DEFAULT, mapped_request
from gateway.wire.anthropic.tools import CHOICE, choice_of, read_tools, write_tool
from gateway.wire.anthropic.usage import read_usage, write_usage
from gateway.wire.foreign import is_lifted
from gateway.wire.json import text
from gateway.wire.openai.fields import boolean, integer, is_text, number, record, string, strings
from gateway.wire.openai.mirror import EMPTY, Field, JsonObject, Mirror, add_kept, kept_value
from gateway.wire.pb import chat_pb2, types_pb2

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""`stop_reason` -> OpenAI's finish reason."""

SCHEMA_NAME: Final = "answer"
"""What a schema is called where it needs a name: in this format it has none."""


def finish_reason_of(stop_reason: str) -> str:
    """OpenAI's word for a `stop_reason`; an unknown one is `stop`."""
    return FINISH_REASONS.get(stop_reason, "stop")


_MESSAGE = Mirror(types_pb2.Message, [string("role"), CONTENT])
_STREAM = boolean("stream")


def _read_messages(request: Any, value: Any) -> bool:
    if type(value) is not list or not value or not all(type(item) is dict for item in value):
        return False
    for item in value:
        message = request.messages.add(content_form=ABSENT)
        _MESSAGE.decode(item, message)
        if message.role == "system" and not message.extra:
            message.extra = EMPTY
    return True


def _read_system(request: Any, value: Any) -> bool:
    system = types_pb2.Message(role="system")
    if not CONTENT.read(system, value):
        return False
    request.messages.append(system)
    return True


def _read_metadata(request: Any, value: Any) -> bool:
    if type(value) is not dict or not is_text(value.get("user_id")):
        return False
    request.user = value["user_id"]
    return len(value) == 1


def _write_user(out: JsonObject, value: str) -> None:
    out["metadata"] = {"user_id": value}


def _write_stop(out: JsonObject, value: Any) -> None:
    out["stop_sequences"] = list(value)


def _write_tools(out: JsonObject, value: Any) -> None:
    out["tools"] = [write_tool(tool) for tool in value]


def _read_stream(request: Any, value: Any) -> bool:
    if value is True:
        request.stream_options.include_usage = True
    return _STREAM.read(request, value)


def _read_output_config(request: Any, value: Any) -> bool:
    """What a newer client says of the answer: its JSON Schema, and how much effort it is worth."""
    if type(value) is not dict:
        return False
    if is_text(value.get("effort")):
        request.reasoning_effort = value["effort"]
    wanted = value.get("format")
    if type(wanted) is dict and wanted.get("type") == "json_schema" and type(wanted.get("schema")) is dict:
        request.response_format.type = "json_schema"
        request.response_format.json_schema.name = SCHEMA_NAME
        request.response_format.json_schema.schema_json = text(wanted["schema"])
    written: JsonObject = {}
    if request.HasField("reasoning_effort"):
        _write_effort(written, request.reasoning_effort)
    if request.HasField("response_format"):
        _write_format(written, request.response_format)
    return bool(written.get("output_config") == value)


def _write_effort(out: JsonObject, value: str) -> None:
    out.setdefault("output_config", {})["effort"] = value


def _write_format(out: JsonObject, value: Any) -> None:
    if value.type == "json_schema":
        schema = kept_value(value.json_schema.schema_json or "{}", "schema_json")
        out.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}


_THINKING = Mirror(chat_pb2.ThinkingConfig, [string("type"), integer("budget_tokens")])
REQUEST = Mirror(
    chat_pb2.ChatRequest,
    [
        string("model", allow_empty=False),
        Field("system", _read_system, {}),
        Field("messages", _read_messages, {}),
        integer("max_tokens"),
        Field("metadata", _read_metadata, {"user": _write_user}),
        Field("stop_sequences", strings("stop").read, {"stop": _write_stop}),
        Field("stream", _read_stream, _STREAM.writers),
        string("service_tier"),
        number("temperature"),
        number("top_p"),
        integer("top_k"),
        Field("tools", read_tools, {"tools": _write_tools}),
        CHOICE,
        record("thinking", _THINKING),
        Field(
            "output_config",
            _read_output_config,
            {"reasoning_effort": _write_effort, "response_format": _write_format},
        ),
    ],
)


def decode_request(obj: JsonObject) -> chat_pb2.ChatRequest:
    """Read a request body; any JSON object is accepted."""
    if "system" in obj:
        obj = {"system": obj["system"], **obj}
    request: chat_pb2.ChatRequest = REQUEST.made(obj)
    request.dialect = DIALECT
    return request


def encode_request(
    request: chat_pb2.ChatRequest,
    unsupported: list[str] | None = None,
    *,
    max_tokens: int = MAX_TOKENS_DEFAULT,
    is_schema_native: bool = False,
) -> JsonObject:
    """Return the request body of a message.

    `max_tokens` is sent where a request of another dialect sets no limit; the paths of members that have no place here
    are added to `unsupported`; `is_schema_native` says that the model takes `output_config.format`.
    Raises JsonInvalid for a JSON text in the message that is none.
    """
    if request.dialect != DIALECT:
        named = [] if unsupported is None else unsupported
        return mapped_request(request, named, max_tokens, is_schema_native=is_schema_native)
    out = REQUEST.encode(request)
    messages = list(request.messages)
    if messages and is_lifted(messages[0]):
        system: JsonObject = {}
        lifted = messages.pop(0)
        write_content(system, lifted.blocks, lifted.content_form, "system")
        out = {**system, **out}
    if messages:
        out.setdefault("messages", [_write_message(message) for message in messages])
    if "tool_choice" not in out and (choice := choice_of(request)) is not None:
        out["tool_choice"] = choice
    return out


def _write_message(message: types_pb2.Message) -> JsonObject:
    out: JsonObject = {"role": message.role} if message.HasField("role") else {}
    write_content(out, message.blocks, message.content_form)
    add_kept(out, message.nulls, message.extra)
    return out


def encode_count(count: chat_pb2.TokenCount) -> JsonObject:
    """Return the answer of `count_tokens`."""
    return {"input_tokens": count.input_tokens}


def _read_role(response: Any, value: Any) -> bool:
    return string("role").read(response.choices[0].message, value)


def _read_content(response: Any, value: Any) -> bool:
    return CONTENT.read(response.choices[0].message, value)


def _read_stop_reason(response: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    response.choices[0].native_finish_reason = value
    response.choices[0].finish_reason = finish_reason_of(value)
    return True


def _read_stop_sequence(response: Any, value: Any) -> bool:
    return string("stop_sequence").read(response.choices[0], value)


def _write_choice(out: JsonObject, value: Any) -> None:
    message = value[0].message
    if message.HasField("role"):
        out["role"] = message.role
    write_content(out, message.blocks, message.content_form)
    if value[0].HasField("native_finish_reason"):
        out["stop_reason"] = value[0].native_finish_reason
    if value[0].HasField("stop_sequence"):
        out["stop_sequence"] = value[0].stop_sequence


def _read_usage(response: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    read_usage(value, response.usage)
    return True


def _write_usage(out: JsonObject, value: Any) -> None:
    out["usage"] = write_usage(value)


RESPONSE = Mirror(
    chat_pb2.ChatResponse,
    [
        string("id"),
        Field("role", _read_role, {}),
        string("model"),
        Field("content", _read_content, {"choices": _write_choice}),
        Field("stop_reason", _read_stop_reason, {}),
        Field("stop_sequence", _read_stop_sequence, {}),
        Field("usage", _read_usage, {"usage": _write_usage}),
    ],
)


def decode_response(obj: JsonObject) -> chat_pb2.ChatResponse:
    """Read a whole answer; any JSON object is accepted."""
    response = chat_pb2.ChatResponse(dialect=DIALECT)
    response.choices.add(index=0).message.content_form = ABSENT
    RESPONSE.decode(obj, response)
    return response


def encode_response(response: chat_pb2.ChatResponse) -> JsonObject:
    """Return the JSON object of a whole answer. Raises JsonInvalid for a JSON text in it that is none."""
    return RESPONSE.encode(response) if response.dialect == DIALECT else mapped_response(response)
