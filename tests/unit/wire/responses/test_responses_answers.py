"""Answers in the Responses format: whole, and as the exact sequence of events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkDecoder
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.responses.answers import about, encode_response
from gateway.wire.responses.events import EventRenderer

TOLD = about({"model": "m", "input": "hi", "temperature": 0.5, "text": {"verbosity": "low"}}, "1", 7)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return json.dumps({"id": "x", "created": 5, "model": "up", "choices": choices, **more}).encode()


def call(index: int, arguments: str, **first: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": first.pop("name")} if "name" in first else {})
    return {"tool_calls": [{"index": index, **first, "function": function}]}


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}}
STREAM = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "h"}),
    chunk({"reasoning_content": "m"}),
    chunk({"content": "He"}),
    chunk({"content": "y"}),
    chunk(call(0, "", id="c0", type="function", name="f")),
    chunk(call(0, '{"a"')),
    chunk(call(1, "{}", id="c1", type="function", name="g")),
    chunk(call(0, ":1}")),
    chunk({}, "tool_calls"),
    json.dumps({"id": "x", "choices": [], "usage": USAGE}).encode(),
]


def rendered(frames: list[bytes]) -> list[Any]:
    """The events of a stream that ended well, parsed; each is named as its type."""
    decoder, renderer = ChunkDecoder(), EventRenderer(TOLD)
    made = [named for data in frames for named in renderer.render(decoder.decode(data))] + renderer.finish()
    events = [json.loads(data) for _, data in made]
    assert [name for name, _ in made] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_the_sequence() -> None:
    """Reasoning, text, two calls whose fragments come in turns: nothing is lost, every item has an end."""
    told = [
        (event["type"].removeprefix("response."), event.get("output_index"), event.get("delta"))
        for event in rendered(STREAM)
    ]
    assert told == [
        ("created", None, None), ("in_progress", None, None),
        ("output_item.added", 0, None), ("reasoning_summary_part.added", 0, None),
        ("reasoning_summary_text.delta", 0, "h"), ("reasoning_summary_text.delta", 0, "m"),
        ("reasoning_summary_text.done", 0, None), ("reasoning_summary_part.done", 0, None),
        ("output_item.done", 0, None),
        ("output_item.added", 1, None), ("content_part.added", 1, None),
        ("output_text.delta", 1, "He"), ("output_text.delta", 1, "y"),
        ("output_text.done", 1, None), ("content_part.done", 1, None), ("output_item.done", 1, None),
        ("output_item.added", 2, None), ("function_call_arguments.delta", 2, '{"a"'),
        ("output_item.added", 3, None), ("function_call_arguments.delta", 3, "{}"),
        ("function_call_arguments.delta", 2, ":1}"),
        ("function_call_arguments.done", 2, None), ("output_item.done", 2, None),
        ("function_call_arguments.done", 3, None), ("output_item.done", 3, None),
        ("completed", None, None),
    ]  # fmt: skip


def test_a_stream_ends_with_the_whole_answer() -> None:
    """The same object a client gets that did not stream."""
    message = {
        "role": "assistant", "reasoning_content": "hm", "content": "Hey",
        "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                       {"id": "c1", "type": "function", "function": {"name": "g", "arguments": "{}"}}],
    }  # fmt: skip
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    answer = chat.decode_response({"id": "x", "created": 5, "model": "up", "choices": choices, "usage": USAGE})
    whole = encode_response(answer, TOLD)
    assert rendered(STREAM)[-1]["response"] == whole
    assert (whole["temperature"], whole["text"]) == (0.5, {"format": {"type": "text"}, "verbosity": "low"})
    assert whole["usage"]["input_tokens_details"]["cached_tokens"] == 2


def test_each_event_repeats_what_came_before() -> None:
    """The end of a text has all of it, the item that ends has its parts, ids agree."""
    events = {event["type"]: event for event in rendered(STREAM[3:5])}
    item = events["response.output_item.done"]["item"]
    assert events["response.output_text.done"]["text"] == "Hey"
    assert item["content"] == [events["response.content_part.done"]["part"]]
    assert item["id"] == events["response.output_text.delta"]["item_id"] == "msg_1_0"
    assert events["response.created"]["response"]["status"] == "in_progress"


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_a_cut_answer_is_incomplete(finish: str, reason: str) -> None:
    """So are its last item and the name of its last event."""
    last = rendered([chunk({"content": "a"}), chunk({}, finish)])[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}
    assert (last["response"]["status"], last["response"]["output"][0]["status"]) == ("incomplete", "incomplete")


def test_refusals_have_events_of_their_own() -> None:
    """And are parts of the message."""
    events = rendered([chunk({"content": "a"}), chunk({"refusal": "no"}), chunk({}, "stop")])
    assert [event["content_index"] for event in events if event["type"] == "response.refusal.delta"] == [1]
    parts = events[-1]["response"]["output"][0]["content"]
    assert [part["type"] for part in parts] == ["output_text", "refusal"]


def test_a_signature_comes_with_its_reasoning() -> None:
    """As what the client gives back."""
    renderer = EventRenderer(TOLD)
    for thinking in (types_pb2.ThinkingBlock(text="hm"), types_pb2.ThinkingBlock(signature="p")):
        made = chat_pb2.ChatChunk()
        made.choices.add().delta.blocks.add().thinking.CopyFrom(thinking)
        renderer.render(made)
    last = json.loads(renderer.finish()[-1][1])
    assert last["response"]["output"][0]["encrypted_content"] == "gateway-reasoning:p"


def test_custom_calls_have_free_text() -> None:
    """Under the names of their own events."""
    renderer = EventRenderer(TOLD)
    made = chat_pb2.ChatChunk()
    tool = made.choices.add().delta.blocks.add().tool
    tool.id, tool.type, tool.name, tool.arguments = "c", "custom", "patch", "*** free"
    names = [name for name, _ in renderer.render(made) + renderer.finish()]
    assert "response.custom_tool_call_input.delta" in names
    assert "response.custom_tool_call_input.done" in names


def test_a_text_without_a_chunk_is_a_bug() -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="exactly one text"):
        EventRenderer(TOLD).render("words")


def test_a_stream_that_fails() -> None:
    """Says so twice, flat and with the answer as far as it came."""
    renderer = EventRenderer(TOLD)
    renderer.render(ChunkDecoder().decode(STREAM[3]))
    (first, error), (second, failed) = renderer.failed("server_error", "broke", None)
    assert (first, second) == ("error", "response.failed")
    assert json.loads(error) == {
        "type": "error", "sequence_number": 5, "code": "server_error", "message": "broke", "param": None
    }  # fmt: skip
    response = json.loads(failed)["response"]
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert response["output"][0]["content"][0]["text"] == "He"


def test_a_stream_that_failed_is_not_kept() -> None:
    """Its last event says so, whatever the request asked for."""
    renderer = EventRenderer(about({"store": True}, "x", 0))
    name, data = renderer.failed("server_error", "words", None)[-1]
    assert (name, json.loads(data)["response"]["store"]) == ("response.failed", False)


def test_an_answer_that_could_not_be_kept() -> None:
    """The end is told again with `store: false` and the same number; everything before it stays."""
    renderer = EventRenderer(about({}, "x", 0))
    end = renderer.finish()
    told = renderer.unkept(end)
    assert told[:-1] == end[:-1]
    before, after = (json.loads(events[-1][1]) for events in (end, told))
    assert (before["response"]["store"], after["response"]["store"]) == (True, False)
    assert {**after, "response": {**after["response"], "store": True}} == before
