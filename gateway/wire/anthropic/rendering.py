"""A stream for an Anthropic client, whatever dialect it came in: the exact sequence of named events.

Rules:
- Chunks of this dialect are written as they came. Of others, the sequence is made: message_start, then per block
  content_block_start, its deltas, content_block_stop, and at the end message_delta with the usage, message_stop.
- One block is open at a time; only the first choice is shown. Usage at the end is the last that was reported.
- A call that begins before the one before it is complete waits, whole, for the end: providers may send fragments of
  several calls in turns.

Not here: SSE framing, a stream that fails (errors.py).
"""

from typing import Any

from gateway.wire.anthropic import DIALECT
from gateway.wire.anthropic.answers import citation_of, stop_reason_of
from gateway.wire.anthropic.events import NamedEvent, NativeRenderer, delta_of
from gateway.wire.anthropic.usage import mapped_usage
from gateway.wire.foreign import is_headless
from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.links import annotated, link_in
from gateway.wire.openai.chunks import with_words
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2

ARGUMENTS_MAX_CHARS = 8 << 20
_MARK = "\ue000"
_KEYS = {"text": "text", "refusal": "text", "thinking": "thinking", "tool": "tool"}
_EMPTY: dict[str, JsonObject] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


class EventRenderer:
    """Writes the events of one stream."""

    __slots__ = ("_made", "_native")

    def __init__(self) -> None:
        self._native: NativeRenderer | None = None
        self._made: _Sequence | None = None

    def render(self, event: chat_pb2.ChatChunk | str) -> list[NamedEvent]:
        """The events of a chunk: any number. Raises JsonInvalid, and ValueError for a text without its chunk."""
        if isinstance(event, str):
            if self._made is not None:
                return self._made.text(event)
        elif self._made is None and event.dialect != DIALECT:
            self._made = _Sequence()
        if self._made is not None:
            return self._made.chunk(event)  # type: ignore[arg-type]  # a str was handled above
        if self._native is None:
            self._native = NativeRenderer()
        return self._native.render(event)

    def finish(self) -> list[NamedEvent]:
        """What ends a complete stream."""
        return self._made.end() if self._made is not None else []


def _event(type_: str, **members: Any) -> NamedEvent:
    return type_, dumps({"type": type_, **members})


