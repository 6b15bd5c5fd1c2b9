"""Which additions of a stream belong to the same block, and which index its tool calls have.

Rules:
- Per choice, blocks are numbered from 0 in order of first appearance.
- A tool fragment belongs to the call with its id; without one, to the latest call at its index; without that, to the
  latest call. A new name, or a second fragment in one chunk, begins a new call: indexes are missing or lie often.

Not here: reading the members (deltas.py).
"""

from typing import Any

from gateway.wire.openai.mirror import JsonObject
from gateway.wire.openai.tools import FUNCTION_CALL
from gateway.wire.pb import chat_pb2


class BlockNumbers:
    """The blocks of one choice seen so far."""

    __slots__ = ("_blocks", "_by_id", "_by_index", "_last_call", "_names")

    def __init__(self) -> None:
        self._blocks: dict[object, int] = {}
        self._by_id: dict[str, int] = {}
        self._by_index: dict[int, int] = {}
        self._names: dict[int, str] = {}  # block of a call -> its name
        self._last_call: int | None = None

    def assign(self, delta: chat_pb2.Delta) -> None:
        """Set the number of every block in `delta`."""
        taken: set[int] = set()
        for block in delta.blocks:
            kind = block.WhichOneof("kind")
            if kind == "tool" and block.tool.type != FUNCTION_CALL:
                block.block = self._of_call(block.tool, taken)
                taken.add(block.block)
            else:
                key = (kind, block.thinking.member) if kind == "thinking" else (kind, "")
                block.block = self._blocks.setdefault(key, len(self._blocks))

    def _of_call(self, call: chat_pb2.ToolDelta, taken: set[int]) -> int:
        number = self._by_id.get(call.id) if call.id else self._continued(call, taken)
        if number is None:
            number = len(self._blocks)
            self._blocks["call", number] = number
        if call.id:
            self._by_id[call.id] = number
        if call.HasField("index"):
            self._by_index[call.index] = number
        if call.name:
            self._names[number] = call.name
        self._last_call = number
        return number

    def _continued(self, call: chat_pb2.ToolDelta, taken: set[int]) -> int | None:
        number = self._by_index.get(call.index) if call.HasField("index") else self._last_call
        if number is None or number in taken:
            return None
        return None if call.name and self._names.get(number, call.name) != call.name else number


def add_missing_indexes(chunk: chat_pb2.ChatChunk, obj: JsonObject, indexes: dict[int, dict[int, int]]) -> None:
    """Give fragments made without an index the position of their call among the calls of its choice.

    `obj` is the JSON object of `chunk`; `indexes` (choice -> block -> index) is the memory of the stream.
    """
    for at, choice in enumerate(chunk.choices):
        calls = [block for block in choice.delta.blocks if _is_call(block)]
        if calls:
            _number(calls, _entries(obj, at), indexes.setdefault(choice.index, {}))


def _number(calls: list[chat_pb2.BlockDelta], entries: list[Any], known: dict[int, int]) -> None:
    for block, entry in zip(calls, entries, strict=False):
        index = known.setdefault(block.block, len(known))
        if type(entry) is dict and "index" not in entry and not block.extra:
            entry["index"] = index


def _entries(obj: JsonObject, at: int) -> list[Any]:
    """The written calls of a choice; `extra` of the messages around them may have replaced anything."""
    choices = obj.get("choices")
    choice = choices[at] if type(choices) is list and at < len(choices) else None
    delta = choice.get("delta") if type(choice) is dict else None
    entries = delta.get("tool_calls") if type(delta) is dict else None
    return entries if type(entries) is list else []


def _is_call(block: chat_pb2.BlockDelta) -> bool:
    kind = block.WhichOneof("kind")
    if kind == "start":
        return block.start.HasField("tool_use")
    return kind == "tool" and block.tool.type != FUNCTION_CALL
