"""Tools in namespaces, for providers whose tools have one name."""

from __future__ import annotations

from typing import Any

from gateway.wire.json import loads
from gateway.wire.openai import chat
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.responses.answers import about, encode_response
from gateway.wire.responses.events import EventRenderer
from gateway.wire.responses.namespaces import NAME_MAX_CHARS, flat_name, names_of
from gateway.wire.responses.request import decode_request, encode_request

CLOSE = {"type": "function", "name": "close", "description": "d", "parameters": {"type": "object"}, "strict": False}
TOOLS: list[Any] = [{"type": "namespace", "name": "agents", "description": "n", "tools": [CLOSE]}]
CALL = {"type": "function_call", "call_id": "c", "name": "close", "namespace": "agents", "arguments": "{}"}
BODY: dict[str, Any] = {
    "model": "m",
    "tools": TOOLS,
    "input": [{"role": "user", "content": "hi"}, CALL, {"type": "function_call_output", "call_id": "c", "output": "x"}],
}


def test_a_chat_gets_flat_names() -> None:
    """Of tools and of earlier calls; nothing is unsupported; a provider of this format gets what was said."""
    unsupported: list[str] = []
    body = chat.encode_request(decode_request(BODY), unsupported)
    assert unsupported == []
    assert [tool["function"]["name"] for tool in body["tools"]] == ["agents__close"]
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == "agents__close"
    assert encode_request(decode_request(BODY)) == BODY


def test_paths_count_as_the_client_does() -> None:
    """A tool behind a namespace keeps its number, whatever stands in the namespace."""
    unsupported: list[str] = []
    several = {**TOOLS[0], "tools": [CLOSE, {**CLOSE, "name": "open"}]}
    body = {**BODY, "tools": [several, {**CLOSE, "name": "last"}, {"type": "web_search"}]}
    made = chat.encode_request(decode_request(body), unsupported)
    assert unsupported == ["tools[2]"]
    assert [tool["function"]["name"] for tool in made["tools"]] == ["agents__close", "last", "agents__open"]


def test_an_answer_names_the_namespace() -> None:
    """Whole and streamed; a name that only looks so stays as it is."""
    told = about(BODY, "s", 1)
    calls = [types_pb2.ToolUseBlock(id=name, type="function", name=name) for name in ("agents__close", "other__close")]
    message = types_pb2.Message(role="assistant", blocks=[types_pb2.Block(tool_use=call) for call in calls])
    answer = encode_response(chat_pb2.ChatResponse(choices=[chat_pb2.Choice(index=0, message=message)]), told)
    named = [(item["name"], item.get("namespace")) for item in answer["output"]]
    assert named == [("close", "agents"), ("other__close", None)]
    renderer = EventRenderer(told)
    start = chat_pb2.BlockDelta(block=0, start=types_pb2.Block(tool_use=calls[0]))
    delta = chat_pb2.Delta(role="assistant", blocks=[start])
    events = [*renderer.render(chat_pb2.ChatChunk(choices=[chat_pb2.ChoiceDelta(delta=delta)])), *renderer.finish()]
    items = [loads(data)["item"] for name, data in events if name.startswith("response.output_item.")]
    assert [(item["name"], item["namespace"]) for item in items] == [("close", "agents")] * 2


def test_long_names_stay_apart() -> None:
    """Cut to what every provider takes, and still told apart."""
    names = {flat_name("n" * 60, f"tool_{number}") for number in range(9)}
    assert len(names) == 9
    assert {len(name) for name in names} == {NAME_MAX_CHARS}


def test_what_is_no_namespace() -> None:
    """Is left to the vendor that knows it."""
    assert names_of([{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}, 1, {"type": "x"}]) == {}
    assert names_of("x") == names_of([{"type": "namespace", "name": "n", "tools": []}]) == {}
