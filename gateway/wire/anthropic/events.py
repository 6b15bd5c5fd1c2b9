"""Streamed answers: one event to one ChatChunk and back.

Rules:
- For every event of every stream, rendering what was decoded gives the same JSON and, as its name, the JSON's `type`.
- An increment of the usual shape is kept in typed fields alone; every other event keeps its whole JSON in `extra`
  beside the typed fields, and is written from there.
- A `str` event is the last ChatChunk again with this text in its one increment: text, thinking, or input of a tool.

Not here: chunks for clients of other dialects (canonical.py), chunks of other dialects as events (rendering.py).
"""

from typing import Any, Final

from gateway.wire.anthropic import DIALECT
from gateway.wire.anthropic.blocks import read_block
from gateway.wire.anthropic.chat import finish_reason_of
from gateway.wire.anthropic.usage import read_usage
from gateway.wire.json import JsonInvalid, dumps, loads, text
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject, kept_object, kept_value
from gateway.wire.openai.shorthand import TextReader, TextWriter
from gateway.wire.pb import chat_pb2

NamedEvent = tuple[str | None, bytes]
"""The name of a server-sent event and its data."""

DELTA_TEXTS: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Type of an increment -> member with its text, for those that may be repeated as a `str`."""
_STANDARD = {**DELTA_TEXTS, "signature_delta": "signature", "citations_delta": "citation"}
_OUTER = {"type", "index", "delta"}
_STOP = {"type", "index"}
_INDEX_MAX = 2**31
_UNNAMED: Final = "message"  # what a stream of events calls one without a name


def _slot(obj: Any) -> tuple[JsonObject, str] | None:
    """Where the text of an increment of the usual shape is."""
    if type(obj) is not dict or obj.keys() != _OUTER or type(delta := obj["delta"]) is not dict:
        return None
    name = DELTA_TEXTS.get(delta["type"]) if type(delta.get("type")) is str else None
    if name is None or delta.keys() != {"type", name} or not is_text(delta[name]) or not _has_index(obj):
        return None
    return (delta, name) if obj["type"] == "content_block_delta" else None


def _has_index(obj: JsonObject) -> bool:
    return type(obj.get("index")) is int and 0 <= obj["index"] < _INDEX_MAX


class EventDecoder:
    """Reads the events of one stream."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = TextReader(_slot)

    def decode(self, data: bytes, name: str | None = "") -> chat_pb2.ChatChunk | str:
        """Read the data of one event; a `name` other than its type (None = it had none) is kept as its `object`.

        Raises JsonInvalid if it is not a JSON object.
        """
        words = self._text.text_of(data)
        if words is not None:
            return words
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("an event must be a JSON object")
        chunk = chat_pb2.ChatChunk(dialect=DIALECT)
        type_ = obj.get("type")
        if name not in ("", type_):
            chunk.object = name or _UNNAMED
        read = _READERS.get(type_) if type(type_) is str else None
        if read is None or not read(obj, chunk):
            chunk.extra = text(obj)
        self._text.learn(data, obj)
        return chunk


def _block(chunk: chat_pb2.ChatChunk, index: int) -> chat_pb2.BlockDelta:
    return chunk.choices.add(index=0).delta.blocks.add(block=index)


def _read_start(obj: JsonObject, chunk: chat_pb2.ChatChunk) -> bool:
    message = obj.get("message")
    if type(message) is dict:
        if is_text(message.get("id")):
            chunk.id = message["id"]
        if is_text(message.get("model")):
            chunk.model = message["model"]
        if type(message.get("usage")) is dict:
            read_usage(message["usage"], chunk.usage)
        chunk.choices.add(index=0).delta.role = "assistant"
    return False


def _read_block_start(obj: JsonObject, chunk: chat_pb2.ChatChunk) -> bool:
    if _has_index(obj) and "content_block" in obj:
        start = _block(chunk, obj["index"]).start
        read_block(obj["content_block"], start)
        if start.HasField("tool_use") and start.tool_use.arguments in ("{}", "null"):
            start.tool_use.arguments = ""  # a place for what follows, not input
    return False


