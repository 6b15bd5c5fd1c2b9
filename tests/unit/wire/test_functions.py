"""OpenAI's deprecated functions as tools, and their first call read back, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire import functions
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.json import JsonInvalid
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer

WEATHER: dict[str, Any] = {"name": "weather", "description": "of a city", "parameters": {"type": "object"}}
CLOCK: dict[str, Any] = {"name": "clock"}
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "functions": [WEATHER, CLOCK]}
NAMES = frozenset(("weather", "clock"))


def tools(**members: Any) -> dict[str, Any]:
    """The body of a request whose functions became tools; the request itself stays as it is."""
    request = chat.decode_request({**BODY, **members})
    before = request.SerializeToString(deterministic=True)
    made = functions.as_tools(request)
    assert request.SerializeToString(deterministic=True) == before
    return chat.encode_request(made)


@pytest.mark.parametrize(
    ("chosen", "choice"),
    [("auto", "auto"), ("none", "none"), ({"name": "clock"}, {"type": "function", "function": {"name": "clock"}})],
)
def test_functions_become_tools(chosen: Any, choice: Any) -> None:
    """With their choice, and nothing of the old members."""
    body = tools(function_call=chosen)
    assert body["tools"] == [{"type": "function", "function": WEATHER}, {"type": "function", "function": CLOCK}]
    assert body["tool_choice"] == choice
    assert not {"functions", "function_call"} & set(body)


def test_only_chats_that_have_some_are_changed() -> None:
    """The question costs two looks."""
    plain = {name: value for name, value in BODY.items() if name != "functions"}
    assert functions.is_used(chat.decode_request(BODY))
    assert functions.is_used(chat.decode_request({**plain, "function_call": "none"}))
    assert not functions.is_used(chat.decode_request(plain))


@pytest.mark.parametrize("members", [{"functions": {}}, {"functions": [{}]}, {"functions": [1]}, {"function_call": 1},
                                     {"function_call": {}}])  # fmt: skip
def test_what_is_no_function_is_told(members: dict[str, Any]) -> None:
    """Instead of being left out."""
    with pytest.raises(JsonInvalid):
        tools(**members)


def test_another_format_takes_a_whole_conversation() -> None:
    """The call and the answer of earlier turns belong together there."""
    said = {"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}}
    messages = [*BODY["messages"], said, {"role": "function", "name": "clock", "content": "noon"}]
    unsupported: list[str] = []
    request = functions.as_tools(chat.decode_request({**BODY, "messages": messages}))
    body = anthropic.encode_request(request, unsupported)
    assert unsupported == []
    assert [tool["name"] for tool in body["tools"]] == ["weather", "clock"]
    (call,), (result,) = body["messages"][1]["content"], body["messages"][2]["content"]
    assert (call["type"], call["name"], result["type"]) == ("tool_use", "clock", "tool_result")
    assert result["tool_use_id"] == call["id"]


def call_of(index: int, name: str, arguments: str) -> dict[str, Any]:
    return {"index": index, "id": f"c{index}", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_whole_answer() -> None:
    """The first call of a function is the `function_call`; a second one, and ids, have no place."""
    calls = [call_of(0, "weather", '{"city":"x"}'), call_of(1, "clock", "{}")]
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": calls}
    answer = chat.decode_response({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    functions.answered(answer, NAMES)
    (choice,) = chat.encode_response(answer)["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "weather", "arguments": '{"city":"x"}'}
    assert choice["message"]["content"] == "Let me see."
    assert "tool_calls" not in choice["message"]


def test_an_answer_without_calls_stays() -> None:
    """Its end is its own."""
    message = {"role": "assistant", "content": "No."}
    answer = chat.decode_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    functions.answered(answer, NAMES)
    assert chat.encode_response(answer)["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]


def streamed(*choices: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices a client sees of a stream of these."""
    decoder, calls, renderer = ChunkDecoder(), functions.Calls(NAMES), ChunkRenderer()
    told = []
    for choice in choices:
        data = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        told += [
            json.loads(renderer.render(event)) for event in calls.events(decoder.decode(json.dumps(data).encode()))
        ]
    assert calls.released() == []
    return [choice for chunk in told for choice in chunk["choices"]]


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def more(index: int, arguments: str) -> dict[str, Any]:
    return piece(tool_calls=[{"index": index, "function": {"arguments": arguments}}])


def test_a_stream() -> None:
    """Text as it is, one function_call in pieces, nothing of the second call, the end by its old name."""
    seen = streamed(
        piece(role="assistant", content="See: "), piece(content="now"), piece(tool_calls=[call_of(0, "weather", "")]),
        more(0, '{"ci'), more(0, 'ty"'), more(0, ":1}"), piece(tool_calls=[call_of(1, "clock", "")]), more(1, "{"),
        more(1, "}"), piece("tool_calls"),
    )  # fmt: skip
    pieces = [choice["delta"]["function_call"] for choice in seen if "function_call" in choice["delta"]]
    assert "".join(each.get("arguments", "") for each in pieces) == '{"city":1}'
    assert [each["name"] for each in pieces if "name" in each] == ["weather"]
    assert "".join(choice["delta"].get("content") or "" for choice in seen) == "See: now"
    assert not any("tool_calls" in choice["delta"] for choice in seen)
    assert [choice["finish_reason"] for choice in seen if choice["finish_reason"]] == ["function_call"]
    assert len(seen) == 7


def test_calls_of_other_tools_stay_calls() -> None:
    """And so does the end of an answer without a function's call."""
    seen = streamed(piece(tool_calls=[call_of(0, "other", "{}")]), piece("tool_calls"))
    assert seen[0]["delta"]["tool_calls"][0]["function"] == {"name": "other", "arguments": "{}"}
    assert seen[1]["finish_reason"] == "tool_calls"
