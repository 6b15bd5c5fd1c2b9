"""An OpenAI stream for an Anthropic client: the exact sequence of events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire.anthropic.rendering import ARGUMENTS_MAX_CHARS, EventRenderer, is_complete
from gateway.wire.json import JsonInvalid
from gateway.wire.openai.chunks import ChunkDecoder

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "prompt_tokens_details": {"cached_tokens": 3}}


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return json.dumps({**head, **more}).encode()


def call(index: int, arguments: str, **first: str) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": first.pop("name")} if first else {})
    return {"tool_calls": [{"index": index, **first, "function": function}]}


def rendered(*frames: bytes) -> list[Any]:
    decoder, renderer = ChunkDecoder(), EventRenderer()
    events = [event for frame in frames for event in renderer.render(decoder.decode(frame))] + renderer.finish()
    assert all(name == json.loads(data)["type"] for name, data in events)
    return [short(json.loads(data)) for _, data in events]


def short(event: dict[str, Any]) -> Any:
    """An event as its type, index and what it adds."""
    kind = event["type"].removeprefix("content_block_")
    if kind == "delta":
        return kind, event["index"], *[value for name, value in event["delta"].items() if name != "type"]
    if kind == "start":
        return kind, event["index"], event["content_block"]["type"]
    return (kind, event["index"]) if kind == "stop" else kind


def test_the_whole_sequence() -> None:
    """Reasoning, text (whole and as repeated texts), two calls, usage behind the finish reason."""
    assert rendered(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "h"}),
        chunk({"reasoning_content": "m"}),
        *(chunk({"content": text}) for text in ("a", "b", "c")),
        chunk(call(0, "", id="t1", type="function", name="f")),
        *(chunk(call(0, piece)) for piece in ('{"x"', ":1", "}")),
        chunk(call(1, "{}", id="t2", type="function", name="g")),
        chunk({}, "tool_calls"),
        chunk(None, usage=USAGE),
    ) == [
        "message_start",
        ("start", 0, "thinking"), ("delta", 0, "h"), ("delta", 0, "m"), ("stop", 0),
        ("start", 1, "text"), ("delta", 1, "a"), ("delta", 1, "b"), ("delta", 1, "c"), ("stop", 1),
        ("start", 2, "tool_use"), ("delta", 2, '{"x"'), ("delta", 2, ":1"), ("delta", 2, "}"), ("stop", 2),
        ("start", 3, "tool_use"), ("delta", 3, "{}"), ("stop", 3),
        "message_delta", "message_stop",
    ]  # fmt: skip


def test_the_end_has_reason_and_usage() -> None:
    """Cached tokens are no input tokens here."""
    decoder, renderer = ChunkDecoder(), EventRenderer()
    frames = (chunk({"content": "a"}), chunk({}, "length"), chunk(None, usage=USAGE))
    for frame in frames:
        renderer.render(decoder.decode(frame))
    _, (_, delta), _ = renderer.finish()
    end = json.loads(delta)
    assert end["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert (end["usage"]["input_tokens"], end["usage"]["cache_read_input_tokens"], end["usage"]["output_tokens"]) == (
        6, 3, 4,
    )  # fmt: skip


def test_an_empty_answer_is_a_whole_message() -> None:
    """No block, but beginning and end."""
    assert rendered(chunk({"role": "assistant", "content": ""}), chunk({}, "stop")) == [
        "message_start", "message_delta", "message_stop",
    ]  # fmt: skip


def test_only_the_first_choice_is_shown() -> None:
    """The format has one."""
    other = json.loads(chunk({"content": "x"}))
    other["choices"][0]["index"] = 1
    assert rendered(json.dumps(other).encode()) == ["message_start", "message_delta", "message_stop"]


def test_a_text_needs_its_chunk() -> None:
    """As for every renderer."""
    with pytest.raises(ValueError, match="chunk before"):
        EventRenderer().render("x")


def test_calls_whose_fragments_come_in_turns() -> None:
    """The second waits for the end, also for fragments that come as texts; the third waits behind it."""
    assert rendered(
        chunk(call(0, "", id="t1", type="function", name="f")),
        chunk(call(0, '{"a"')),
        chunk(call(1, "{", id="t2", type="function", name="g")),
        chunk(call(1, '"b":')),
        chunk(call(1, "2")),
        chunk(call(0, ":1}")),
        chunk(call(1, "}")),
        chunk(call(2, "{}", id="t3", type="function", name="h")),
        chunk({}, "tool_calls"),
    ) == [
        "message_start",
        ("start", 0, "tool_use"), ("delta", 0, '{"a"'), ("delta", 0, ":1}"), ("stop", 0),
        ("start", 1, "tool_use"), ("delta", 1, '{"b":2}'), ("stop", 1),
        ("start", 2, "tool_use"), ("delta", 2, "{}"), ("stop", 2),
        "message_delta", "message_stop",
    ]  # fmt: skip


def test_what_is_held_back_is_bounded() -> None:
    """Arguments of calls without end are refused."""
    decoder, renderer = ChunkDecoder(), EventRenderer()
    long = "x" * (1 << 20)
    with pytest.raises(JsonInvalid, match="characters of arguments"):
        for at in range(ARGUMENTS_MAX_CHARS // len(long) + 1):
            renderer.render(decoder.decode(chunk(call(at % 2, long, id="t", type="function", name="f"))))


def test_the_beginning_of_arguments_is_never_complete() -> None:
    """So that a call is not closed too early; white space behind a whole object says nothing."""
    whole = json.dumps({"a": [1, {"b": "}"}], "c": "\u2603"})
    assert not any(is_complete(whole[:at]) for at in range(len(whole)))
    assert is_complete(whole + " ")
    assert not is_complete("")
    assert not is_complete("1")
