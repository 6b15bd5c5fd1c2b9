"""Streamed answers: each event as the chunk a client of another format gets, or none.

Rules:
- One chunk opens the answer (role), one ends it (finish_reason). Every chunk has the id, model and time of the first.
- An increment of the same place and shape as the one before is a `str`: text, thinking, plan, or arguments of a call.
- The plan of calls is text. Citations are those of links. Starts and ends of blocks and events nobody knows give no
  chunk.
- An index that is missing or too large is that of the block before.

Not here: whether the stream was complete, failures, when usage is told (the provider's dialect).
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from gateway.wire.cohere.answers import finish_reason_of, read_call, read_usage
from gateway.wire.json import JsonInvalid, loads, text
from gateway.wire.links import of_cohere
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.openai.shorthand import TextReader
from gateway.wire.pb import chat_pb2

END: Final = "message-end"
_INDEX_MAX = 2**31
_TYPES = {"content-delta": "content", "tool-plan-delta": "tool_plan", "tool-call-delta": "tool_calls"}


def _message_of(obj: Any) -> JsonObject:
    """What an event says of the message; empty when it says nothing."""
    delta = obj.get("delta")
    message = delta.get("message") if type(delta) is dict else None
    return message if type(message) is dict else {}


def _slot(obj: Any) -> tuple[JsonObject, str] | None:
    """Where the text of an increment is that has nothing but its text."""
    type_ = obj.get("type") if type(obj) is dict else None
    name = _TYPES.get(type_) if type(type_) is str else None
    if name is None or len(message := _message_of(obj)) != 1 or name not in message:
        return None
    if name == "tool_plan":
        return (message, name) if is_text(message[name]) else None
    holder = message[name]
    if name == "tool_calls":
        holder = holder.get("function") if type(holder) is dict and holder.keys() == {"function"} else None
    if type(holder) is not dict or len(holder) != 1:
        return None
    (member,) = holder
    is_known = member in (("arguments",) if name == "tool_calls" else ("text", "thinking"))
    return (holder, member) if is_known and is_text(holder[member]) else None


class EventDecoder:
    """Reads the events of one stream. `created_unix_s` is the time its chunks tell, `id_` their id until one comes."""

    __slots__ = ("_blocks", "_calls", "_head", "_text", "reason", "type")

    def __init__(self, created_unix_s: int, *, id_: str, model: str) -> None:
        self._head = chat_pb2.ChatChunk(id=id_, object="chat.completion.chunk", created=created_unix_s, model=model)
        self._text = TextReader(_slot)
        self._blocks: dict[tuple[str, int], int] = {}
        self._calls: dict[int, int] = {}
        self.type = ""
        self.reason = ""

    def decode(self, data: bytes) -> chat_pb2.ChatChunk | str | None:
        """Read the data of one event; `type` is then its type. Raises JsonInvalid if it is not a JSON object."""
        words = self._text.text_of(data)
        if words is not None:
            return words
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("an event must be a JSON object")
        type_ = obj.get("type")
        self.type = type_ if type(type_) is str else ""
        read = self._READERS.get(self.type)
        chunk = read(self, obj) if read is not None else None
        if chunk is None:
            self._text.forget()
        else:
            self._text.learn(data, obj)
        return chunk

    def usage_chunk(self, usage: Any) -> chat_pb2.ChatChunk:
        """The chunk that tells the usage."""
        chunk = chat_pb2.ChatChunk(usage=usage)
        chunk.MergeFrom(self._head)
        return chunk

    def _made(self, delta: chat_pb2.Delta) -> chat_pb2.ChatChunk:
        chunk = chat_pb2.ChatChunk()
        chunk.CopyFrom(self._head)
        chunk.choices.add(index=0, delta=delta)
        return chunk

    def _number(self, kind: str, index: int) -> int:
        return self._blocks.setdefault((kind, index), len(self._blocks))

    def _start(self, obj: JsonObject) -> chat_pb2.ChatChunk:
        if is_text(obj.get("id")) and obj["id"]:
            self._head.id = obj["id"]
        return self._made(chat_pb2.Delta(role="assistant"))

    def _content(self, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        content = _message_of(obj).get("content")
        part = content if type(content) is dict else {}
        block = chat_pb2.BlockDelta()
        if is_text(thought := part.get("thinking")) and thought:
            block.block = self._number("thinking", _index(obj))
            block.thinking.text = thought
        elif is_text(words := part.get("text")) and words:
            block.block = self._number("text", _index(obj))
            block.text = words
        else:
            return None
        return self._made(chat_pb2.Delta(blocks=[block]))

    def _plan(self, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        plan = _message_of(obj).get("tool_plan")
        if not is_text(plan) or not plan:
            return None
        return self._made(chat_pb2.Delta(blocks=[chat_pb2.BlockDelta(block=self._number("plan", 0), text=plan)]))

    def _call(self, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        calls = _message_of(obj).get("tool_calls")
        if type(calls) is list:  # as in whole answers
            calls = calls[0] if calls else None
        if type(calls) is not dict:
            return None
        at = _index(obj)
        block = chat_pb2.BlockDelta(block=self._number("call", at))
        block.tool.index = self._calls.setdefault(at, len(self._calls))
        read_call(calls, block.tool)
        if self.type != "tool-call-start":
            block.tool.ClearField("type")
        return self._made(chat_pb2.Delta(blocks=[block]))

    def _cited(self, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        if not (links := of_cohere(_message_of(obj).get("citations"))):
            return None
        number = self._number("text", _index(obj))
        blocks = [chat_pb2.BlockDelta(block=number, citation_json=text(each)) for each in links]
        return self._made(chat_pb2.Delta(blocks=blocks))

    def _end(self, obj: JsonObject) -> chat_pb2.ChatChunk:
        delta = obj.get("delta")
        said = delta if type(delta) is dict else {}
        chunk = self._made(chat_pb2.Delta())
        self.reason = str(said["finish_reason"]) if is_text(said.get("finish_reason")) else ""
        chunk.choices[0].finish_reason = finish_reason_of(self.reason)
        if type(said.get("usage")) is dict:
            read_usage(said["usage"], chunk.usage)
        return chunk

    _READERS: ClassVar[dict[str, Callable[[Any, JsonObject], chat_pb2.ChatChunk | None]]] = {
        "message-start": _start,
        "content-start": _content,
        "content-delta": _content,
        "tool-plan-delta": _plan,
        "tool-call-start": _call,
        "tool-call-delta": _call,
        "citation-start": _cited,
        END: _end,
    }


def _index(obj: JsonObject) -> int:
    index = obj.get("index")
    return index if type(index) is int and 0 <= index < _INDEX_MAX else 0
