"""Whole answers of other dialects as Anthropic JSON.

Rules: only the first choice is shown; every member the format promises is there.
Not here: streams (rendering.py), answers of this dialect (chat.py).
"""

from typing import Any, Final

from gateway.wire.anthropic.blocks import write_block
from gateway.wire.anthropic.turns import input_object
from gateway.wire.anthropic.usage import mapped_usage
from gateway.wire.foreign import links_of, stripped
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2

STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""OpenAI's finish reason -> `stop_reason`."""


def stop_reason_of(finish_reason: str) -> str:
    """Anthropic's word for a finish reason; an unknown one is `end_turn`."""
    return STOP_REASONS.get(finish_reason, "end_turn")


def mapped_response(response: chat_pb2.ChatResponse) -> JsonObject:
    """The JSON object of a whole answer of another dialect: its first choice."""
    choice = response.choices[0] if response.choices else chat_pb2.Choice()
    content = [part for block in stripped(choice.message).blocks for part in _answer_block(block)]
    if links := links_of(choice, response.dialect):
        for part in [part for part in content if part["type"] == "text"][:1]:
            part.setdefault("citations", [citation_of(each) for each in links])
    stop_sequence = choice.stop_sequence or None
    return {
        "id": response.id or "msg_",
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": content,
        "stop_reason": "stop_sequence" if stop_sequence else stop_reason_of(choice.finish_reason),
        "stop_sequence": stop_sequence,
        "usage": mapped_usage(response.usage),
    }


def citation_of(link: JsonObject) -> JsonObject:
    """A citation of a link (links.py) as this format spells what a web search found."""
    told = link[link["type"]]
    return {
        "type": "web_search_result_location", "url": told.get("url"), "title": told.get("title"), "cited_text": "",
        "encrypted_index": "",
    }  # fmt: skip


def _answer_block(block: types_pb2.Block) -> list[Any]:
    kind = block.WhichOneof("kind")
    if kind == "refusal":
        return [{"type": "text", "text": block.refusal}]
    if kind == "text":
        return write_block(block) if block.text else []
    if kind == "thinking":
        if not block.thinking.HasField("redacted"):
            block.thinking.signature = block.thinking.signature
        return write_block(block)
    if kind == "tool_use":
        call = block.tool_use
        return [{"type": "tool_use", "id": call.id, "name": call.name, "input": input_object(call)}]
    return []
