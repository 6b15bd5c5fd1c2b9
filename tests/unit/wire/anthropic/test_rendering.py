"""An OpenAI stream for an Anthropic client: the exact sequence of events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire.anthropic.rendering import EventRenderer
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
