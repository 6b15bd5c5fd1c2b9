"""Custom tools as functions of one text, and their calls read back, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire import freeform
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer
from gateway.wire.pb import chat_pb2

PATCH: dict[str, Any] = {
    "type": "custom",
    "custom": {
        "name": "patch", "description": "Change files.",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: LINE"}},
    },
}  # fmt: skip
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": 'a\n"b"'}}
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ],
    "tools": [PATCH, WEATHER],
}


def functions(**members: Any) -> dict[str, Any]:
    """The body of a request whose custom tools became functions; the request itself stays as it is."""
    request = chat.decode_request({**BODY, **members})
    before = request.SerializeToString(deterministic=True)
    made = freeform.as_functions(request)
    assert request.SerializeToString(deterministic=True) == before
    return chat.encode_request(made)


def test_a_tool_becomes_a_function() -> None:
    """With its grammar in words; calls of earlier turns and a choice follow."""
    body = functions(tool_choice={"type": "custom", "custom": {"name": "patch"}})
    tool = body["tools"][0]["function"]
    assert tool["parameters"] == json.loads(freeform.SCHEMA)
    assert tool["name"] == "patch"
    assert tool["description"].startswith("Change files.")
    assert tool["description"].endswith("grammar (lark):\nstart: LINE")
    assert body["tools"][1] == WEATHER
    assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    (call,) = body["messages"][1]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "patch")
    assert json.loads(call["function"]["arguments"]) == {"input": 'a\n"b"'}


def test_allowed_tools() -> None:
    """Are functions, too."""
    listed = [{"type": "custom", "custom": {"name": "patch"}}, {"type": "function", "function": {"name": "weather"}}]
    body = functions(tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": listed}})
    tools = body["tool_choice"]["allowed_tools"]["tools"]
    assert [(tool["type"], tool["function"]["name"]) for tool in tools] == [
        ("function", "patch"), ("function", "weather")]  # fmt: skip


def test_another_format_takes_it() -> None:
    """Nothing is unsupported."""
    unsupported: list[str] = []
    body = anthropic.encode_request(freeform.as_functions(chat.decode_request(BODY)), unsupported)
    assert unsupported == []
    assert [tool["name"] for tool in body["tools"]] == ["patch", "weather"]


@pytest.mark.parametrize(
    ("arguments", "text"), [('{"input": "a\\nb"}', "a\nb"), ('{"input": 1}', '{"input": 1}'), ("{", "{"), ("", "")]
)
def test_arguments_of_another_shape_stay(arguments: str, text: str) -> None:
    """The model said something, and the client shall see it."""
    assert freeform.said(arguments) == text


def test_a_whole_answer() -> None:
    """Calls of the function are calls of the tool; others stay."""
    calls = [
        {"id": "1", "type": "function", "function": {"name": "patch", "arguments": '{"input":"x"}'}},
        {"id": "2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    response = chat.decode_response({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    freeform.answered(response, frozenset(("patch",)))
    made = chat.encode_response(response)["choices"][0]["message"]["tool_calls"]
    assert made[0]["custom"] == {"name": "patch", "input": "x"}
    assert made[1] == calls[1]


def streamed(*deltas: dict[str, Any], finish: str | None = "tool_calls") -> list[dict[str, Any]]:
    """The chunks a client gets of a stream of these deltas."""
    decoder, renderer, calls = ChunkDecoder(), ChunkRenderer(), freeform.Calls(frozenset(("patch",)))
    chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish:
        chunks.append({"index": 0, "delta": {}, "finish_reason": finish})
    out = []
    for choice in chunks:
        chunk = {"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        event: Any = decoder.decode(json.dumps(chunk).encode())
        out += [json.loads(renderer.render(made)) for made in calls.events(event)]
    return out + [json.loads(renderer.render(made)) for made in calls.released()]


def fragment(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    begun = {"id": f"c{index}", "type": "function"} if name else {}
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"tool_calls": [{"index": index, **begun, "function": function}]}


@pytest.mark.parametrize("finish", ["tool_calls", None])
def test_a_stream(finish: str | None) -> None:
    """The call waits, and comes whole before the end; text and other calls pass at once."""
    deltas = [
        {"role": "assistant", "content": ""}, {"content": "so"}, fragment(0, "", "patch"), fragment(0, '{"inp'),
        fragment(0, 'ut":"a'), fragment(0, '\\nb"}'), fragment(1, "{}", "weather"),
    ]  # fmt: skip
    chunks = streamed(*deltas, finish=finish)
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert [call.get("function", call.get("custom")) for call in calls] == [
        {"name": "weather", "arguments": "{}"}, {"name": "patch", "input": "a\nb"}]  # fmt: skip
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks][:2] == ["", "so"]
    assert {chunk["id"] for chunk in chunks} == {"i"}
    ends = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert ends[-1] == finish


def test_who_uses_it() -> None:
    """Requests with a custom tool, and no others."""
    assert freeform.is_used(chat.decode_request(BODY))
    assert not freeform.is_used(chat.decode_request({**BODY, "tools": [WEATHER]}))
    assert not freeform.is_used(chat_pb2.ChatChunk())
