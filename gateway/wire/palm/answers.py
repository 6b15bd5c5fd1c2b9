"""Answers of PaLM: each candidate is a choice; an answer without any was filtered.

Rules:
- The developers' API counts nothing; Vertex counts tokens, and characters for the bill.
- The format says no finish reason: it is `stop`, or `content_filter` for what was blocked.

Not here: requests (request.py).
"""

from typing import Any, Final

from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, completions_pb2, types_pb2

_COUNT_MAX: Final = 2**60  # sums of counts stay within 64 bits


def candidates_of(obj: JsonObject) -> list[JsonObject] | None:
    """The candidates of an answer, those of Vertex's `predictions` too; None when it is of another format."""
    if (predictions := _dicts(obj.get("predictions"))) is not None:
        return [found for prediction in predictions for found in _predicted(prediction)]
    found = _dicts(obj.get("candidates"))
    if found is None and (_dicts(obj.get("filters")) or type(obj.get("messages")) is list):
        return []
    return found


def _predicted(prediction: JsonObject) -> list[JsonObject]:
    """The candidates of a chat, or the text itself."""
    attributes = prediction.get("safetyAttributes")
    judged = attributes if type(attributes) is list else [attributes]
    found = _dicts(prediction.get("candidates"))
    listed = [prediction] if found is None else found
    return [
        {**candidate, "safetyAttributes": judged[at] if at < len(judged) else None}
        for at, candidate in enumerate(listed)
    ]


def _dicts(value: Any) -> list[JsonObject] | None:
    if type(value) is not list or not all(type(item) is dict for item in value):
        return None
    return value


def decode_response(candidates: list[JsonObject], obj: JsonObject) -> chat_pb2.ChatResponse:
    """A chat's answer."""
    response = chat_pb2.ChatResponse(object="chat.completion")
    for index, candidate in enumerate(candidates or [{"safetyAttributes": {"blocked": True}}]):
        words, reason = _said(candidate)
        choice = response.choices.add(index=index, finish_reason=reason)
        choice.message.role = "assistant"
        if words:
            choice.message.blocks.add().text = words
    read_usage(obj, response)
    return response


def decode_completion(candidates: list[JsonObject], obj: JsonObject) -> completions_pb2.CompletionResponse:
    """A legacy completion's answer."""
    response = completions_pb2.CompletionResponse(object="text_completion")
    for index, candidate in enumerate(candidates or [{"safetyAttributes": {"blocked": True}}]):
        words, reason = _said(candidate)
        response.choices.add(index=index, text=words, finish_reason=reason)
    read_usage(obj, response)
    return response


def _said(candidate: JsonObject) -> tuple[str, str]:
    """The words of a candidate and how it ended."""
    attributes = candidate.get("safetyAttributes")
    is_blocked = isinstance(attributes, dict) and attributes.get("blocked") is True
    words = next((candidate[name] for name in ("content", "output") if is_text(candidate.get(name))), "")
    return words, "content_filter" if is_blocked else "stop"


def read_usage(obj: JsonObject, message: Any) -> None:
    """Put Vertex's counts into an answer; nothing where there are none."""
    counts = _inside(_inside(obj, "metadata"), "tokenMetadata")
    if not counts:
        return
    usage: types_pb2.Usage = message.usage
    usage.prompt_tokens = _total(counts, "inputTokenCount")
    usage.completion_tokens = _total(counts, "outputTokenCount")
    usage.total_tokens = usage.prompt_tokens + usage.completion_tokens


def _inside(obj: JsonObject, name: str) -> JsonObject:
    value = obj.get(name)
    return value if type(value) is dict else {}


def _total(counts: JsonObject, name: str) -> int:
    value = _inside(counts, name).get("totalTokens")
    return value if type(value) is int and 0 <= value < _COUNT_MAX else 0
