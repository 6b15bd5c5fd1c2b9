"""Requests of other formats as bodies of the Responses format, and its answers as those of chats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.wire import json
from gateway.wire.anthropic import chat as messages
from gateway.wire.openai import chat
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.proof import packed
from gateway.wire.responses import DIALECT, mapping, reading
from gateway.wire.responses.incoming import EventReader
from gateway.wire.responses.request import encode_request

PAGE = Path(__file__).parents[4] / "docs/dialects.md"
SECTION = PAGE.read_text("utf-8").partition("\n## Responses\n")[2].partition("\n## ")[0]
HI: Any = {"role": "user", "content": "hi"}
FUNCTION: Any = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
GRAMMAR: Any = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}


def mapped(*turns: Any, **members: Any) -> tuple[dict[str, Any], list[str]]:
    """The body for a chat, and what it has no place for."""
    unsupported: list[str] = []
    request = chat.decode_request({"model": "m", "messages": list(turns) or [HI], **members})
    return encode_request(request, unsupported), unsupported


def items(*turns: Any, **members: Any) -> list[dict[str, Any]]:
    body, unsupported = mapped(*turns, **members)
    assert unsupported == []
    listed: list[dict[str, Any]] = body["input"]
    return listed


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"max_tokens": 100}, {"max_output_tokens": 100}),
        ({"max_completion_tokens": 5}, {"max_output_tokens": 16}),
        ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}),
        ({"tools": [{"type": "function", "function": FUNCTION}]}, {"tools": [{"type": "function", **FUNCTION}]}),
        (
            {"tools": [{"type": "custom", "custom": {"name": "c", "format": GRAMMAR}}]},
            {"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", **GRAMMAR["grammar"]}}]},
        ),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}),
        (
            {"reasoning_effort": "low"},
            {"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]},
        ),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {"a": 1}, "strict": True},
                }
            },
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True}}},
        ),
        ({"logprobs": True, "top_logprobs": 3}, {"top_logprobs": 3, "include": ["message.output_text.logprobs"]}),
        ({"store": True, "metadata": {"a": "b"}, "user": "u"}, {"store": True, "metadata": {"a": "b"}, "user": "u"}),
        ({"service_tier": "flex", "prompt_cache_key": "k"}, {"service_tier": "flex", "prompt_cache_key": "k"}),
        ({"n": 1, "presence_penalty": 0, "logit_bias": {}, "stream_options": {"include_usage": True}}, {}),
    ],
)
def test_settings(members: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has its place, under its name here."""
    body, unsupported = mapped(**members)
    assert unsupported == []
    said = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert body == {"model": "m", "input": said, "store": False, **expected}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
                {"type": "function", "function": {"name": "f"}}]}},
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)  # fmt: skip
def test_tool_choice(chosen: Any, expected: Any) -> None:
    """Names stand flat."""
    body, _ = mapped(tools=[{"type": "function", "function": FUNCTION}], tool_choice=chosen)
    assert body["tool_choice"] == expected


def test_what_has_no_place_is_named() -> None:
    """And no more than that."""
    members = {
        "n": 2, "stop": ["x"], "seed": 1, "presence_penalty": 1, "frequency_penalty": 1, "logit_bias": {"1": 1},
        "modalities": ["text", "audio"], "audio": {"voice": "v"}, "top_k": 1, "x_unknown": 1,
    }  # fmt: skip
    _, unsupported = mapped(**members)
    assert sorted(unsupported) == sorted(members)


def test_a_conversation() -> None:
    """Instructions first, every part, calls and their answers, in order."""
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free"}}
    turns = [
        {"role": "system", "content": "one"},
        {"role": "developer", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, image, data, file]},
        {"role": "assistant", "content": "wait", "tool_calls": [call, custom]},
        {"role": "tool", "tool_call_id": "c1", "content": "r1"},
        {"role": "tool", "tool_call_id": "c2", "content": "r2"},
        {"role": "system", "content": "late"},
    ]
    body, unsupported = mapped(*turns)
    assert unsupported == []
    assert body["instructions"] == "one\n\ntwo"
    assert body["input"] == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "wait", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
        {"type": "function_call_output", "call_id": "c1", "output": "r1"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "r2"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "late"}]},
    ]


def test_instructions_alone_are_a_conversation() -> None:
    """The format wants an input."""
    (item,) = items({"role": "system", "content": "only"})
    assert (item["role"], item["content"][0]["text"]) == ("system", "only")


