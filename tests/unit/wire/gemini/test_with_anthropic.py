"""Anthropic's clients with Gemini models and the other way round: through the canonical messages alone."""

from __future__ import annotations

from typing import Any

from gateway.wire.anthropic import chat as anthropic
from gateway.wire.gemini import chat

TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
ASKED: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
        ]},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "any"},
    "stop_sequences": [],
    "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}  # fmt: skip


def test_an_anthropic_request_at_a_gemini_model() -> None:
    """Thinking of another model is left out, everything else has its place; unknown members are named."""
    unsupported: list[str] = []
    body = chat.encode_request(anthropic.decode_request({**ASKED, "new_thing": 1}), unsupported)
    assert body == {
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "t1", "name": "f", "response": {"output": "ok"}}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
            ]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {
            "type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {"maxOutputTokens": 100,
                             "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}},
    }  # fmt: skip
    assert unsupported == ["new_thing"]


def test_a_gemini_request_at_an_anthropic_model() -> None:
    """Calls without ids are paired with their results."""
    request = chat.decode_request(
        {
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]},
            ],
            "generationConfig": {"maxOutputTokens": 7, "stopSequences": ["q"]},
        }
    )
    body = anthropic.encode_request(request, max_tokens=99)
    use, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert (use["name"], use["input"], result["content"]) == ("f", {"a": 1}, "x")
    assert use["id"] == result["tool_use_id"]
    assert (body["system"], body["max_tokens"], body["stop_sequences"]) == ("be brief", 7, ["q"])


def test_answers_go_over_both_ways() -> None:
    """Thoughts with signatures, text, calls, usage and the end."""
    answer = {
        "id": "m1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hello"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
        "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2},
    }  # fmt: skip
    native = chat.encode_response(anthropic.decode_response(answer))
    assert native["candidates"][0]["content"]["parts"] == [
        {"text": "hm", "thought": True, "thoughtSignature": "s"},
        {"text": "hello"},
        {"functionCall": {"id": "t", "name": "f", "args": {"a": 1}}},
    ]
    assert native["usageMetadata"]["promptTokenCount"] == 5
    back = anthropic.encode_response(chat.decode_response(native))
    assert [block["type"] for block in back["content"]] == ["thinking", "text", "tool_use"]
    assert back["stop_reason"] == "tool_use"
    assert back["usage"]["cache_read_input_tokens"] == 2
