"""What a client of each format understands of a streamed answer, and the rules its stream must keep.

Each reader takes the bytes of one answer, asserts the grammar of its format on the way, and returns a `Said`: so that
the answers to clients of different formats can be compared with each other.

Rules: written from the formats' specifications; nothing of the code that renders them is used.
Not here: the answers (golden.py).
Source: OpenAI API reference (chat completion chunks, Responses streaming events), Anthropic "Streaming messages",
Gemini API reference (GenerateContentResponse); the HTML standard for event streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_WORDS_DONE = ("_text.done", "refusal.done", "arguments.done", "input.done")
_TEXT_PARTS = {"output_text": "text", "refusal": "refusal"}


@dataclass
class Said:
    """The first choice of an answer. `calls` are name and arguments; `end` is the format's own word."""

    text: str = ""
    thought: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    end: str | None = None
    is_failed: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None


def frames(data: bytes) -> list[tuple[str | None, str]]:
    """Event name and data of each server-sent event."""
    found = []
    for block in data.decode("utf-8").split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        words = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        if words:
            assert len(names) <= 1
            assert len(names) + len(words) == len(lines)
            found.append((names[0] if names else None, "\n".join(words)))
    return found


def openai(data: bytes) -> Said:
    """Chunks, then `[DONE]` and nothing more; after a failure no `[DONE]`."""
    said, calls = Said(), {}
    said_frames = frames(data)
    assert all(name is None for name, _ in said_frames)
    assert [words for _, words in said_frames].count("[DONE]") == (not _is_error(said_frames[-1][1]))
    for at, (_, words) in enumerate(said_frames):
        is_last = at == len(said_frames) - 1
        if words == "[DONE]":
            assert is_last
            break
        chunk = json.loads(words)
        if "error" in chunk:
            assert is_last
            assert set(chunk["error"]) == {"message", "type", "param", "code"}
            said.is_failed = True
            break
        is_headless = not chunk["id"]  # as Azure's frames about its filters are
        assert is_headless or chunk["object"] == "chat.completion.chunk"
        if usage := chunk.get("usage"):
            said.input_tokens, said.output_tokens = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in chunk["choices"]:
            if choice["index"] == 0:
                _openai_choice(choice, said, calls)
    said.calls = [(name, "".join(words)) for name, words in calls.values()]
    return said


def _is_error(words: str) -> bool:
    return words != "[DONE]" and "error" in json.loads(words)


def _openai_choice(choice: Any, said: Said, calls: dict[int, tuple[str, list[str]]]) -> None:
    delta = choice.get("delta") or {}
    assert said.end is None or not any(delta.values()), "nothing is said after the finish reason"
    said.end = choice.get("finish_reason") or said.end
    said.text += (delta.get("content") or "") + (delta.get("refusal") or "")
    said.thought += delta.get("reasoning_content") or ""
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or call["custom"]
        if call["index"] not in calls:
            assert call["id"], "the first fragment names the call"
            calls[call["index"]] = (function["name"], [])
        else:
            assert not function.get("name"), "a name is said once"
        calls[call["index"]][1].append(function.get("arguments") or function.get("input") or "")
    if old := delta.get("function_call"):
        calls.setdefault(-1, (old.get("name", ""), []))[1].append(old.get("arguments") or "")


def anthropic(data: bytes) -> Said:
    """message_start; one block at a time, numbered from 0; message_delta, message_stop; an error ends it."""
    said, blocks, is_open = Said(), [], False
    said_frames = [(name, json.loads(words)) for name, words in frames(data) if name != "ping"]
    assert all(name == event["type"] for name, event in said_frames)
    names = [name for name, _ in said_frames]
    assert names[0] == "message_start"
    assert names.count("message_start") == 1
    if names[-1] == "error":
        said.is_failed = True
        assert "message_stop" not in names
        assert said_frames.pop()[1]["error"]["message"]
    else:
        assert names[-2:] == ["message_delta", "message_stop"]
        assert names.count("message_delta") == names.count("message_stop") == 1
    for name, event in said_frames:
        if name == "content_block_start":
            assert event["index"] == len(blocks)
            assert not is_open
            is_open = True
            blocks.append((event["content_block"], []))
        elif name == "content_block_delta":
            assert event["index"] == len(blocks) - 1
            assert is_open
            _anthropic_delta(event["delta"], said, blocks[-1][1])
        elif name == "content_block_stop":
            assert event["index"] == len(blocks) - 1
            assert is_open
            is_open = False
        elif name == "message_delta":
            assert not is_open
            said.end = event["delta"]["stop_reason"]
            said.output_tokens = event["usage"]["output_tokens"]
    said.calls = [(block["name"], "".join(words)) for block, words in blocks if block["type"] == "tool_use"]
    return said