def test_an_anthropic_conversation() -> None:
    """Images in results of tools stay there; only this vendor's own proof goes back with thinking."""
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    thinking = {"type": "thinking", "thinking": "hm", "signature": packed("rs_1", "secret")}
    foreign = {"type": "thinking", "thinking": "hm", "signature": "of another vendor"}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    content = [{"type": "text", "text": "seen"}, {"type": "image", "source": source}]
    request = messages.decode_request(
        {
            "model": "m",
            "max_tokens": 100,
            "system": "be kind",
            "thinking": {"type": "enabled", "budget_tokens": 5000},
            "messages": [
                {"role": "user", "content": "look"},
                {"role": "assistant", "content": [thinking, foreign, call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": content}]},
            ],
        }
    )  # fmt: skip
    unsupported: list[str] = []
    body = encode_request(request, unsupported)
    assert unsupported == []
    assert body["instructions"] == "be kind"
    assert body["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert [item["type"] for item in body["input"]] == ["message", "reasoning", "function_call", "function_call_output"]
    summary = [{"type": "summary_text", "text": "hm"}]
    assert body["input"][1] == {
        "type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "secret"
    }  # fmt: skip
    assert [part["type"] for part in body["input"][3]["output"]] == ["input_text", "input_image"]


def test_a_request_made_without_json() -> None:
    """A gRPC caller of this dialect fills typed fields; the body has all of them."""
    request = chat_pb2.ChatRequest(model="m", dialect=DIALECT, reasoning_effort="low", max_completion_tokens=20)
    request.messages.add(role="system", blocks=[types_pb2.Block(text="be kind")])
    request.messages.add(role="user", blocks=[types_pb2.Block(text="hi")])
    request.tools.add(type="function", function=types_pb2.FunctionTool(name="f", parameters_json="{}"))
    assert encode_request(request) == {
        "model": "m", "instructions": "be kind", "input": "hi", "max_output_tokens": 20,
        "reasoning": {"effort": "low"}, "tools": [{"type": "function", "name": "f", "parameters": {}}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "new"}}, "length"),
        ({"output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}, "tool_calls"),
    ],
)
def test_finish_reasons(members: dict[str, Any], reason: str) -> None:
    """By status, reason and output."""
    assert reading.decode_response(members).choices[0].finish_reason == reason


def test_an_answer() -> None:
    """Reasoning, words, refusals, citations, logprobs, calls, usage."""
    note = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 1}
    part = {
        "type": "output_text",
        "text": "a",
        "annotations": [note, {"type": "file_citation"}],
        "logprobs": [{"t": 1}],
    }
    summary = [{"type": "summary_text", "text": "hm"}]
    answer = reading.decode_response(
        {
            "id": "resp_1",
            "created_at": 7,
            "model": "up",
            "output": [
                {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "e"},
                {"type": "web_search_call", "id": "ws"},
                {"type": "message", "content": [part, {"type": "output_text", "text": "b"}]},
                {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]},
                {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "free"},
            ],
            "usage": {
                "input_tokens": 5,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens": 3,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 8,
            },
        }
    )  # fmt: skip
    message = answer.choices[0].message
    assert [block.WhichOneof("kind") for block in message.blocks] == [
        "thinking",
        "opaque",
        "text",
        "refusal",
        "tool_use",
    ]
    assert message.blocks[0].thinking.signature == packed("rs_1", "e")
    assert message.blocks[2].text == "ab"
    written = chat.encode_response(answer)
    assert (written["id"], written["created"], written["model"]) == ("resp_1", 7, "up")
    said = written["choices"][0]["message"]
    assert said["annotations"][0]["url_citation"]["url"] == "https://x"
    assert said["tool_calls"][0]["custom"] == {"name": "g", "input": "free"}
    assert written["choices"][0]["logprobs"]["content"] == [{"t": 1}]
    assert written["usage"]["prompt_tokens_details"]["cached_tokens"] == 2
    assert written["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1


def test_repeated_texts_are_short() -> None:
    """An increment of the same part is its text alone, but a refusal is a whole chunk."""
    reader = EventReader(0, is_native=False)

    def read(type_: str, words: str, **where: int) -> Any:
        return reader.read(json.dumps({"type": f"response.{type_}.delta", "delta": words, **where}), None)

    told = [read("output_text", f"{at}", output_index=0, content_index=at // 2) for at in range(4)]
    assert [event if isinstance(event, str) else event.choices[0].delta.blocks[0].block for event in told] == [
        0, "1", 1, "3"
    ]  # fmt: skip
    assert [read("refusal", word, output_index=1).choices[0].delta.blocks[0].refusal for word in "xy"] == ["x", "y"]
    assert [type(read("function_call_arguments", word, output_index=at)) for word, at in (("1", 2), ("2", 2))][1] is str


def test_the_end_of_an_item_counts_where_nothing_came_before() -> None:
    """Servers that send no increments lose nothing; those that do repeat nothing."""
    reader = EventReader(0, is_native=False)
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": call}
    made: Any = reader.read(json.dumps(done), None)
    assert made.choices[0].delta.blocks[0].tool.arguments == "{}"
    assert reader.read(json.dumps(done), None) is None


def test_the_page_says_what_is_not_supported() -> None:
    """The list is the code's."""
    section = SECTION.partition("Not supported:")[2].partition("\naudio in")[0]
    assert re.findall(r"`(\w+)`", section) == [name.removesuffix("_json") for name in mapping.UNSUPPORTED] + ["stop"]
    assert f"at least {mapping.OUTPUT_MIN_TOKENS}" in SECTION
