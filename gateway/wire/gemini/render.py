"""Streams of other dialects as Gemini frames.

Rules:
- Text and thoughts go out as they come, one frame per event; calls are collected and go out whole when their block or
  the answer ends, because Gemini has no fragments of calls.
- The thought signature of a call that came as an OpenAI client's (`extra_content`) stands with the call.
- A chunk that says nothing Gemini has a word for makes no frame.
- What the answer cites is told with its end, as `groundingMetadata`.
- The frame that ends a candidate waits for the usage, so that the last frame holds both; `finish` lets it go.
- A `str` is the last chunk again with this text in its one increment.

Not here: chunks of this dialect (chunks.py).
"""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from gateway.wire.gemini.grounding import Grounding, citation_in
from gateway.wire.gemini.outcome import FINISH_REASON, LOGPROBS, USAGE
from gateway.wire.gemini.parts import arguments_object, call_signature
from gateway.wire.json import JsonInvalid, dumps
from gateway.wire.links import annotated
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.openai.tools import FUNCTION_CALL
from gateway.wire.pb import chat_pb2

ARGUMENTS_MAX_CHARS: Final = 8 << 20
_MARK: Final = "\x00the text\x00"
_MARK_JSON: Final = orjson.dumps(_MARK)


@dataclass(slots=True)
class _Call:
    """A call whose arguments are still coming."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    is_custom: bool = False
    signature: str | None = None

    def part(self) -> JsonObject:
        """The functionCall part."""
        said = "".join(self.arguments)
        args = {"input": said} if self.is_custom else arguments_object(said)
        call = ({"id": self.id} if self.id else {}) | {"name": self.name, "args": args}
        return {"functionCall": call} | ({"thoughtSignature": self.signature} if self.signature else {})


class ForeignRenderer:
    """Writes the frames of one stream of another dialect."""

    __slots__ = ("_calls", "_chars", "_groundings", "_head", "_hearing", "_held", "_repeat")

    def __init__(self) -> None:
        self._calls: dict[tuple[int, int], _Call] = {}
        self._chars = 0
        self._groundings: dict[int, Grounding] = {}
        self._hearing: Grounding | None = None  # whose text a `str` is
        self._head: JsonObject = {}
        self._held: JsonObject | None = None
        self._repeat: _Call | tuple[bytes, bytes] | None = None

    def render(self, event: chat_pb2.ChatChunk | str) -> list[bytes]:
        """The frames of one event."""
        if type(event) is str:
            return self._repeated(event)
        chunk: Any = event
        self._repeat = None
        for name, member in (("model", "modelVersion"), ("id", "responseId")):
            if chunk.HasField(name):
                self._head[member] = getattr(chunk, name)
        candidates = [candidate for choice in chunk.choices if (candidate := self._candidate(choice))]
        usage: JsonObject = {}
        USAGE.write(chunk, usage)
        frames = self._released(usage) if candidates or usage else []
        if candidates:
            frame = {"candidates": candidates, **usage, **self._head}
            if any("finishReason" in candidate for candidate in candidates) and not usage:
                self._held = frame
            else:
                frames.append(dumps(frame))
        elif usage and not frames:
            frames.append(dumps({**usage, **self._head}))
        if self._repeat is None:
            self._learn(chunk)
        return frames

    def finish(self) -> list[bytes]:
        """The stream ended."""
        frames = self._released({})
        left: dict[int, list[JsonObject]] = {}
        for (choice, _), call in self._calls.items():
            left.setdefault(choice, []).append(call.part())
        self._calls.clear()
        candidates = [_with_parts(parts, choice) for choice, parts in left.items()]
        return [*frames, dumps({"candidates": candidates, **self._head})] if candidates else frames

    def _released(self, usage: JsonObject) -> list[bytes]:
        held, self._held = self._held, None
        return [] if held is None else [dumps({**held, **usage})]

    def _candidate(self, choice: chat_pb2.ChoiceDelta) -> JsonObject | None:
        parts = self._said(choice)
        out: JsonObject = {}
        if choice.finish_reason:
            parts += self._ended(choice.index)
            if metadata := self._groundings[choice.index].metadata():
                out["groundingMetadata"] = metadata
            plain = chat_pb2.ChoiceDelta(finish_reason=choice.finish_reason)
            FINISH_REASON.write(plain, out)
        LOGPROBS.write(choice, out)
        if not parts and not out:
            return None
        return _with_parts(parts, choice.index) | out

    def _said(self, choice: chat_pb2.ChoiceDelta) -> list[JsonObject]:
        """The parts of a chunk; what it cites is kept for the end."""
        if (grounding := self._groundings.get(choice.index)) is None:
            grounding = self._groundings[choice.index] = Grounding()
        said: list[JsonObject] = []
        for block in choice.delta.blocks:
            grounding.enter(block.block)
            if block.HasField("citation_json"):
                grounding.cite(citation_in(block))
                continue
            parts = self._parts(choice.index, block)
            for part in parts:
                if "text" in part and "thought" not in part:
                    grounding.hear(part["text"])
            said += parts
        for block in annotated(choice.delta):
            grounding.cite(citation_in(block))
        return said

    def _parts(self, choice: int, addition: chat_pb2.BlockDelta) -> list[JsonObject]:
        kind = addition.WhichOneof("kind")
        if kind in ("text", "refusal"):
            words = addition.text or addition.refusal
            return [{"text": words}] if words else []
        if kind == "thinking":
            return _thought(addition.thinking)
        if kind == "tool":
            self._fragment(choice, addition, addition.tool)
        elif kind == "start":
            return self._start(choice, addition)
        elif kind == "stop" and (call := self._calls.pop((choice, addition.block), None)):
            return [call.part()]
        elif kind == "audio" and addition.audio.transcript:
            return [{"text": addition.audio.transcript}]
        return []

    def _start(self, choice: int, addition: chat_pb2.BlockDelta) -> list[JsonObject]:
        start = addition.start
        if start.HasField("tool_use"):
            self._fragment(choice, addition, start.tool_use)
        elif start.HasField("thinking"):
            return _thought(start.thinking)
        return [{"text": start.text}] if start.text else []

    def _fragment(self, choice: int, addition: chat_pb2.BlockDelta, tool: Any) -> None:
        call = self._calls.setdefault((choice, addition.block), _Call())
        if addition.extra:
            call.signature = call_signature(addition.extra) or call.signature
        if tool.type != FUNCTION_CALL:
            call.is_custom = call.is_custom or tool.type == "custom"
            call.id = tool.id or call.id
        call.name = tool.name or call.name
        self._add(call, tool.arguments)
        self._repeat = call

    def _add(self, call: _Call, arguments: str) -> None:
        self._chars += len(arguments)
        if self._chars > ARGUMENTS_MAX_CHARS:
            raise JsonInvalid(f"the calls of one answer have more than {ARGUMENTS_MAX_CHARS} characters of arguments")
        call.arguments.append(arguments)

    def _ended(self, choice: int) -> list[JsonObject]:
        keys = [key for key in self._calls if key[0] == choice]
        return [self._calls.pop(key).part() for key in keys]

    def _learn(self, chunk: Any) -> None:
        """Remember where the text of the chunk stands, if it has exactly one: another may come for it."""
        additions: Any = chunk.choices[0].delta.blocks if len(chunk.choices) == 1 else ()
        kind = additions[0].WhichOneof("kind") if len(additions) == 1 else None
        if kind not in ("text", "thinking"):
            return
        part: JsonObject = {"text": _MARK} if kind == "text" else {"text": _MARK, "thought": True}
        frame = {"candidates": [_with_parts([part], chunk.choices[0].index)], **self._head}
        before, _, after = dumps(frame).partition(_MARK_JSON)
        self._repeat = (before, after)
        self._hearing = self._groundings[chunk.choices[0].index] if kind == "text" else None

    def _repeated(self, words: str) -> list[bytes]:
        repeat = self._repeat
        if isinstance(repeat, _Call):
            self._add(repeat, words)
            return []
        if repeat is None:
            raise ValueError("a text came, but the chunk before it has not exactly one text to replace")
        if self._hearing is not None:
            self._hearing.hear(words)
        return [repeat[0] + dumps(words) + repeat[1]] if words else []


def _with_parts(parts: list[JsonObject], index: int) -> JsonObject:
    content: JsonObject = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return {"content": content, "index": index}


def _thought(thinking: Any) -> list[JsonObject]:
    part: JsonObject = {"text": thinking.text, "thought": True} if thinking.HasField("text") else {}
    if thinking.HasField("signature"):
        part = {"text": "", "thought": True, **part, "thoughtSignature": thinking.signature}
    return [part] if part.get("text") or "thoughtSignature" in part else []
