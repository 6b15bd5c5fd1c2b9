"""The same question in every client format over HTTP, and what makes the answer's stream a legal one.

Rules: a reader asserts the sequence of its format and returns the text; whatever the upstream spoke, it is the same.
Not here: OpenAI's errors and gRPC (callers).
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from tests.support.served import Served
from tests.support.single import InProcess

WORDS = "tell me everything"
FORMATS = ("openai", "anthropic", "gemini", "responses")
Event = tuple[str, dict[str, Any]]


async def ask(gateway: InProcess | Served, format_: str, model: str, **headers: str) -> list[Event]:
    """The named events of one stream; the one without name is called by its format's end mark or `chunk`."""
    paths = {
        "openai": "/v1/chat/completions",
        "anthropic": "/v1/messages",
        "responses": "/v1/responses",
        "gemini": f"/v1beta/models/{model}:streamGenerateContent?alt=sse",
    }
    turns = [{"role": "user", "content": WORDS}]
    bodies: dict[str, dict[str, Any]] = {
        "openai": {"model": model, "messages": turns, "stream": True, "stream_options": {"include_usage": True}},
        "anthropic": {"model": model, "messages": turns, "stream": True, "max_tokens": 1000},
        "responses": {"model": model, "input": WORDS, "stream": True},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": WORDS}]}]},
    }
    headers = {"authorization": f"Bearer {gateway.key}", **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.post(gateway.url + paths[format_], json=bodies[format_], headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        text = (await response.read()).decode()
    events: list[Event] = []
    for frame in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.splitlines() if not line.startswith(":"))
        if lines.get("data") == "[DONE]":
            events.append(("[DONE]", {}))
        elif "data" in lines:
            events.append((lines.get("event", "chunk"), json.loads(lines["data"])))
    return events


def of_openai(events: list[Event]) -> str:
    """One id, one role, one finish reason, one usage, the end mark."""
    assert events[-1][0] == "[DONE]"
    chunks = [chunk for _, chunk in events[:-1]]
    assert not any("error" in chunk for chunk in chunks), chunks
    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in chunks}) == 1
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert sum("role" in choice["delta"] for choice in choices) == 1
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert sum(bool(chunk.get("usage")) for chunk in chunks) == 1
    return "".join([choice["delta"].get("content") or "" for choice in choices])


def of_anthropic(events: list[Event]) -> str:
    """One message_start, one text block from start to stop, one message_delta, message_stop."""
    names = [name for name, _ in events if name != "ping"]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    for name in ("message_start", "content_block_start", "content_block_stop", "message_delta"):
        assert names.count(name) == 1, names
    assert {event["index"] for name, event in events if name.startswith("content_block")} == {0}
    (usage,) = [event["usage"] for name, event in events if name == "message_delta"]
    assert usage["output_tokens"] > 20
    return "".join([event["delta"]["text"] for name, event in events if name == "content_block_delta"])


def of_gemini(events: list[Event]) -> str:
    """Chunks of one response, the last with the finish reason."""
    chunks = [chunk for _, chunk in events]
    assert len({chunk.get("responseId") for chunk in chunks}) == 1
    candidates = [candidate for chunk in chunks for candidate in chunk.get("candidates", ())]
    assert [c["finishReason"] for c in candidates if c.get("finishReason")] == ["STOP"]
    return "".join([p.get("text", "") for c in candidates for p in c.get("content", {}).get("parts", ())])


def of_responses(events: list[Event]) -> str:
    """Numbered without a gap, created once, one item of text, completed."""
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    names = [name for name, _ in events]
    assert (names[0], names[-1]) == ("response.created", "response.completed")
    for name in ("response.created", "response.output_item.added", "response.output_text.done"):
        assert names.count(name) == 1, names
    text = "".join([event["delta"] for name, event in events if name == "response.output_text.delta"])
    (whole,) = [event["text"] for name, event in events if name == "response.output_text.done"]
    assert whole == text
    return text


READ = {"openai": of_openai, "anthropic": of_anthropic, "gemini": of_gemini, "responses": of_responses}
