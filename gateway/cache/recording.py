"""An answer as bytes: recorded batch by batch while it is given, read back as the same batches.

Rules:
    - Only bytes are kept: no later call can change what another one got.
    - A recording that grew past its bound, or holds what must not be kept, keeps nothing from then on.
    - What is read may come from another service, or be damaged: anything unexpected is a ValueError, never an answer.
Format: header, then batches. Header: `>4sdII` = mark, expiry (unix seconds), number of batches, length of the
    list of left-out members (JSON), then that list. Batch: `>I` = number of events; event: `>BI` = kind (0 message,
    1 text increment), length; then its bytes.
Not here:
    - When an answer is complete (pipeline.cached); where it is kept (answers.py).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message

from gateway.rpc.contract import Batch, Event
from gateway.wire import json
from gateway.wire.pb import chat_pb2

MARK = b"gwc1"
_HEADER = struct.Struct(">4sdII")
_COUNT = struct.Struct(">I")
_EVENT = struct.Struct(">BI")
_MESSAGE, _TEXT = 0, 1
_TOOL_KINDS = ("tool", "tool_use")


class Recording:
    """One answer while it is given. `size` is in bytes."""

    __slots__ = ("_has_tool_calls", "_max_bytes", "_parts", "batches", "is_dropped", "size")

    def __init__(self, max_bytes: int, *, has_tool_calls: bool) -> None:
        self._parts: list[bytes] = []
        self._max_bytes = max_bytes
        self._has_tool_calls = has_tool_calls
        self.batches = 0
        self.size = 0
        self.is_dropped = False

    def add(self, batch: Batch) -> None:
        """Take a batch that was given."""
        if self.is_dropped or not batch:
            return
        parts = [_COUNT.pack(len(batch))]
        for event in batch:
            kind, data = _packed(event)
            if kind is None or (not self._has_tool_calls and isinstance(event, Message) and calls_tool(event)):
                self.drop()
                return
            parts += (_EVENT.pack(kind, len(data)), data)
        self.size += sum(map(len, parts))
        if self.size > self._max_bytes:
            self.drop()
            return
        self._parts += parts
        self.batches += 1

    def drop(self) -> None:
        """Keep nothing of it."""
        self.is_dropped = True
        self._parts.clear()

    def whole(self, expires_unix_s: float, left_out: Sequence[str]) -> bytes:
        """The complete answer."""
        told = json.dumps(list(left_out)) if left_out else b""
        return b"".join((_HEADER.pack(MARK, expires_unix_s, self.batches, len(told)), told, *self._parts))


class Recorded(NamedTuple):
    """An answer read back."""

    expires_unix_s: float
    left_out: tuple[str, ...]
    batches: list[Batch]


def expiry_of(data: bytes) -> float:
    """When an answer is over, unix seconds. Raises ValueError."""
    if len(data) < _HEADER.size or data[:4] != MARK:
        raise ValueError("no recorded answer")
    expires_unix_s: float = _HEADER.unpack_from(data)[1]
    return expires_unix_s


def read(data: bytes, reply: type[Message]) -> Recorded:
    """The answer whose messages are of that type. Raises ValueError for anything else."""
    try:
        expires_unix_s = expiry_of(data)
        _, _, count, told = _HEADER.unpack_from(data)
        at = _HEADER.size + told
        left_out = tuple(map(str, json.loads(data[_HEADER.size : at]))) if told else ()
        batches = []
        for _ in range(count):
            batch, at = _batch(data, at, reply)
            batches.append(batch)
    except (struct.error, DecodeError, ValueError, TypeError) as error:
        raise ValueError(f"a damaged answer: {error}") from error
    if at != len(data) or not batches:
        raise ValueError("a damaged answer: its length is wrong")
    return Recorded(expires_unix_s, left_out, batches)


def _batch(data: bytes, at: int, reply: type[Message]) -> tuple[Batch, int]:
    (count,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    batch: list[Event] = []
    for _ in range(count):
        kind, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        part = data[at : at + length]
        at += length
        if len(part) != length or kind not in (_MESSAGE, _TEXT):
            raise ValueError("a damaged answer: an event is cut")
        batch.append(reply.FromString(part) if kind == _MESSAGE else part.decode())
    if not batch:
        raise ValueError("a damaged answer: an empty batch")
    return batch, at


def _packed(event: Event) -> tuple[int | None, bytes]:
    """Kind and bytes; no kind for what is not kept: JSON as the provider sent it, half a surrogate pair."""
    if isinstance(event, Message):
        return _MESSAGE, event.SerializeToString()
    if not isinstance(event, str):
        return None, b""
    try:
        return _TEXT, event.encode()
    except UnicodeEncodeError:
        return None, b""


def calls_tool(message: Any) -> bool:
    """Whether an event calls a tool, or begins to."""
    if isinstance(message, chat_pb2.ChatChunk):
        return any(_is_tool(block) for choice in message.choices for block in choice.delta.blocks)
    if isinstance(message, chat_pb2.ChatResponse):
        return any(_is_tool(block) for choice in message.choices for block in choice.message.blocks)
    return False


def _is_tool(block: Any) -> bool:
    kind = block.WhichOneof("kind")
    return kind in _TOOL_KINDS or (kind == "start" and block.start.WhichOneof("kind") in _TOOL_KINDS)
