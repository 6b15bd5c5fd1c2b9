"""A stream of a provider that speaks this format: one event to at most one chunk.

Rules:
- A chunk has what the event adds, in the fields every dialect understands; for a client of this format it has the whole
  event too (`native`): its JSON in `extra`, its name in `object`.
- An increment of the text that the chunk before it was an increment of is a `str`, except of refusals, and where chunks
  are native.
- Calls are numbered in their order, blocks in the order of their first increment. What an item says whole at its end
  counts only where no increments came before it.

Not here: SSE framing, failures, whether the stream was complete (the provider's dialect); the way out (events.py).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, loads, text
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2
from gateway.wire.responses import DIALECT
from gateway.wire.responses.reading import CALLS, finish_reason, proof_of, read_usage, set_head, text_of

COMPLETE: Final = ("response.completed", "response.incomplete")
FAILED: Final = ("response.failed", "error")
OBJECT: Final = "chat.completion.chunk"
_BEGUN: Final = ("response.created", "response.queued", "response.in_progress")
_WORDS: Final = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
    "response.function_call_arguments.delta": "tool",
    "response.custom_tool_call_input.delta": "tool",
}
Place = tuple[str, Any, Any]
"""Kind, output index and content index of what an increment belongs to."""


class EventReader:
    """Reads the events of one stream. `created_unix_s` is the time of chunks while the provider tells none.

    After `read`: `type` is the event's type, `event` its JSON object.
    """

    __slots__ = ("_blocks", "_calls", "_has_role", "_head", "_last", "_said", "event", "is_native", "type")

    def __init__(self, created_unix_s: int, *, is_native: bool) -> None:
        self._head = chat_pb2.ChatChunk(object=OBJECT, created=created_unix_s)
        self.is_native = is_native
        self._has_role = False
        self._blocks: dict[Place, int] = {}
        self._calls: dict[Any, int] = {}  # output index -> number of the call
        self._said: set[Any] = set()  # output indexes with increments
        self._last: Place | None = None  # what the last chunk was one increment of
        self.type = ""
        self.event: JsonObject = {}

    def read(self, data: bytes, name: str | None) -> chat_pb2.ChatChunk | str | None:
        """The chunk of an event, or the text it adds; None when it says nothing. Raises JsonInvalid."""
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("an event must be a JSON object")
        self.event = obj
        type_ = obj.get("type")
        self.type = type_ if isinstance(type_, str) else name or ""
        kind = _WORDS.get(self.type)
        if self.is_native:
            return self._native(self._words(kind, obj) if kind else self._other(obj), data, name)
        if kind is None:
            self._last = None
            return self._other(obj)
        last, words = self._last, obj.get("delta")
        place = self._place(kind, obj)
        if place == last and isinstance(words, str) and not obj.get("logprobs"):
            return words
        chunk = self._words(kind, obj)
        is_template = chunk is not None and kind != "refusal" and not obj.get("logprobs")
        self._last = place if is_template else None
        return chunk

    def _native(self, chunk: chat_pb2.ChatChunk | None, data: bytes, name: str | None) -> chat_pb2.ChatChunk:
        made = chunk if chunk is not None else chat_pb2.ChatChunk()
        made.dialect, made.object, made.extra = DIALECT, name or self.type, data.decode()
        return made

    def _place(self, kind: str, obj: JsonObject) -> Place:
        part = obj.get("content_index") if kind in ("text", "refusal") else 0  # one block of thinking for an item
        output = obj.get("output_index")
        return kind, output if type(output) is int else None, part if type(part) is int else 0

    def _chunk(self) -> chat_pb2.ChatChunk:
        chunk = chat_pb2.ChatChunk()
        chunk.CopyFrom(self._head)
        return chunk

    def _increment(self, place: Place) -> tuple[chat_pb2.ChatChunk, chat_pb2.BlockDelta]:
        chunk = self._chunk()
        number = self._blocks.setdefault(place, len(self._blocks))
        return chunk, chunk.choices.add(index=0).delta.blocks.add(block=number)

    def _words(self, kind: str, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        words: Any = obj.get("delta")
        if not is_text(words):
            return None
        place = self._place(kind, obj)
        self._said.add(place[1])
        chunk, block = self._increment(place)
        if kind == "thinking":
            block.thinking.text = words
        elif kind == "tool":
            block.tool.arguments = words
            block.tool.index = self._calls.setdefault(place[1], len(self._calls))
            if self.type.startswith("response.custom"):
                block.tool.type = "custom"
        else:
            setattr(block, kind, words)
        if type(logprobs := obj.get("logprobs")) is list and logprobs:
            chunk.choices[0].logprobs_json = text({"content": logprobs, "refusal": None})
        return chunk

    def _other(self, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        if self.type in _BEGUN:
            return self._begun(obj)
        if self.type in COMPLETE:
            return self._ended(obj)
        item = obj.get("item")
        if type(item) is dict and self.type == "response.output_item.added":
            return self._call_begun(obj, item) if item.get("type") in CALLS else None
        if type(item) is dict and self.type == "response.output_item.done":
            return self._item_done(obj, item)
        if self.type == "response.reasoning_summary_part.added" and obj.get("summary_index"):
            return self._paragraph(obj)
        if self.type == "response.output_text.annotation.added" and type(obj.get("annotation")) is dict:
            chunk, block = self._increment(self._place("text", obj))
            block.citation_json = text(obj["annotation"])
            return chunk
        return None

    def _begun(self, obj: JsonObject) -> chat_pb2.ChatChunk | None:
        response = obj.get("response")
        if type(response) is dict:
            set_head(self._head, response)
        if self._has_role:
            return None
        self._has_role = True
        chunk = self._chunk()
        chunk.choices.add(index=0).delta.role = "assistant"
        return chunk

    def _call_begun(self, obj: JsonObject, item: JsonObject) -> chat_pb2.ChatChunk:
        place = self._place("tool", obj)
        chunk, block = self._increment(place)
        call = block.tool
        call.index = self._calls.setdefault(place[1], len(self._calls))
        call.id = text_of(item, "call_id") or text_of(item, "id")
        call.type = "custom" if item.get("type") == "custom_tool_call" else "function"
        call.name = text_of(item, "name")
        call.arguments = text_of(item, "arguments") or text_of(item, "input")
        if call.arguments:
            self._said.add(place[1])
        return chunk

    def _item_done(self, obj: JsonObject, item: JsonObject) -> chat_pb2.ChatChunk | None:
        place = self._place("tool", obj)
        if item.get("type") in CALLS:
            if place[1] not in self._calls:
                return self._call_begun(obj, item)
            words = text_of(item, "arguments") or text_of(item, "input")
            if place[1] in self._said or not words:
                return None
            chunk, block = self._increment(place)
            block.tool.index, block.tool.arguments = self._calls[place[1]], words
            return chunk
        if item.get("type") == "reasoning" and (proof := proof_of(item)):
            chunk, block = self._increment(self._place("thinking", obj))
            block.thinking.signature = proof
            return chunk
        return None

    def _paragraph(self, obj: JsonObject) -> chat_pb2.ChatChunk:
        chunk, block = self._increment(self._place("thinking", obj))
        block.thinking.text = "\n\n"
        return chunk

    def _ended(self, obj: JsonObject) -> chat_pb2.ChatChunk:
        response = obj.get("response")
        answer = response if type(response) is dict else {}
        chunk = self._chunk()
        if self.type == "response.incomplete":
            answer = {**answer, "status": "incomplete"}
        choice = chunk.choices.add(index=0, finish_reason=finish_reason(answer, has_call=bool(self._calls)))
        choice.delta.SetInParent()
        read_usage(answer, chunk)
        return chunk