class _Sequence:
    """The events made from chunks of other dialects."""

    __slots__ = (
        "_arguments",
        "_blocks",
        "_chars",
        "_count",
        "_has_begun",
        "_held",
        "_open",
        "_repeated",
        "_stop_reason",
        "_stop_sequence",
        "_usage",
        "_wrap",
    )

    def __init__(self) -> None:
        self._has_begun = False
        self._blocks: dict[tuple[str, int], int] = {}
        self._count = 0
        self._open: int | None = None
        self._arguments: list[str] | None = None  # of the open block, if it is a call
        self._chars = 0  # of arguments, those that were sent included
        self._held: dict[int, chat_pb2.ToolDelta] = {}  # calls that wait, by block
        self._repeated: chat_pb2.BlockDelta | None = None  # what a text stands for
        self._wrap: tuple[bytes, bytes] | None = None  # the bytes around such a text, once known
        self._stop_reason = "end_turn"
        self._stop_sequence: str | None = None
        self._usage = types_pb2.Usage()

    def chunk(self, chunk: chat_pb2.ChatChunk) -> list[NamedEvent]:
        if not self._has_begun and is_headless(chunk):
            return []
        out = [] if self._has_begun else [self._start(chunk)]
        if chunk.HasField("usage"):
            self._usage.CopyFrom(chunk.usage)
        shown = [choice for choice in chunk.choices if not choice.index]
        blocks = [block for choice in shown for block in choice.delta.blocks]
        self._repeated = blocks[0] if len(blocks) == 1 else None
        self._wrap = None
        for block in blocks:
            out += self._block(block)
        for choice in shown:
            for cited in annotated(choice.delta):
                out += self._block(cited)
            if choice.finish_reason:
                self._stop_reason = stop_reason_of(choice.finish_reason)
            if choice.stop_sequence:
                self._stop_reason, self._stop_sequence = "stop_sequence", choice.stop_sequence
        return out

    def text(self, words: str) -> list[NamedEvent]:
        if not words:
            return []
        if self._wrap is not None:
            if self._arguments is not None:
                self._remember(self._arguments, words)
            return [("content_block_delta", self._wrap[0] + dumps(words) + self._wrap[1])]
        if self._repeated is None:
            raise ValueError("a text came, but the chunk before it has not exactly one text to replace")
        out = self._block(with_words(self._repeated, words))
        if out:
            before, _, after = self._delta(with_words(self._repeated, _MARK))[1].partition(dumps(_MARK))
            self._wrap = before, after
        return out

    def end(self) -> list[NamedEvent]:
        out = [] if self._has_begun else [self._start(chat_pb2.ChatChunk())]
        delta = {"stop_reason": self._stop_reason, "stop_sequence": self._stop_sequence}
        held, self._held = self._held, {}
        self._arguments = None
        for block, call in held.items():
            out += self._block(chat_pb2.BlockDelta(block=block, tool=call))
            self._arguments = None
        return [
            *out,
            *self._closed(),
            _event("message_delta", delta=delta, usage=mapped_usage(self._usage)),
            _event("message_stop"),
        ]

    def _start(self, chunk: chat_pb2.ChatChunk) -> NamedEvent:
        self._has_begun = True
        message: JsonObject = {
            "id": chunk.id or "msg_",
            "type": "message",
            "role": "assistant",
            "model": chunk.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": mapped_usage(chunk.usage),
        }
        return _event("message_start", message=message)

    def _closed(self) -> list[NamedEvent]:
        if self._open is None:
            return []
        index, self._open, self._arguments = self._open, None, None
        return [_event("content_block_stop", index=index)]

    def _opened(self, key: tuple[str, int], content_block: JsonObject) -> list[NamedEvent]:
        out = self._closed()
        index = self._blocks[key] = self._open = self._count
        self._count += 1
        return [*out, _event("content_block_start", index=index, content_block=content_block)]

    def _block(self, block: chat_pb2.BlockDelta) -> list[NamedEvent]:
        """The events of one increment; an empty one makes no event and opens no block."""
        kind = block.WhichOneof("kind")
        if kind == "thinking" and block.thinking.HasField("redacted"):
            data = block.thinking.redacted.decode("utf-8", "replace")
            return self._opened(("redacted", self._count), {"type": "redacted_thinking", "data": data})
        if kind == "start" and block.start.HasField("tool_use"):
            call = block.start.tool_use
            fragment = chat_pb2.ToolDelta(id=call.id, name=call.name, arguments=call.arguments)
            block, kind = chat_pb2.BlockDelta(block=block.block, tool=fragment), "tool"
        if kind == "citation_json":
            return self._cited(block)
        if kind not in _KEYS:
            return []
        if kind == "tool" and self._is_held(block):
            return []
        out = self._entered(block, kind)
        return [*out, self._delta(block)] if _has_words(block) else out

    def _cited(self, block: chat_pb2.BlockDelta) -> list[NamedEvent]:
        """A citation of a link in the open text; none where no text is open."""
        found = link_in(block.citation_json)
        is_text = any(index == self._open and key[:1] == ("text",) for key, index in self._blocks.items())
        if found is None or not is_text:
            return []
        delta = {"type": "citations_delta", "citation": citation_of(found)}
        return [_event("content_block_delta", index=self._open, delta=delta)]

    def _entered(self, block: chat_pb2.BlockDelta, kind: str) -> list[NamedEvent]:
        """Open the block of an increment unless it is open, or there is nothing to say in it yet."""
        key = (_KEYS[kind], block.block)
        if kind == "tool":
            if key in self._blocks:  # a late fragment of a closed call still has its index
                return []
            start = {"type": "tool_use", "id": block.tool.id, "name": block.tool.name, "input": {}}
            out = self._opened(key, start)
            self._arguments = []
            self._remember(self._arguments, block.tool.arguments)
            return out
        if not _has_words(block) or (self._open is not None and self._blocks.get(key) == self._open):
            return []
        return self._opened(key, dict(_EMPTY[_KEYS[kind]]))

    def _is_held(self, block: chat_pb2.BlockDelta) -> bool:
        """Whether a fragment is kept for the end. Raises JsonInvalid when the calls of an answer are too long."""
        key = (_KEYS["tool"], block.block)
        open_call = self._arguments
        if open_call is not None and self._blocks.get(key) == self._open:
            self._remember(open_call, block.tool.arguments)
            return False
        call = self._held.get(block.block)
        if call is not None:
            self._remember(None, block.tool.arguments)
            call.arguments += block.tool.arguments
            return True
        if key in self._blocks or open_call is None or (not self._held and is_complete("".join(open_call))):
            return False
        self._held[block.block] = call = chat_pb2.ToolDelta()
        call.CopyFrom(block.tool)
        return True

    def _remember(self, arguments: list[str] | None, words: str) -> None:
        self._chars += len(words)
        if self._chars > ARGUMENTS_MAX_CHARS:
            raise JsonInvalid(f"the calls of one answer have more than {ARGUMENTS_MAX_CHARS} characters of arguments")
        if arguments is not None:
            arguments.append(words)

    def _delta(self, block: chat_pb2.BlockDelta) -> NamedEvent:
        index = self._blocks[_KEYS[block.WhichOneof("kind") or ""], block.block]
        return _event("content_block_delta", index=index, delta=delta_of(block))


def is_complete(arguments: str) -> bool:
    """Whether arguments are a whole JSON object; the beginning of one never is."""
    try:
        return type(loads(arguments.encode("utf-8", "surrogatepass"))) is dict
    except JsonInvalid:
        return False


def _has_words(block: chat_pb2.BlockDelta) -> bool:
    thinking = block.thinking
    return bool(block.text or block.refusal or block.tool.arguments or thinking.text or thinking.signature)
