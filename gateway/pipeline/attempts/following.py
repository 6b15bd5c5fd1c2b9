"""The rest of a broken answer, taken from another attempt's stream, as chunks of the stream the caller has.

Rules:
    - Pure. `expected` is what the new answer must say first, increment by increment; only what follows it is given on.
    - A new answer that says something else raises Mismatch, unless it is a continuation, whose expected part is only
      the white space a prefill may not end with.
    - What is given on is a legal rest: the caller's own id and model, no second role, calls that go on keep their
      number and get no second id, new ones are numbered after the old, one finish reason, at most one usage.
    - Reasoning of the new attempt is left out: the caller has that of the first, or its answer already.
Not here:
    - Which attempt (rescued.py); what was delivered (delivered.py).
"""

from __future__ import annotations

from typing import Any

from gateway.pipeline.attempts.delivered import Delivered, Line, Piece, pieces_of
from gateway.rpc.contract import Batch
from gateway.wire.pb import chat_pb2, completions_pb2


class Mismatch(Exception):
    """The new answer does not reproduce what was delivered."""


class Following:
    """One attempt's stream after the delivered part."""

    __slots__ = ("_at", "_blocks", "_calls", "_expected", "_head", "_is_lenient", "_line", "_repeated")

    def __init__(self, delivered: Delivered, expected: str, *, is_continuation: bool) -> None:
        self._expected = expected
        self._is_lenient = is_continuation
        self._at = 0
        self._line = delivered.line.copy() if is_continuation else Line()
        self._head = delivered.head
        self._calls = list(delivered.line.calls)  # blocks of the caller's calls, in order
        self._blocks = dict(delivered.blocks)  # the caller's latest block of each kind
        self._repeated: Piece | None = None

    @classmethod
    def splice(cls, delivered: Delivered) -> Following:
        """An answer from the beginning."""
        return cls(delivered, delivered.answer, is_continuation=False)

    @classmethod
    def continuation(cls, delivered: Delivered, blanks: str) -> Following:
        """An answer that goes on behind the delivered one, without the `blanks` at its end."""
        return cls(delivered, blanks, is_continuation=True)

    def rest(self, batch: Batch) -> Batch:
        """What these events add to what the caller has; may be nothing. Raises Mismatch."""
        out: Batch = []
        for event in batch:
            if type(event) is str:
                if self._repeated is not None:
                    out += self._add(self._repeated._replace(text=event, id="", name="", type=""))
                continue
            pieces = pieces_of(event)
            self._repeated = pieces[0] if len(pieces) == 1 else None
            for piece in pieces:
                out += self._add(piece)
            out += self._ending(event)
        return out

    def _add(self, piece: Piece) -> Batch:
        if piece.kind == "audio":
            raise Mismatch
        if piece.kind in ("thinking", "other"):
            return []
        if not piece.text and piece.kind != "tool":
            return []
        is_known = piece.kind != "tool" or piece.block in self._line.calls
        has_new_mark = self._pass(self._line.mark(piece))
        text = self._pass(piece.text)
        if has_new_mark and piece.kind == "tool" and not is_known:
            return [self._call(piece, text, is_new=True)]
        if not text:
            return []
        if piece.kind == "tool":
            return [self._call(piece, text, is_new=False)]
        return [self._said(piece.kind, text)]

    def _pass(self, token: str) -> str:
        """The part of `token` that goes beyond what is expected."""
        left = len(self._expected) - self._at
        if not left or not token:
            return token
        if self._expected.startswith(token, self._at):
            self._at += len(token)
            return ""
        if len(token) > left and token.startswith(self._expected[self._at :]):
            self._at = len(self._expected)
            return token[left:]
        if self._is_lenient:
            self._at = len(self._expected)
            return token
        raise Mismatch

    def _ending(self, event: Any) -> Batch:
        out: Batch = []
        for choice in event.choices:
            if not choice.index and choice.finish_reason:
                if self._at < len(self._expected) and not self._is_lenient:
                    raise Mismatch  # shorter than what was delivered
                out.append(self._finished(choice))
        if event.HasField("usage"):
            report = type(self._head)(usage=event.usage)
            report.MergeFrom(self._head)
            out.append(report)
        return out

    def _chunk(self, **choice: Any) -> Any:
        chunk: Any = type(self._head)()
        chunk.CopyFrom(self._head)
        chunk.choices.add(index=0, **choice)
        return chunk

    def _said(self, kind: str, text: str) -> Any:
        if isinstance(self._head, completions_pb2.CompletionResponse):
            return self._chunk(text=text)
        block = chat_pb2.BlockDelta(block=self._blocks.setdefault(kind, self._free_block()))
        setattr(block, kind, text)
        return self._chunk(delta=chat_pb2.Delta(blocks=[block]))

    def _call(self, piece: Piece, text: str, *, is_new: bool) -> Any:
        number = self._line.calls.index(piece.block)
        while len(self._calls) <= number:
            self._calls.append(self._free_block())
        fragment = chat_pb2.ToolDelta(index=number, arguments=text)
        if is_new:
            fragment.id, fragment.name, fragment.type = piece.id, piece.name, piece.type or "function"
        block = chat_pb2.BlockDelta(block=self._calls[number], tool=fragment)
        return self._chunk(delta=chat_pb2.Delta(blocks=[block]))

    def _free_block(self) -> int:
        return max([*self._calls, *self._blocks.values()], default=-1) + 1

    def _finished(self, choice: Any) -> Any:
        made: dict[str, Any] = {"finish_reason": choice.finish_reason}
        if isinstance(choice, chat_pb2.ChoiceDelta):
            made["delta"] = chat_pb2.Delta()
            for name in ("native_finish_reason", "stop_sequence"):
                if choice.HasField(name):
                    made[name] = getattr(choice, name)
        return self._chunk(**made)
