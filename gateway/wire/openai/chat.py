"""Chat requests and whole answers: `POST /v1/chat/completions`.

Rules: see the package; the tables below are the complete list of members with a typed field.
Not here: streamed answers (chunks.py), content (parts.py, messages.py), tools (tools.py).
"""

from typing import Any

from gateway.wire.foreign import is_foreign, openai_request, openai_response
from gateway.wire.openai.fields import (
    boolean,
    integer,
    json_text,
    number,
    record,
    records,
    string,
    string_map,
    strings,
)
from gateway.wire.openai.inputs import STOP, STREAM_OPTIONS
from gateway.wire.openai.messages import read_message, write_answer, write_conversation
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, always
from gateway.wire.openai.tools import TOOL, TOOL_CHOICE
from gateway.wire.openai.usage import USAGE
from gateway.wire.pb import chat_pb2, types_pb2

_OBJECTS = {dict}


def _read_messages(request: Any, value: Any) -> bool:
    if type(value) is not list or set(map(type, value)) != _OBJECTS:
        return False
    for item in value:
        read_message(item, request.messages.add())
    return True


def _write_messages(out: JsonObject, value: Any) -> None:
    out["messages"] = write_conversation(value)


def _read_answer(choice: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    choice.message.SetInParent()
    read_message(value, choice.message)
    return True


def _write_answer(out: JsonObject, value: Any) -> None:
    out["message"] = write_answer(value)


_JSON_SCHEMA = Mirror(
    types_pb2.JsonSchemaFormat, [string("name"), string("description"), json_text("schema"), boolean("strict")]
)
_RESPONSE_FORMAT = Mirror(types_pb2.ResponseFormat, [string("type"), record("json_schema", _JSON_SCHEMA)])
_THINKING = Mirror(chat_pb2.ThinkingConfig, [string("type"), integer("budget_tokens")])

REQUEST = Mirror(
    chat_pb2.ChatRequest,
    [
        string("model", allow_empty=False),
        Field("messages", _read_messages, {"messages": _write_messages}),
        number("temperature"),
        number("top_p"),
        integer("max_tokens"),
        integer("max_completion_tokens"),
        integer("n"),
        STOP,
        number("presence_penalty"),
        number("frequency_penalty"),
        json_text("logit_bias"),
        boolean("logprobs"),
        integer("top_logprobs"),
        records("tools", TOOL),
        TOOL_CHOICE,
        boolean("parallel_tool_calls"),
        record("response_format", _RESPONSE_FORMAT),
        integer("seed"),
        string("user"),
        string("safety_identifier"),
        string_map("metadata"),
        strings("modalities"),
        json_text("audio"),
        string("reasoning_effort"),
        string("verbosity"),
        string("service_tier"),
        boolean("store"),
        json_text("prediction"),
        string("prompt_cache_key"),
        string("prompt_cache_retention"),
        json_text("web_search_options"),
        json_text("functions"),
        json_text("function_call"),
        boolean("stream"),
        STREAM_OPTIONS,
        integer("top_k"),
        record("thinking", _THINKING),
        json_text("safety_settings"),
        string("cached_content"),
        json_text("moderation"),
        json_text("prompt_cache_options"),
    ],
)

CHOICE = Mirror(
    chat_pb2.Choice,
    [
        integer("index"),
        Field("message", _read_answer, {"message": _write_answer}),
        string("finish_reason"),
        json_text("logprobs"),
        string("native_finish_reason"),
        string("stop_sequence"),
    ],
    fills={"index": always(0), "finish_reason": always(None), "logprobs": always(None)},
)

RESPONSE = Mirror(
    chat_pb2.ChatResponse,
    [
        string("id"),
        string("object"),
        integer("created"),
        string("model"),
        records("choices", CHOICE),
        record("usage", USAGE),
        string("service_tier"),
        string("system_fingerprint"),
        json_text("moderation"),
    ],
    fills={"object": always("chat.completion"), "choices": always([])},
)


def decode_request(obj: JsonObject) -> chat_pb2.ChatRequest:
    """Read a request body; any JSON object is accepted."""
    request: chat_pb2.ChatRequest = REQUEST.made(obj)
    return request


def encode_request(request: chat_pb2.ChatRequest, unsupported: list[str] | None = None) -> JsonObject:
    """Return the request body of a message. Raises JsonInvalid for a JSON text in it that is none.

    Of a message of another dialect, the paths of members that have no place here are added to `unsupported`.
    """
    if is_foreign(request.dialect):
        request = openai_request(request, [] if unsupported is None else unsupported)
    return REQUEST.encode(request)


def decode_response(obj: JsonObject) -> chat_pb2.ChatResponse:
    """Read a whole answer; any JSON object is accepted."""
    response: chat_pb2.ChatResponse = RESPONSE.made(obj)
    return response


def encode_response(response: chat_pb2.ChatResponse) -> JsonObject:
    """Return the JSON object of a whole answer. Raises JsonInvalid for a JSON text in it that is none."""
    return RESPONSE.encode(openai_response(response) if is_foreign(response.dialect) else response)
