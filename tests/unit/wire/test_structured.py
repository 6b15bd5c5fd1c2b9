"""Structured answers asked for in another way, and read back as if they had been given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire import structured
from gateway.wire.anthropic.mapping import JSON_TOOL
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
HI = {"role": "user", "content": "hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def sent(way: str, unsupported: list[str] | None = None, **members: Any) -> Any:
    """The body of a request that asks for `FORMAT`, in that way."""
    body = {"model": "m", "messages": [HI], "response_format": FORMAT, **members}
    request = chat.decode_request(body)
    before = request.SerializeToString(deterministic=True)
    made = structured.emulated(request, way, [] if unsupported is None else unsupported)
    assert request.SerializeToString(deterministic=True) == before
    return chat.encode_request(made)


def test_a_tool_that_must_be_called() -> None:
    """Its parameters are the schema; without one, any object."""
    body = sent("tool")
    function = {"name": JSON_TOOL, "description": "Give the answer, place.", "parameters": SCHEMA}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": JSON_TOOL}}
    assert "response_format" not in body
    assert body["messages"] == [HI]
    free = sent("tool", response_format={"type": "json_object"})
    assert free["tools"][0]["function"]["parameters"] == {"type": "object"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, "required"),
        ("auto", "required"),
        ("required", "required"),
        ("none", {"type": "function", "function": {"name": JSON_TOOL}}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_beside_other_tools(choice: Any, expected: Any) -> None:
    """The model may call them first, unless the caller forbade it; what the caller forces stays."""
    more = {} if choice is None else {"tool_choice": choice}
    body = sent("tool", tools=[WEATHER], **more)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", JSON_TOOL]
    assert body["tool_choice"] == expected


@pytest.mark.parametrize(
    ("messages", "places"),
    [
        ([HI], [0]),
        ([{"role": "system", "content": "be kind"}, HI], [0]),
        ([{"role": "developer", "content": [{"type": "text", "text": "be kind"}]}, HI], [0]),
    ],
)
def test_an_instruction(messages: Any, places: list[int]) -> None:
    """It comes with the instructions of the caller, first of all turns, and holds the schema."""
    body = sent("instruction", messages=messages)
    first = body["messages"][0]
    words = first["content"] if isinstance(first["content"], str) else first["content"][-1]["text"]
    assert words.endswith(json.dumps(SCHEMA, separators=(",", ":")))
    assert ("be kind" in words) is (len(messages) > 1)
    assert body["messages"][-1] == HI
    assert len(body["messages"]) == 2
    assert not {"response_format", "tools"} & set(body)


def test_none_names_what_is_left_out() -> None:
    """So that the call is refused, or its answer says so."""
    unsupported: list[str] = []
    body = sent("none", unsupported)
    assert unsupported == ["response_format"]
    assert set(body) == {"model", "messages"}


def test_what_asks_for_no_structure() -> None:
    """Plain text, other methods."""
    assert not structured.is_wanted(chat.decode_request({"model": "m", "messages": [HI]}))
    assert not structured.is_wanted(chat.decode_request({"messages": [HI], "response_format": {"type": "text"}}))
    assert structured.is_wanted(chat.decode_request({"messages": [HI], "response_format": {"type": "json_object"}}))
    assert not structured.is_wanted(object())


def call(id_: str, name: str, arguments: str) -> Any:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("calls", "content", "left", "reason"),
    [
        ([call("a", JSON_TOOL, '{"city":"Oslo"}')], '{"city":"Oslo"}', [], "stop"),
        ([call("a", "weather", "{}")], None, ["weather"], "tool_calls"),
        ([call("a", JSON_TOOL, "{}"), call("b", "weather", "{}")], "{}", ["weather"], "tool_calls"),
    ],
)
def test_a_whole_answer(calls: Any, content: Any, left: list[str], reason: str) -> None:
    """The tool's arguments are the text; other calls are calls."""
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    response = chat.decode_response({"id": "x", "choices": [choice]})
    structured.answered(response)
    shown = chat.encode_response(response)["choices"][0]
    assert shown["message"]["content"] == content
    assert [each["function"]["name"] for each in shown["message"].get("tool_calls", [])] == left
    assert shown["finish_reason"] == reason


def streamed(*deltas: Any) -> list[Any]:
    """What a client gets of chunks with these deltas and the end after calls."""
    decoder, renderer, answering = ChunkDecoder(), ChunkRenderer(), structured.Answering()
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    events = [event for chunk in chunks for event in answering.events(decoder.decode(json.dumps(chunk).encode()))]
    return [json.loads(renderer.render(event))["choices"][0] for event in events]


def fragment(index: int, words: str, name: str = "") -> Any:
    head = {"id": f"c{index}", "type": "function"} if name else {}
    return {
        "tool_calls": [{"index": index, **head, "function": {**({"name": name} if name else {}), "arguments": words}}]
    }


def test_a_stream() -> None:
    """Fragment by fragment, short forms too; the first, in a chunk of its own kind, holds a null."""
    first = {"role": "assistant", "content": None, **fragment(0, "", JSON_TOOL)}
    shown = streamed(first, *(fragment(0, words) for words in ('{"ci', 'ty":', '"Oslo"', "}")))
    assert "".join(choice["delta"].get("content") or "" for choice in shown) == '{"city":"Oslo"}'
    assert not any("tool_calls" in choice["delta"] for choice in shown)
    assert [choice["finish_reason"] for choice in shown] == [None] * 5 + ["stop"]


def test_a_stream_with_other_calls() -> None:
    """They stay calls, and the answer ends with them."""
    shown = streamed(fragment(0, "", "weather"), fragment(0, "{}"), fragment(1, "", JSON_TOOL), fragment(1, '{"a":1}'))
    assert [choice["delta"].get("content") for choice in shown] == [None, None, "", '{"a":1}', None]
    assert [bool(choice["delta"].get("tool_calls")) for choice in shown] == [True, True, False, False, False]
    assert shown[-1]["finish_reason"] == "tool_calls"


def test_text_beside_the_call_is_left_out() -> None:
    """It waits until it is known, and comes after all where the tool is not called."""
    said = [{"content": "I will"}, {"content": " look."}, {"content": " Now."}]
    shown = streamed(*said, fragment(0, "{}", JSON_TOOL))
    assert "".join(choice["delta"].get("content") or "" for choice in shown) == "{}"
    alone = streamed(*said)
    assert [choice["delta"].get("content") for choice in alone] == ["I will", " look.", " Now.", None]
    assert alone[-1]["finish_reason"] == "tool_calls"
    message = {"role": "assistant", "content": "I will.", "tool_calls": [call("a", JSON_TOOL, "{}")]}
    response = chat.decode_response({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    structured.answered(response)
    assert chat.encode_response(response)["choices"][0]["message"]["content"] == "{}"


def test_what_waits_is_bounded() -> None:
    """A model that talks without end and calls nothing is heard."""
    answering, decoder = structured.Answering(), ChunkDecoder()
    words = "x" * (structured.HELD_MAX_CHARS // 2 + 1)
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": words}, "finish_reason": None}]}).encode()
    assert answering.events(decoder.decode(chunk)) == []
    assert answering.is_holding
    assert len(answering.events(decoder.decode(chunk))) == 2
    assert not answering.is_holding
