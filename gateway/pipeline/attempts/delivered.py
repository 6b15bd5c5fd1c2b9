"""What a stream has delivered so far, as much of it as a rescue needs.

Rules:
    - Pure. The text is kept in order, up to `max_bytes`; beyond that only its size is counted and it is no use for a
      continuation or a splice.
    - An answer is a line of parts: text, refusal, calls of tools with their names and arguments. Reasoning is not part
      of it: no second attempt reasons the same.
    - Only an answer of one choice can be gone on with.
Not here:
    - What follows it (following.py); when (rescued.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.rpc.contract import Batch
from gateway.wire.pb import chat_pb2, completions_pb2

_HEAD = ("id", "created", "model", "system_fingerprint")


class Piece(NamedTuple):
    """One increment of an answer: `kind` is text, refusal, tool, thinking, audio or other; `block` is its number."""

    kind: str
    text: str
    block: int = 0
    id: str = ""
    name: str = ""
    type: str = ""


def pieces_of(event: Any) -> list[Piece]:
    """The increments of a whole event's first choice."""
    if isinstance(event, completions_pb2.CompletionResponse):
        return [Piece("text", choice.text) for choice in event.choices if not choice.index and choice.text]
    return [_piece(block) for choice in event.choices if not choice.index for block in choice.delta.blocks]


def _piece(block: chat_pb2.BlockDelta) -> Piece:
    kind = block.WhichOneof("kind")
    if kind == "text":
        return Piece("text", block.text, block.block)
    if kind == "refusal":
        return Piece("refusal", block.refusal, block.block)
    if kind == "tool":
        call = block.tool
        return Piece("tool", call.arguments, block.block, call.id, call.name, call.type)
    if kind == "start" and block.start.HasField("tool_use"):
        use = block.start.tool_use
        return Piece("tool", use.arguments, block.block, use.id, use.name, use.type)
    if kind == "start" and block.start.HasField("text"):
        return Piece("text", block.start.text, block.block)
    return Piece(kind if kind in ("thinking", "audio") else "other", block.thinking.text, block.block)


class Line:
    """Increments to the line of an answer: what is said, with a mark wherever another part begins."""

    __slots__ = ("_current", "calls", "has_text")

    def __init__(self) -> None:
        self._current: object = None
        self.calls: list[int] = []  # blocks of calls, in order of their first appearance
        self.has_text = False

    def copy(self) -> Line:
        """The same place in the same answer."""
        made = Line()
        made._current, made.calls, made.has_text = self._current, list(self.calls), self.has_text
        return made

    def mark(self, piece: Piece) -> str:
        """What stands before this increment; empty when it goes on with the part before it."""
        if piece.kind != "tool":
            self.has_text = self.has_text or piece.kind == "text"
            return self._turn(piece.kind, f"\0{piece.kind}\0")
        if piece.block not in self.calls:
            self.calls.append(piece.block)
            return self._turn(("tool", piece.block), f"\0call\0{piece.name}\0")
        return self._turn(("tool", piece.block), f"\0again\0{self.calls.index(piece.block)}\0")

    def _turn(self, part: object, mark: str) -> str:
        if self._current == part:
            return ""
        self._current = part
        return mark


class Delivered:
    """What one caller has got of one answer."""

    __slots__ = (
        "_max_bytes", "_repeated", "_size", "_texts", "blocks", "chars", "chunks", "head", "is_finished", "is_kept",
        "is_usage_told", "line",
    )  # fmt: skip

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: list[str] = []
        self._size = 0
        self._repeated: Piece | None = None  # what a `str` event is one more increment of
        self.head: Any = None  # a chunk without content, whose id and model every chunk of the stream has
        self.line = Line()
        self.blocks: dict[str, int] = {}  # kind of a part -> the number of its latest block
        self.chars = self.chunks = 0
        self.is_kept = True  # whether the answer can be gone on with
        self.is_finished = self.is_usage_told = False

    def take(self, batch: Batch) -> None:
        """These events went to the caller."""
        self.chunks += len(batch)
        for event in batch:
            if type(event) is str:
                if self._repeated is not None:
                    self._say(self._repeated, event)
            else:
                self._chunk(event)
        if self._size > self._max_bytes and self.is_kept:
            self._forget()

    @property
    def answer(self) -> str:
        """The line of the answer so far."""
        return "".join(self._texts)

    @property
    def text(self) -> str | None:
        """The answer so far when it is text and nothing else, else None."""
        answer = self.answer
        mark = "\0text\0"
        return answer[len(mark) :] if answer.startswith(mark) and "\0" not in answer[len(mark) :] else None

    def _chunk(self, event: Any) -> None:
        if self.head is None and (event.HasField("id") or event.choices):
            self.head = _head_of(event)
        pieces = pieces_of(event)
        for piece in pieces:
            self._say(piece, piece.text)
        self._repeated = pieces[0] if len(pieces) == 1 else None
        for choice in event.choices:
            self.is_finished = self.is_finished or bool(choice.finish_reason)
            if choice.index:
                self._forget()
        self.is_usage_told = self.is_usage_told or event.HasField("usage")

    def _say(self, piece: Piece, text: str) -> None:
        self.blocks[piece.kind] = piece.block
        if piece.kind == "audio":
            self._forget()
        if piece.kind in ("thinking", "audio", "other"):
            return
        self.chars += len(text)
        self._size += len(text.encode("utf-8", "replace"))
        if self.is_kept and (text or piece.kind == "tool"):
            self._texts += (self.line.mark(piece), text)

    def _forget(self) -> None:
        self.is_kept = False
        self._texts.clear()


def _head_of(event: Any) -> Any:
    head = type(event)()
    head.object = event.object or "chat.completion.chunk"
    for name in _HEAD:
        if event.HasField(name):
            setattr(head, name, getattr(event, name))
    if isinstance(event, chat_pb2.ChatChunk) and event.HasField("service_tier"):
        head.service_tier = event.service_tier
    return head