def _anthropic_delta(delta: Any, said: Said, words: list[str]) -> None:
    said.text += delta.get("text", "")
    said.thought += delta.get("thinking", "")
    words.append(delta.get("partial_json", ""))


def responses(data: bytes) -> Said:
    """created, in_progress; items and parts begin and end once; numbers count; the last event holds what was said."""
    said, items = Said(), _Items()
    events = [(name, json.loads(words)) for name, words in frames(data)]
    names = [name for name, _ in events]
    assert all(name == event["type"] for name, event in events)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    if names[-1] == "response.failed":
        assert "response.completed" not in names
        assert names[-2] == "error"
        said.is_failed = True
    else:
        assert names[:2] == ["response.created", "response.in_progress"]
        assert names[-1] in ("response.completed", "response.incomplete")
    for name, event in events:
        items.take(name, event)
    whole = events[-1][1]["response"]
    assert len(whole["output"]) == len(items.done) or said.is_failed
    assert items.done == whole["output"][: len(items.done)] or said.is_failed
    said.end = whole["status"]
    if whole.get("incomplete_details"):
        said.end += " " + whole["incomplete_details"]["reason"]
    if said.is_failed:  # what was said before, as far as it came
        said.text, said.thought = items.text, items.thought
        return said
    for item in whole["output"]:
        _responses_item(item, said)
    assert said.text == items.text
    if whole.get("usage"):
        said.input_tokens, said.output_tokens = whole["usage"]["input_tokens"], whole["usage"]["output_tokens"]
    return said


class _Items:
    """The items of a response as its events tell of them."""

    def __init__(self) -> None:
        self.added: list[Any] = []
        self._words: dict[tuple[int, int], list[str]] = {}
        self._done: dict[int, Any] = {}
        self.text = ""
        self.thought = ""

    @property
    def done(self) -> list[Any]:
        return [self._done[at] for at in sorted(self._done)]

    def take(self, name: str | None, event: Any) -> None:
        assert name is not None
        if "output_index" not in event:
            return
        at = event["output_index"]
        place = (at, event.get("content_index", event.get("summary_index", 0)))
        if name == "response.output_item.added":
            assert at == len(self.added)
            self.added.append(event["item"])
            return
        assert self.added[at]["id"] == event.get("item_id", event.get("item", {}).get("id"))
        assert at not in self._done, "an item says nothing after its end"
        if name == "response.output_item.done":
            self._done[at] = event["item"]
        elif name.endswith(".delta"):
            self._words.setdefault(place, []).append(event["delta"])
            self.text += event["delta"] if name.endswith(("output_text.delta", "refusal.delta")) else ""
            self.thought += event["delta"] if "reasoning" in name else ""
        elif name.endswith(_WORDS_DONE):
            whole = next(event[key] for key in ("text", "refusal", "arguments", "input") if key in event)
            assert whole == "".join(self._words.get(place, ()))


def _responses_item(item: Any, said: Said) -> None:
    if item["type"] == "message":
        said.text += "".join(part[_TEXT_PARTS[part["type"]]] for part in item["content"])
    elif item["type"] == "reasoning":
        said.thought += "\n\n".join(part["text"] for part in item["summary"] or item.get("content") or ())
    elif item["type"].endswith("tool_call") or item["type"] == "function_call":
        said.calls.append((item["name"], item.get("arguments", item.get("input"))))


def gemini(data: bytes) -> Said:
    """Frames that add parts; the finish reason once; an error ends it."""
    return _gemini([json.loads(words) for name, words in frames(data) if name is None])


def gemini_array(data: bytes) -> Said:
    """The same frames as elements of one JSON array."""
    elements = json.loads(data)
    assert isinstance(elements, list)
    return _gemini(elements)


def _gemini(said_frames: list[Any]) -> Said:
    said = Said()
    for at, frame in enumerate(said_frames):
        if "error" in frame:
            assert at == len(said_frames) - 1
            assert {"code", "message", "status"} <= set(frame["error"])
            said.is_failed = True
            break
        if usage := frame.get("usageMetadata"):
            said.input_tokens = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
            said.output_tokens = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        said.end = frame.get("promptFeedback", {}).get("blockReason", said.end)
        for candidate in frame.get("candidates", ()):
            if candidate.get("index", 0) == 0:
                _gemini_candidate(candidate, said)
    return said


def _gemini_candidate(candidate: Any, said: Said) -> None:
    assert said.end is None or "finishReason" not in candidate
    said.end = candidate.get("finishReason", said.end)
    for part in candidate.get("content", {}).get("parts", ()):
        if "functionCall" in part:
            call = part["functionCall"]
            said.calls.append((call["name"], json.dumps(call.get("args", {}))))
        elif part.get("thought"):
            said.thought += part.get("text", "")
        else:
            said.text += part.get("text", "")


READERS: dict[str, Callable[[bytes], Said]] = {
    "openai": openai,
    "responses": responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "gemini_array": gemini_array,
}
