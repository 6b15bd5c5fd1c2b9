"""Whole answers of Converse in Anthropic's words.

Rules: counts are Anthropic's under other names; an unknown stop reason is kept as it is; unknown blocks are left out.
Not here: streams (events.py).
"""

from typing import Any, Final

from gateway.wire.bedrock.citations import anthropic_citation, words_of
from gateway.wire.openai.mirror import JsonObject

STOP_REASONS: Final = {
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
    "malformed_model_output": "end_turn",
    "malformed_tool_use": "end_turn",
}
"""`stopReason` -> Anthropic's `stop_reason`, where the word is another."""

COUNTS: Final = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
    "cacheWriteInputTokens": "cache_creation_input_tokens",
}


def stop_reason_of(reason: Any) -> Any:
    """Anthropic's word for a stop reason."""
    return STOP_REASONS.get(reason, reason) if type(reason) is str else None


def usage_of(usage: Any) -> JsonObject:
    """Anthropic's `usage`."""
    given = usage if type(usage) is dict else {}
    return {theirs: given[ours] for ours, theirs in COUNTS.items() if type(given.get(ours)) is int}


def anthropic_answer(obj: JsonObject, *, id_: str, model: str) -> JsonObject:
    """A whole answer as Anthropic would give it."""
    output = obj.get("output")
    message = output.get("message") if type(output) is dict else None
    content = message.get("content") if type(message) is dict else None
    found = [_block(block) for block in content if type(block) is dict] if type(content) is list else []
    usage = usage_of(obj.get("usage"))
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block for block in found if block is not None],
        "stop_reason": stop_reason_of(obj.get("stopReason")),
        "stop_sequence": None,
        **({"usage": usage} if usage else {}),
    }


def _block(block: JsonObject) -> JsonObject | None:
    if type(cited := block.get("citationsContent")) is dict:
        return _cited(cited)
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if type(use := block.get("toolUse")) is dict:
        return {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
    if type(reasoning := block.get("reasoningContent")) is not dict:
        return None
    if "redactedContent" in reasoning:
        return {"type": "redacted_thinking", "data": reasoning["redactedContent"]}
    said = reasoning.get("reasoningText")
    said = said if type(said) is dict else {}
    return {"type": "thinking", "thinking": said.get("text", ""), "signature": said.get("signature", "")}


def _cited(block: JsonObject) -> JsonObject:
    """A text and what it cites."""
    given = block.get("citations")
    found = [anthropic_citation(each) for each in given] if type(given) is list else []
    text: JsonObject = {"type": "text", "text": words_of(block.get("content"))}
    citations = [each for each in found if each is not None]
    return {**text, "citations": citations} if citations else text
