"""Requests and answers of the OpenAI format as Anthropic JSON, and the other way, member by member."""

from typing import Any

import pytest

from gateway.wire.anthropic import answers, chat, mapping
from gateway.wire.anthropic.canonical import without_json_tool
from gateway.wire.anthropic.mapping import JSON_INSTRUCTION, JSON_TOOL
from gateway.wire.openai import chat as openai_chat

HI = [{"role": "user", "content": "hi"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


def to_anthropic(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The Anthropic body of an OpenAI one, and what was left out."""
    unsupported: list[str] = []
    return chat.encode_request(openai_chat.decode_request({"model": "m", **body}), unsupported), unsupported


def to_openai(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The OpenAI body of an Anthropic one, and what was left out."""
    unsupported: list[str] = []
    return openai_chat.encode_request(chat.decode_request({"model": "m", **body}), unsupported), unsupported


@pytest.mark.parametrize(
    ("messages", "system", "expected"),
    [
        (HI, None, [{"role": "user", "content": "hi"}]),
        ([{"role": "system", "content": "s"}, *HI], "s", [{"role": "user", "content": "hi"}]),
        (
            [{"role": "system", "content": "a"}, *HI, {"role": "developer", "content": "b"}],
            "a\n\nb",
            [{"role": "user", "content": "hi"}],
        ),
        ([{"role": "system", "content": "only"}], None, [{"role": "user", "content": "only"}]),
        (
            [*HI, {"role": "user", "content": "there"}],
            None,
            [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]}],
        ),
        (
            [*HI, {"role": "assistant", "content": None, "tool_calls": [CALL]},
             {"role": "tool", "tool_call_id": "c1", "content": "r"}, {"role": "user", "content": "go"}],
            None,
            [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [USE]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "r"},
                                          {"type": "text", "text": "go"}]}],
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                                          {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                                          {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERg=="}}]}],
            None,
            [{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "data": "AAAA", "media_type": "image/png"}},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                {"type": "document", "title": "a.pdf", "source": {
                    "type": "base64", "data": "JVBERg==", "media_type": "application/pdf"}}]}],
        ),
        (
            [*HI, {"role": "assistant", "content": "", "refusal": "no"}, {"role": "user", "content": "why"}],
            None,
            [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "no"},
             {"role": "user", "content": "why"}],
        ),
        (
            [*HI, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
             {"role": "function", "name": "f", "content": "r"}],
            None,
            [{"role": "user", "content": "hi"},
             {"role": "assistant", "content": [
                 {"type": "tool_use", "id": "function_call_1", "name": "f", "input": {}}]},
             {"role": "user", "content": [
                 {"type": "tool_result", "tool_use_id": "function_call_1", "content": "r"}]}],
        ),
    ],
)  # fmt: skip
def test_conversations(messages: Any, system: str | None, expected: Any) -> None:
    """System texts are lifted, neighbours merged, results of tools are the user's and come first."""
    body, unsupported = to_anthropic({"messages": messages})
    assert (body.get("system"), body["messages"], unsupported) == (system, expected, [])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"max_tokens": mapping.MAX_TOKENS_DEFAULT}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": 7, "max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 1.6, "top_p": 0.5, "top_k": 3}, {"temperature": 1, "top_p": 0.5, "top_k": 3}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"max_tokens": 5000, "reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ({"max_tokens": 3000, "reasoning_effort": "high"}, {"thinking": {"type": "enabled", "budget_tokens": 2999}}),
        ({"max_tokens": 100, "reasoning_effort": "high"}, {"max_tokens": 100}),
        ({"tools": [TOOL]}, {"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "tool", "name": "f"}},
        ),
        (
            {"tools": [TOOL], "parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"response_format": {"type": "json_object"}}, {"system": JSON_INSTRUCTION}),
        ({"response_format": FORMAT}, {"tool_choice": {"type": "tool", "name": JSON_TOOL}}),
        ({"response_format": FORMAT, "tools": [TOOL]}, {"tool_choice": {"type": "any"}}),
        ({"n": 1, "presence_penalty": 0, "logprobs": False, "store": True, "seed": None}, {}),
    ],
)
def test_parameters(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has its Anthropic member, or asks for nothing."""
    body, unsupported = to_anthropic({"messages": HI, **given})
    assert {name: body.get(name) for name in expected} == expected
    assert unsupported == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"seed": 1}, ["seed"]),
        ({"n": 2, "logit_bias": {"1": 2}}, ["n", "logit_bias"]),
        ({"frequency_penalty": 0.5, "top_logprobs": 2, "logprobs": True},
         ["frequency_penalty", "logprobs", "top_logprobs"]),
        ({"some_new": 1, "temperature": 1.0}, ["some_new"]),
        ({"modalities": ["text", "audio"], "audio": {"voice": "v"}}, ["audio", "modalities"]),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, ["tools[0]"]),
        ({"max_tokens": 5000, "reasoning_effort": "low", "temperature": 0.5}, ["temperature"]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "t"}, {
            "type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]}, ["messages[0].content[1]"]),
    ],
)  # fmt: skip
def test_what_has_no_place_is_named(given: dict[str, Any], expected: list[str]) -> None:
    """By its path, in the order of the members."""
    assert to_anthropic({"messages": HI, **given})[1] == expected


def test_no_thinking_after_calls_without_their_thinking() -> None:
    """The vendor refuses it: an OpenAI client cannot give the thinking back."""
    turns = [*HI, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c1", "content": "r"}]
    body, _ = to_anthropic({"messages": turns, "reasoning_effort": "high", "max_tokens": 20000})
    assert "thinking" not in body


def test_a_schema_is_answered_by_a_tool_and_comes_back_as_text() -> None:
    """JSON_TOOL is neither a call nor a finish reason to the client."""
    body, _ = to_anthropic({"messages": HI, "response_format": FORMAT})
    assert body["tools"][0]["input_schema"] == SCHEMA
    answer = {"content": [{"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {"city": "Oslo"}}],
              "stop_reason": "tool_use"}  # fmt: skip
    response = chat.decode_response(answer)
    without_json_tool(response)
    choice = openai_chat.encode_response(response)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {"role": "assistant", "content": '{"city":"Oslo"}', "refusal": None}


def test_anthropic_requests_for_openai() -> None:
    """Nothing of the other format leaks; what has no place is named."""
    body, unsupported = to_openai(
        {
            "max_tokens": 50,
            "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "look", "x": 1},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "ok"}, USE]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": [
                        {"type": "text", "text": "r"},
                        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]},
                    {"type": "search_result", "x": 1}, {"type": "text", "text": "go"}]}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}, "type": "custom"},
                      {"type": "bash_20250124", "name": "bash"}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "stop_sequences": ["x"], "metadata": {"user_id": "u"}, "stream": True, "top_k": 3,
            "thinking": {"type": "enabled", "budget_tokens": 2000}, "container": "c",
        }
    )  # fmt: skip
    assert body == {
        "model": "m",
        "max_tokens": 50,
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": "ok", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}}, {"type": "text", "text": "go"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "stop": ["x"],
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "low",
    }  # fmt: skip
    assert sorted(unsupported) == ["container", "messages[3].content[1]", "tools[1]", "top_k"]


def test_answers_both_ways() -> None:
    """Finish reasons, usage with cached tokens, thinking, calls."""
    native = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
        "stop_sequence": None, "x_new": 1,
        "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "a"},
                    {"type": "text", "text": "b"}, USE],
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2,
                  "output_tokens": 5},
    }  # fmt: skip
    body = openai_chat.encode_response(chat.decode_response(native))
    message = {"role": "assistant", "content": "ab", "reasoning_content": "t", "tool_calls": [CALL], "refusal": None}
    assert body["choices"] == [{"index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": message}]
    assert body["usage"] == {
        "prompt_tokens": 14, "completion_tokens": 5, "total_tokens": 19,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
    }  # fmt: skip
    assert "x_new" not in body
    back = chat.encode_response(openai_chat.decode_response(body))
    assert back["content"] == [
        {"type": "thinking", "thinking": "t", "signature": ""}, {"type": "text", "text": "ab"}, USE
    ]  # fmt: skip
    assert back["usage"] == native["usage"]
    assert (back["stop_reason"], back["type"]) == ("tool_use", "message")


@pytest.mark.parametrize(("theirs", "ours"), sorted(chat.FINISH_REASONS.items()))
def test_finish_reasons(theirs: str, ours: str) -> None:
    """Every stop_reason has OpenAI's word, and OpenAI's word has one that means the same."""
    assert chat.finish_reason_of(theirs) == ours
    assert chat.finish_reason_of(answers.stop_reason_of(ours)) == ours


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"effort": "low"}, {"reasoning_effort": "low"}),
        (
            {"format": {"type": "json_schema", "schema": SCHEMA}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        ),
        ({"format": {"type": "other"}}, {}),
        ({"format": None, "effort": None}, {}),
    ],
)
def test_what_an_anthropic_client_wants_of_the_answer(config: dict[str, Any], expected: dict[str, Any]) -> None:
    """Its schema and its effort are OpenAI's; in its own format they stay as they were written."""
    body, unsupported = to_openai({"max_tokens": 9, "messages": HI, "output_config": config})
    assert {name: body[name] for name in ("reasoning_effort", "response_format") if name in body} == expected
    assert unsupported == []
    given = {"model": "m", "messages": HI, "output_config": config}
    assert chat.encode_request(chat.decode_request(given)) == given
