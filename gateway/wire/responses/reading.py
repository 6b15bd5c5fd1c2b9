"""Whole answers of a provider that speaks this format, as the one choice every dialect understands.

Rules:
- Output items become blocks in their order: words, refusals, calls, reasoning with its proof (proof.py). Items of tools
  that the vendor ran itself are opaque blocks.
- Status `completed` is `tool_calls` where a tool is called, else `stop`; `incomplete` says why.
- Citations of links are the message's annotations, spelled as chats spell them.

Not here: streams (incoming.py), answers for clients of this format (answers.py; they get the provider's own JSON).
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.wire.json import text
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.proof import packed
from gateway.wire.responses import DIALECT
from gateway.wire.responses.items import read_parts

CALLS: Final = ("function_call", "custom_tool_call")
FINISH_REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""The reason in `incomplete_details` -> OpenAI's finish reason; an unknown one is `length`."""
_INT64_MAX: Final = 2**63 - 1
_COUNT_MAX: Final = 2**60  # sums of counts stay within 64 bits


def decode_response(obj: JsonObject) -> chat_pb2.ChatResponse:
    """Read a whole answer that ended; any JSON object is accepted."""
    response = chat_pb2.ChatResponse(object="chat.completion")
    set_head(response, obj)
    choice = response.choices.add(index=0)
    choice.message.role = "assistant"
    output = obj.get("output")
    items = [item for item in output if type(item) is dict] if type(output) is list else []
    citations: list[JsonObject] = []
    logprobs: list[Any] = []
    for item in items:
        _read_item(item, choice.message)
        for part in _parts(item):
            citations += [chat for note in _listed(part, "annotations") if (chat := chat_citation(note)) is not None]
            logprobs += _listed(part, "logprobs")
    if citations:
        choice.message.annotations_json = text(citations)
    if logprobs:
        choice.logprobs_json = text({"content": logprobs, "refusal": None})
    _join_texts(choice.message)
    choice.finish_reason = finish_reason(obj, has_call=any(item.get("type") in CALLS for item in items))
    read_usage(obj, response)
    return response


def set_head(message: Any, obj: JsonObject) -> None:
    """Put what an answer says of itself into a ChatResponse or a ChatChunk."""
    for field in ("id", "model", "service_tier"):
        if is_text(obj.get(field)):
            setattr(message, field, obj[field])
    created = obj.get("created_at")
    if isinstance(created, int | float) and 0 <= created < _INT64_MAX:
        message.created = int(created)


def finish_reason(obj: JsonObject, *, has_call: bool) -> str:
    """How an answer ended, in OpenAI's word."""
    if obj.get("status") == "incomplete":
        details = obj.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        return FINISH_REASONS.get(reason, "length") if isinstance(reason, str) else "length"
    return "tool_calls" if has_call else "stop"


def read_usage(obj: JsonObject, message: Any) -> None:
    """Put the usage of an answer into a ChatResponse or a ChatChunk; nothing when it says none."""
    usage = obj.get("usage")
    if type(usage) is not dict:
        return
    made = message.usage
    if is_text(tier := obj.get("service_tier")):
        made.service_tier = tier
    made.prompt_tokens, made.completion_tokens = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    made.total_tokens = _count(usage, "total_tokens") or made.prompt_tokens + made.completion_tokens
    inner, outer = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    if type(inner) is dict:
        made.prompt_tokens_details.cached_tokens = _count(inner, "cached_tokens")
        if inner.get("cache_write_tokens"):
            made.prompt_tokens_details.cache_write_tokens = _count(inner, "cache_write_tokens")
    if type(outer) is dict:
        made.completion_tokens_details.reasoning_tokens = _count(outer, "reasoning_tokens")


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if type(value) is int and 0 <= value < _COUNT_MAX else 0


def _read_item(item: JsonObject, message: types_pb2.Message) -> None:
    kind = item.get("type")
    if kind == "message":
        message.blocks.extend(read_parts(item.get("content")))
    elif kind in CALLS:
        call = message.blocks.add().tool_use
        call.type = "custom" if kind == "custom_tool_call" else "function"
        call.id, call.name = text_of(item, "call_id") or text_of(item, "id"), text_of(item, "name")
        call.arguments = text_of(item, "input" if kind == "custom_tool_call" else "arguments")
    elif kind == "reasoning":
        _read_reasoning(item, message)
    else:
        message.blocks.add().opaque.CopyFrom(types_pb2.OpaqueBlock(dialect=DIALECT, json=text(item)))


def _read_reasoning(item: JsonObject, message: types_pb2.Message) -> None:
    words = "\n\n".join(part.text for part in read_parts(item.get("summary") or item.get("content")))
    proof = proof_of(item)
    if words or proof:
        thinking = message.blocks.add().thinking
        thinking.text = words
        if proof:
            thinking.signature = proof


def proof_of(item: JsonObject) -> str:
    """The signature that stands for a reasoning item; empty when it has no proof."""
    encrypted = text_of(item, "encrypted_content")
    return packed(text_of(item, "id"), encrypted) if encrypted else ""


def _join_texts(message: types_pb2.Message) -> None:
    """Texts become one block at the place of the first: a chat has one text."""
    places = [at for at, block in enumerate(message.blocks) if block.HasField("text")]
    if len(places) > 1:
        message.blocks[places[0]].text = "".join([message.blocks[at].text for at in places])
        for at in reversed(places[1:]):
            del message.blocks[at]


def chat_citation(note: Any) -> JsonObject | None:
    """A citation of a link as chats spell it; None for any other annotation."""
    if type(note) is not dict or note.get("type") != "url_citation":
        return None
    return {"type": "url_citation", "url_citation": {name: value for name, value in note.items() if name != "type"}}


def _parts(item: JsonObject) -> list[JsonObject]:
    return [part for part in _listed(item, "content") if type(part) is dict] if item.get("type") == "message" else []


def _listed(obj: JsonObject, name: str) -> list[Any]:
    value = obj.get(name)
    return value if type(value) is list else []


def text_of(item: JsonObject, name: str) -> str:
    """A member that is text; empty when it is anything else."""
    value = item.get(name)
    return value if isinstance(value, str) and is_text(value) else ""
