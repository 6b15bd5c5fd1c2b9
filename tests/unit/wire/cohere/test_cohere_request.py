"""What requests become in Cohere's format, and what is named as having no place there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from gateway.wire.anthropic import chat as anthropic_chat
from gateway.wire.cohere import embeddings
from gateway.wire.cohere.request import UNSUPPORTED, encode_request
from gateway.wire.foreign import EFFORT_BUDGETS
from gateway.wire.json import dumps
from gateway.wire.openai import chat
from gateway.wire.openai import embeddings as openai_embeddings
from gateway.wire.pb import chat_pb2, types_pb2
from tests.contract import lossless
from tests.contract.lossless import settled

HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
OTHER = {"type": "function", "function": {"name": "g", "description": "d"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}


def sent(messages: Any = (HI,), **members: Any) -> tuple[dict[str, Any], list[str]]:
    """The body for an OpenAI request, and what is unsupported in it."""
    unsupported: list[str] = []
    body = encode_request(chat.decode_request({"model": "m", "messages": list(messages), **members}), unsupported)
    return body, unsupported


def test_parameters() -> None:
    """Each has its name and range."""
    body, unsupported = sent(
        temperature=1.7, top_p=1, seed=7, max_tokens=3, max_completion_tokens=9, stop=["a", "b"],
        frequency_penalty=2, presence_penalty=0.5, user="u", metadata={"a": "b"}, store=False,
    )  # fmt: skip
    assert body == {
        "model": "m", "messages": [HI], "max_tokens": 9, "temperature": 1, "p": 0.99, "seed": 7,
        "frequency_penalty": 1, "presence_penalty": 0.5, "stop_sequences": ["a", "b"],
    }  # fmt: skip
    assert unsupported == []
    assert sent(top_p=0)[0]["p"] == 0.01
    assert sent(stop="x")[0]["stop_sequences"] == ["x"]


@pytest.mark.parametrize(
    ("members", "paths"),
    [
        ({"n": 2}, ["n"]),
        ({"n": 1, "logprobs": False, "parallel_tool_calls": True, "logit_bias": {}}, []),
        ({"logprobs": True, "top_logprobs": 2}, ["logprobs", "top_logprobs"]),
        ({"parallel_tool_calls": False}, ["parallel_tool_calls"]),
        ({"presence_penalty": -1}, ["presence_penalty"]),
        ({"modalities": ["text", "audio"]}, ["modalities"]),
        ({"best_of": 2, "nobody": None}, ["best_of", "nobody"]),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, ["tools[0]"]),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, ["response_format"]),
    ],
)
def test_what_has_no_place_is_named(members: dict[str, Any], paths: list[str]) -> None:
    """By its path; what asks for nothing is not."""
    body, unsupported = sent(**members)
    assert unsupported == paths
    assert not body.keys() & {"n", "logprobs", "response_format", "presence_penalty", "tools"} - {
        name for name in ("tools",) if TOOL in members.get("tools", ())
    }


def test_unsupported_are_fields() -> None:
    """The table names members of the message."""
    assert UNSUPPORTED.keys() <= set(chat_pb2.ChatRequest.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("effort", [*EFFORT_BUDGETS])
def test_effort(effort: str) -> None:
    """Is a budget; none is no thinking."""
    assert sent(reasoning_effort=effort)[0]["thinking"] == {"type": "enabled", "token_budget": EFFORT_BUDGETS[effort]}
    assert sent(reasoning_effort="none")[0]["thinking"] == {"type": "disabled"}
    assert "thinking" not in sent()[0]


def test_tools_and_their_choice() -> None:
    """One tool, or some, are chosen by sending no others."""
    body, unsupported = sent(tools=[TOOL, OTHER], tool_choice="auto")
    empty = {"type": "object"}
    assert body["tools"] == [
        TOOL,
        {"type": "function", "function": {"name": "g", "description": "d", "parameters": empty}},
    ]
    assert "tool_choice" not in body
    assert sent(tools=[TOOL], tool_choice="required")[0]["tool_choice"] == "REQUIRED"
    assert sent(tools=[TOOL], tool_choice="none")[0]["tool_choice"] == "NONE"
    named = sent(tools=[TOOL, OTHER], tool_choice={"type": "function", "function": {"name": "g"}})[0]
    assert (named["tool_choice"], [tool["function"]["name"] for tool in named["tools"]]) == ("REQUIRED", ["g"])
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    some = sent(tools=[TOOL, OTHER], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})[0]
    assert (some.get("tool_choice"), [tool["function"]["name"] for tool in some["tools"]]) == (None, ["f"])
    assert unsupported == []


def test_strict_tools() -> None:
    """All or none; a strict one among others is named."""
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]  # a dict
    assert sent(tools=[strict])[0]["strict_tools"] is True
    body, unsupported = sent(tools=[OTHER, strict])
    assert ("strict_tools" in body, unsupported) == (False, ["tools[1].function.strict"])


def test_json_answers() -> None:
    """Native, with and without a schema."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert sent(response_format={"type": "json_object"})[0]["response_format"] == {"type": "json_object"}
    shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    assert sent(response_format=shape)[0]["response_format"] == {"type": "json_object", "json_schema": schema}
    assert "response_format" not in sent(response_format={"type": "text"})[0]


