"""Streamed chat answers: the data of an event to a ChatChunk or a text, and back.

Rules:
- For every chunk of every stream, rendering what was decoded gives the same JSON values.
- A `str` event is the last ChatChunk again with this text in its one increment: content, reasoning, or the arguments
  of a tool call (shorthand.py). Decoder and renderer belong to one stream each and see its events in order.
- Blocks are numbered and missing tool indexes added as numbering.py says.

Not here: SSE framing, `[DONE]`, whether a stream is complete, errors (the openai dialect and the frontend).
"""

from collections.abc import Sequence
from typing import Any

from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai.deltas import CHUNK
from gateway.wire.openai.mirror import EMPTY, JsonObject, kept_object
from gateway.wire.openai.numbering import BlockNumbers, add_missing_indexes
from gateway.wire.openai.shorthand import TextReader, TextWriter
from gateway.wire.pb import chat_pb2, completions_pb2

_TEXTS = frozenset(("content", "reasoning_content", "reasoning"))
_ARGUMENTS = {"arguments"}
_INPUT = {"input"}
_CONTINUED = frozenset(("index", "function"))
_CUSTOM_CONTINUED = frozenset(("index", "type", "custom"))
_ANSWER_MEMBERS = ("content", "refusal", "reasoning_content", "reasoning", "tool_calls", "function_call", "audio")


def single_choice(obj: Any) -> JsonObject | None:
    """The one choice of a chunk's JSON object that has neither usage nor finish_reason."""
    if type(obj) is not dict or obj.get("usage") is not None:
        return None
    choices = obj.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choice := choices[0]) is not dict:
        return None
    return choice if choice.get("finish_reason") is None else None


def _text_slot(obj: Any) -> tuple[JsonObject, str] | None:
    """Where a chunk's one increment is: content, reasoning, or the arguments of one call already begun."""
    choice = single_choice(obj)
    delta = choice.get("delta") if choice is not None else None
    if type(delta) is not dict:
        return None
    names = [name for name, value in delta.items() if value is not None and name != "role"]
    if len(names) != 1:
        return None
    name = names[0]
    if name in _TEXTS:
        return (delta, name) if type(delta[name]) is str else None
    return _arguments_slot(delta[name]) if name == "tool_calls" else None


def _arguments_slot(calls: Any) -> tuple[JsonObject, str] | None:
    if type(calls) is not list or len(calls) != 1 or type(call := calls[0]) is not dict:
        return None
    function = call.get("function")
    if function is None:
        return _input_slot(call)
    if type(function) is not dict or function.keys() != _ARGUMENTS or type(function["arguments"]) is not str:
        return None
    is_continuation = all(name in _CONTINUED or value is None for name, value in call.items())
    return (function, "arguments") if is_continuation else None


def _input_slot(call: JsonObject) -> tuple[JsonObject, str] | None:
    """The same for a custom tool, whose fragments may repeat its type."""
    custom = call.get("custom")
    if type(custom) is not dict or custom.keys() != _INPUT or type(custom["input"]) is not str:
        return None
    is_continuation = all(name in _CUSTOM_CONTINUED or value is None for name, value in call.items())
    return (custom, "input") if is_continuation else None


class ChunkDecoder:
    """Reads the chunks of one stream."""

    __slots__ = ("_numbers", "_text", "text_of")

    def __init__(self) -> None:
        self._text = TextReader(_text_slot)
        self.text_of = self._text.text_of
        """The text of an event that is the last whole chunk with another text; None if it is anything else."""
        self._numbers: dict[int, BlockNumbers] = {}

    def decode(self, data: bytes) -> chat_pb2.ChatChunk | str:
        """Read the data of one event. Raises JsonInvalid if it is not a JSON object."""
        text = self.text_of(data)
        if text is not None:
            return text
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("a chunk must be a JSON object")
        chunk: chat_pb2.ChatChunk = CHUNK.made(obj)
        for choice in chunk.choices:
            if choice.delta.blocks:
                self._numbers_of(choice.index).assign(choice.delta)
        self._text.learn(data, obj)
        return chunk

    def _numbers_of(self, index: int) -> BlockNumbers:
        numbers = self._numbers.get(index)
        if numbers is None:
            numbers = self._numbers[index] = BlockNumbers()
        return numbers


class ChunkRenderer:
    """Writes the chunks of one stream."""

    __slots__ = ("_indexes", "_text")

    def __init__(self) -> None:
        self._text = TextWriter(_text_slot)
        self._indexes: dict[int, dict[int, int]] = {}

    def render(self, event: chat_pb2.ChatChunk | str) -> bytes:
        """Return the JSON of one event, without framing.

        Raises JsonInvalid for a JSON text in the chunk that is none, ValueError for a text without its chunk.
        """
        if type(event) is str:
            return self._text.written(event)
        obj = encode_chunk(event)  # type: ignore[arg-type]  # a str was handled above
        add_missing_indexes(event, obj, self._indexes)  # type: ignore[arg-type]  # a str was handled above
        self._text.learn(obj)
        return dumps(obj)

    def texts(self, texts: Sequence[str], before: bytes, after: bytes) -> bytes:
        """What `render` returns for several texts in a row, each between `before` and `after`."""
        return self._text.all_written(texts, before, after)


def encode_chunk(chunk: chat_pb2.ChatChunk) -> JsonObject:
    """Return the JSON object of one chunk, without the memory of its stream."""
    return CHUNK.encode(chunk)


def is_content(event: chat_pb2.ChatChunk | completions_pb2.CompletionResponse | str) -> bool:
    """Whether the event brings something of the answer: the first such event is the commit."""
    if type(event) is str:
        return bool(event)
    if isinstance(event, chat_pb2.ChatChunk):
        return any(_has_content(choice.delta) for choice in event.choices)
    return any(choice.text for choice in event.choices)  # type: ignore[union-attr]  # CompletionResponse


def with_words(block: chat_pb2.BlockDelta, words: str) -> chat_pb2.BlockDelta:
    """An increment with another text."""
    made = chat_pb2.BlockDelta()
    made.CopyFrom(block)
    kind = block.WhichOneof("kind")
    if kind == "thinking":
        made.thinking.text = words
    elif kind == "tool":
        made.tool.arguments = words
    else:
        made.text = words
    return made


def _has_content(delta: chat_pb2.Delta) -> bool:
    if any(map(_is_addition, delta.blocks)):
        return True
    if not delta.extra or delta.extra == EMPTY:
        return False
    kept = kept_object(delta.extra)
    return any(kept.get(name) for name in _ANSWER_MEMBERS)


def _is_addition(block: chat_pb2.BlockDelta) -> bool:
    kind = block.WhichOneof("kind")
    if kind == "text":
        return bool(block.text)
    if kind == "refusal":
        return bool(block.refusal)
    if kind == "thinking":
        return bool(block.thinking.text or block.thinking.redacted)
    if kind == "audio":
        return bool(block.audio.data or block.audio.transcript)
    if kind == "start":
        return block.start.WhichOneof("kind") in ("tool_use", "thinking")
    return kind in ("tool", "opaque")