def _read_delta(obj: JsonObject, chunk: chat_pb2.ChatChunk) -> bool:
    delta = obj.get("delta")
    if not _has_index(obj) or type(delta) is not dict or type(kind := delta.get("type")) is not str:
        return False
    name = _STANDARD.get(kind)
    if name is None or name not in delta:
        return False
    value = delta[name]
    block = chat_pb2.BlockDelta(block=obj["index"])
    if kind == "citations_delta":
        block.citation_json = text(value)
    elif not is_text(value):
        return False
    elif kind == "text_delta":
        block.text = value
    elif kind == "thinking_delta":
        block.thinking.text = value
    elif kind == "signature_delta":
        block.thinking.signature = value
    else:
        block.tool.arguments = value
    chunk.choices.add(index=0).delta.blocks.append(block)
    return obj.keys() == _OUTER and delta.keys() == {"type", name}


def _read_block_stop(obj: JsonObject, chunk: chat_pb2.ChatChunk) -> bool:
    if not _has_index(obj):
        return False
    _block(chunk, obj["index"]).stop = True
    return obj.keys() == _STOP


def _read_end(obj: JsonObject, chunk: chat_pb2.ChatChunk) -> bool:
    delta = obj.get("delta")
    if type(delta) is dict and is_text(delta.get("stop_reason")):
        reason: str = delta["stop_reason"]
        choice = chunk.choices.add(index=0, finish_reason=finish_reason_of(reason), native_finish_reason=reason)
        choice.delta.SetInParent()
        if is_text(delta.get("stop_sequence")):
            choice.stop_sequence = delta["stop_sequence"]
    if type(obj.get("usage")) is dict:
        read_usage(obj["usage"], chunk.usage)
    return False


_READERS: Final = {
    "message_start": _read_start,
    "content_block_start": _read_block_start,
    "content_block_delta": _read_delta,
    "content_block_stop": _read_block_stop,
    "message_delta": _read_end,
}


def type_of(chunk: chat_pb2.ChatChunk) -> str:
    """The `type` of the event a chunk of this dialect stands for; empty when it has none."""
    if not chunk.extra:
        return "content_block_stop" if _only_block(chunk).WhichOneof("kind") == "stop" else "content_block_delta"
    type_ = kept_object(chunk.extra).get("type")
    return type_ if isinstance(type_, str) else ""


def _only_block(chunk: chat_pb2.ChatChunk) -> chat_pb2.BlockDelta:
    if not chunk.choices or not chunk.choices[0].delta.blocks:
        raise JsonInvalid("a chunk of dialect anthropic has neither extra nor an increment")
    return chunk.choices[0].delta.blocks[0]


def encode_event(chunk: chat_pb2.ChatChunk) -> JsonObject:
    """The JSON object of a chunk of this dialect. Raises JsonInvalid for a JSON text in it that is none."""
    if chunk.extra:
        return kept_object(chunk.extra)
    block = _only_block(chunk)
    if block.WhichOneof("kind") == "stop":
        return {"type": "content_block_stop", "index": block.block}
    return {"type": "content_block_delta", "index": block.block, "delta": delta_of(block)}


def delta_of(block: chat_pb2.BlockDelta) -> JsonObject:
    """The member `delta` for an increment."""
    kind = block.WhichOneof("kind")
    if kind == "tool":
        return {"type": "input_json_delta", "partial_json": block.tool.arguments}
    if kind == "citation_json":
        return {"type": "citations_delta", "citation": kept_value(block.citation_json, "citation_json")}
    if kind == "thinking" and block.thinking.HasField("signature"):
        return {"type": "signature_delta", "signature": block.thinking.signature}
    if kind == "thinking":
        return {"type": "thinking_delta", "thinking": block.thinking.text}
    return {"type": "text_delta", "text": block.text or block.refusal}


class NativeRenderer:
    """Writes the events of one stream of this dialect."""

    __slots__ = ("_name", "_text")

    def __init__(self) -> None:
        self._text = TextWriter(_slot)
        self._name: str | None = None

    def render(self, event: chat_pb2.ChatChunk | str) -> list[NamedEvent]:
        """The event of a chunk. Raises JsonInvalid, and ValueError for a text without its chunk."""
        if isinstance(event, str):
            return [("content_block_delta", self._text.written(event))]
        obj = encode_event(event)
        self._text.learn(obj)
        name = event.object or obj.get("type")
        if event.object == _UNNAMED:
            name = None
        return [(name if isinstance(name, str) and "\n" not in name and "\r" not in name else None, dumps(obj))]