def test_a_conversation() -> None:
    """Instructions first and as one, a plan beside calls, a message per result, images as they are."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    broken = {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{"}}
    body, unsupported = sent(
        [
            {"role": "system", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]},
            {"role": "developer", "content": "two"},
            {"role": "assistant", "content": "I look.", "tool_calls": [call, broken]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {
                "role": "tool",
                "tool_call_id": "c2",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "assistant", "content": "done", "reasoning_content": "hm"},
            {"role": "user", "content": ""},
        ]
    )
    assert body["messages"] == [
        {"role": "system", "content": "one\n\ntwo"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]},
        {
            "role": "assistant",
            "tool_calls": [call, {**broken, "function": {"name": "f", "arguments": '{"arguments":"{"}'}}],
            "tool_plan": "I look.",
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "a\nb"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "done"}]},
    ]
    assert unsupported == []


def test_the_deprecated_form_of_calls() -> None:
    """A function's result answers the call before it."""
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    body, _ = sent([HI, call, {"role": "function", "name": "f", "content": "rain"}])
    (made,) = body["messages"][1]["tool_calls"]
    assert body["messages"][2] == {"role": "tool", "tool_call_id": made["id"], "content": "rain"}
    assert made["id"]


def test_instructions_alone() -> None:
    """Are what the user says: the format wants a turn."""
    assert sent([{"role": "system", "content": "one"}])[0]["messages"] == [{"role": "user", "content": "one"}]


def test_documents() -> None:
    """Texts go beside the conversation; what is no text is named, and so are files the provider does not hold."""
    blocks = [
        types_pb2.Block(text="hi"),
        types_pb2.Block(document=types_pb2.DocumentBlock(text="body", title="T")),
        types_pb2.Block(file=types_pb2.FileBlock(data=b"a,b", media_type="text/csv", filename="t.csv")),
        types_pb2.Block(document=types_pb2.DocumentBlock(data=b"%PDF", media_type="application/pdf")),
        types_pb2.Block(image=types_pb2.ImageBlock(file_id="x")),
    ]
    unsupported: list[str] = []
    request = chat_pb2.ChatRequest(model="m", messages=[types_pb2.Message(role="user", blocks=blocks)])
    body = encode_request(request, unsupported)
    assert body["documents"] == [
        {"id": "doc_0", "data": {"title": "T", "text": "body"}},
        {"id": "doc_1", "data": {"title": "t.csv", "text": "a,b"}},
    ]
    assert body["messages"] == [HI]
    assert unsupported == ["messages[0].content[3]", "messages[0].content[4]"]


def test_a_request_of_another_format() -> None:
    """Anthropic's: system, tool results among texts, thinking budget and top_k have their places."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": "rain", "is_error": True}
    request = anthropic_chat.decode_request(
        {
            "model": "m", "max_tokens": 9, "system": "be kind", "top_k": 5, "mcp_servers": [],
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [result, {"type": "text", "text": "so?"}]},
            ],
        }
    )  # fmt: skip
    unsupported: list[str] = []
    before = request.SerializeToString()
    body = encode_request(request, unsupported)
    assert body["messages"] == [
        {"role": "system", "content": "be kind"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "t", "content": "rain"},
        {"role": "user", "content": "so?"},
    ]
    assert (body["k"], body["max_tokens"]) == (5, 9)
    assert body["thinking"] == {"type": "enabled", "token_budget": 2048}
    assert unsupported == ["mcp_servers"]
    assert request.SerializeToString() == before


@settings(max_examples=100)
@given(lossless.chat_request)
def test_any_request_becomes_json(body: Any) -> None:
    """Or is refused for a JSON text that is none, which a body cannot hold."""
    request = chat.decode_request(settled(body))
    before = request.SerializeToString()
    made = encode_request(request, [])
    assert dumps(made)
    assert all(message["role"] in ("system", "user", "assistant", "tool") for message in made["messages"])
    assert request.SerializeToString() == before


def test_embeddings() -> None:
    """Texts, dimensions, and the kind of input, which OpenAI's format does not know."""
    asked = {"model": "m", "input": ["a", "b"], "dimensions": 256, "encoding_format": "base64"}
    plain = {"model": "m", "texts": ["a", "b"], "embedding_types": ["float"], "output_dimension": 256}
    unsupported: list[str] = []
    request = openai_embeddings.decode_request(asked)
    assert embeddings.encode_request(request, unsupported) == {**plain, "input_type": "search_document"}
    request = openai_embeddings.decode_request({**asked, "input_type": "search_query", "truncate": "END", "x": 1})
    made = embeddings.encode_request(request, unsupported)
    assert made == {**plain, "input_type": "search_query", "truncate": "END"}
    embeddings.encode_request(openai_embeddings.decode_request({"model": "m", "input": [1, 2]}), unsupported)
    assert unsupported == ["x", "input"]
