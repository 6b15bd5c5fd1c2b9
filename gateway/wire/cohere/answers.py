"""Whole answers of `POST /v2/chat`: one choice.

Rules:
- `tool_plan` is the text before the calls; thinking is a block of its own. Citations stay in the message's `extra`, to
  be read in this dialect; those of links are its annotations, too.
- `finish_reason` is kept as the native one beside OpenAI's word for it.
- Usage counts the tokens the model saw and made (`tokens`), else those that are billed.

Not here: streams (events.py), failures told as an answer (the provider's dialect).
"""

from typing import Any, Final

from gateway.wire.cohere import DIALECT
from gateway.wire.json import text
from gateway.wire.links import of_cohere
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2

FINISH_REASONS: Final = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
"""Cohere's finish reason -> OpenAI's."""

FAILURES: Final = {"ERROR": 500, "TIMEOUT": 504}
"""Finish reasons that say the answer failed -> the HTTP status that says the same."""

_MAX = 2**60


def finish_reason_of(reason: str) -> str:
    """OpenAI's word for a finish reason; an unknown one is `stop`."""
    return FINISH_REASONS.get(reason, "stop")


def decode_response(obj: JsonObject) -> chat_pb2.ChatResponse:
    """Read a whole answer; any JSON object is accepted."""
    response = chat_pb2.ChatResponse(dialect=DIALECT)
    if is_text(obj.get("id")):
        response.id = obj["id"]
    choice = response.choices.add(index=0)
    message = obj.get("message")
    _read_message(message if type(message) is dict else {}, choice.message)
    if is_text(obj.get("finish_reason")):
        choice.native_finish_reason = obj["finish_reason"]
    choice.finish_reason = finish_reason_of(choice.native_finish_reason)
    if type(obj.get("usage")) is dict:
        read_usage(obj["usage"], response.usage)
    return response


def _read_message(obj: JsonObject, message: types_pb2.Message) -> None:
    message.role = "assistant"
    for part in _objects(obj.get("content")):
        if is_text(thought := part.get("thinking")) and thought:
            message.blocks.add().thinking.text = thought
        elif is_text(words := part.get("text")) and words:
            message.blocks.add().text = words
    if is_text(plan := obj.get("tool_plan")) and plan:
        message.blocks.add().text = plan
    for call in _objects(obj.get("tool_calls")):
        read_call(call, message.blocks.add().tool_use)
    if citations := obj.get("citations"):
        message.extra = text({"citations": citations})
        if links := of_cohere(citations):
            message.annotations_json = text(links)


def _objects(value: Any) -> list[JsonObject]:
    return [item for item in value if type(item) is dict] if type(value) is list else []


def read_call(obj: JsonObject, call: Any) -> None:
    """Read a call, or the beginning of one, into a ToolUseBlock or a ToolDelta."""
    function = obj.get("function")
    inner = function if type(function) is dict else {}
    call.type = "function"
    if is_text(obj.get("id")):
        call.id = obj["id"]
    if is_text(inner.get("name")):
        call.name = inner["name"]
    if is_text(inner.get("arguments")):
        call.arguments = inner["arguments"]


def read_usage(obj: JsonObject, usage: types_pb2.Usage) -> None:
    """Read the member `usage` into an empty Usage, which stays absent where it says nothing."""
    prompt, completion = (_count(obj, name) for name in ("input_tokens", "output_tokens"))
    if prompt is not None:
        usage.prompt_tokens = prompt
    if completion is not None:
        usage.completion_tokens = completion
    if prompt is not None and completion is not None:
        usage.total_tokens = prompt + completion
    if (cached := _whole(obj.get("cached_tokens"))) is not None:
        usage.prompt_tokens_details.cached_tokens = cached


def _count(usage: JsonObject, name: str) -> int | None:
    for holder in (usage.get("tokens"), usage.get("billed_units")):
        if type(holder) is dict and (count := _whole(holder.get(name))) is not None:
            return count
    return None


def _whole(value: Any) -> int | None:
    """A count; Cohere writes them as floats too."""
    is_number = type(value) is int or (type(value) is float and value.is_integer())
    return int(value) if is_number and 0 <= value < _MAX else None
