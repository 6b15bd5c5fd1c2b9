"""A stream for a client of the Responses format: the exact sequence of named, numbered events.

Rules:
- response.created, response.in_progress; per output item its beginning, increments and end; one last event
  (response.completed or response.incomplete) with the whole answer. Only the first choice is shown.
- Text and reasoning end where something else begins; calls stay open to the end of the answer, because providers may
  send their fragments in turns.
- Every event has the next number, from 0. An empty increment makes no event.
- Events of a provider of this format are written as they came (native.py).

Not here: SSE framing, what an item says (growing.py), whole answers (answers.py).
"""

from typing import Any

from gateway.wire.foreign import is_headless
from gateway.wire.json import dumps
from gateway.wire.links import annotated, link_in
from gateway.wire.openai.chunks import with_words
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2
from gateway.wire.responses import DIALECT
from gateway.wire.responses.answers import About, annotation, ended, response_object, token_logprobs, usage_object
from gateway.wire.responses.growing import Call, Item, Message, Reasoning, Said
from gateway.wire.responses.native import PREVIOUS, NativeEvents

NamedEvent = tuple[str, bytes]
"""The name of a server-sent event and its data."""

_MARK = "\ue000"


class EventRenderer:
    """Writes the events of one stream."""

    __slots__ = (
        "_about", "_calls", "_count", "_finish_reason", "_head", "_items", "_last", "_native", "_open", "_repeated",
        "_usage", "_wrap", "response",
    )  # fmt: skip

    def __init__(self, told: About) -> None:
        self._about = told
        self._native: NativeEvents | None = None
        self._count = 0
        self._head: chat_pb2.ChatChunk | None = None  # model and time, once known
        self._items: list[Item] = []
        self._open: Message | Reasoning | None = None
        self._calls: dict[int, Call] = {}  # by block
        self._repeated: chat_pb2.BlockDelta | None = None  # what a text stands for
        self._last: Item | None = None  # what the last increment was added to
        self._wrap: tuple[str, list[bytes]] | None = None  # such an event's name, and the bytes around number and text
        self._finish_reason = ""
        self._usage: JsonObject | None = None
        self.response: JsonObject = {}  # the whole answer, once it is finished

    def render(self, event: chat_pb2.ChatChunk | str) -> list[NamedEvent]:
        """The events of a chunk: any number. Raises JsonInvalid, and ValueError for a text without its chunk."""
        if isinstance(event, str):
            return self._text(event)
        if event.dialect != DIALECT:
            return self._chunk(event)
        if self._native is None:
            self._native = NativeEvents(self._about.members[PREVIOUS])
        return [self._native.take(event)]

    def finish(self) -> list[NamedEvent]:
        """What ends a complete stream."""
        if self._native is not None:
            self.response = self._native.answer()
            return []
        end = ended(self._finish_reason)
        out = self._started(chat_pb2.ChatChunk())
        last = self._items[-1] if self._items else None
        for item in self._items:
            out += self._all(item.end(end["status"] if item is last else "completed"))
        self.response = self._response(output=[item.whole() for item in self._items], **end)
        return [*out, self._event(f"response.{end['status']}", response=self.response)]

    def unkept(self, end: list[NamedEvent]) -> list[NamedEvent]:
        """What `finish` gave, with an answer that says that it is not kept; a provider's own stays as it is."""
        if self._native is not None:
            return end
        self.response = {**self.response, "store": False}
        self._count -= 1
        return [*end[:-1], self._event(f"response.{self.response['status']}", response=self.response)]

    def failed(self, code: str, message: str, param: str | None) -> list[NamedEvent]:
        """What ends a stream that failed: the error, and the answer as far as it came, which is not kept."""
        error = {"code": code, "message": message}
        if self._native is not None:
            self._count = self._native.next_number()
            return self._failing({**self._native.begun(), "status": "failed", "error": error}, param)
        for item in self._items:
            item.end("incomplete")
        output = [item.whole() for item in self._items]
        return self._failing(self._response(status="failed", error=error, output=output, store=False), param)

    def _failing(self, response: JsonObject, param: str | None) -> list[NamedEvent]:
        return [
            self._event("error", **response["error"], param=param),
            self._event("response.failed", response=response),
        ]

    def _event(self, type_: str, **members: Any) -> NamedEvent:
        number = self._count
        self._count += 1
        return type_, dumps({"type": type_, "sequence_number": number, **members})

    def _all(self, said: list[Said]) -> list[NamedEvent]:
        return [self._event(type_, **members) for type_, members in said]

    def _response(self, **said: Any) -> JsonObject:
        return response_object(self._about, self._head or chat_pb2.ChatChunk(), **{"usage": self._usage, **said})

    def _started(self, chunk: chat_pb2.ChatChunk) -> list[NamedEvent]:
        if self._head is not None:
            return []
        self._head = chat_pb2.ChatChunk(created=chunk.created, model=chunk.model)
        if chunk.service_tier:
            self._head.service_tier = chunk.service_tier
        response = self._response(status="in_progress")
        return [self._event(f"response.{name}", response=response) for name in ("created", "in_progress")]

    def _chunk(self, chunk: chat_pb2.ChatChunk) -> list[NamedEvent]:
        if self._head is None and is_headless(chunk):
            return []
        out = self._started(chunk)
        if chunk.HasField("usage"):
            self._usage = usage_object(chunk.usage)
        shown = [choice for choice in chunk.choices if not choice.index]
        blocks = [block for choice in shown for block in choice.delta.blocks]
        self._repeated = blocks[0] if len(blocks) == 1 else None
        self._wrap = None
        for choice in shown:
            logprobs = token_logprobs(choice.logprobs_json)
            for block in (*choice.delta.blocks, *annotated(choice.delta)):
                out += self._block(block, logprobs)
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
        return out

    def _text(self, words: str) -> list[NamedEvent]:
        """The event of a text, which is the last chunk again with these words."""
        if not words:
            return []
        if self._wrap is not None and self._last is not None:
            name, (before, middle, after) = self._wrap
            self._last.pieces.append(words)
            number = self._count
            self._count += 1
            return [(name, b"%b%d%b%b%b" % (before, number, middle, dumps(words), after))]
        if self._repeated is None:
            raise ValueError("a text came, but the chunk before it has not exactly one text to replace")
        out = self._block(with_words(self._repeated, words), [])
        if out and self._last is not None:
            name, members = self._last.delta(_MARK, [])
            data = dumps({"type": name, "sequence_number": _MARK, **members})
            self._wrap = name, data.split(dumps(_MARK))
        return out

    def _block(self, block: chat_pb2.BlockDelta, logprobs: list[Any]) -> list[NamedEvent]:
        kind = block.WhichOneof("kind")
        if kind == "start" and block.start.HasField("tool_use"):
            call = block.start.tool_use
            first = chat_pb2.ToolDelta(id=call.id, type=call.type, name=call.name, arguments=call.arguments)
            return self._called(block.block, first)
        if kind == "tool":
            return self._called(block.block, block.tool)
        if kind == "thinking":
            return self._thought(block.thinking)
        if kind in ("text", "refusal"):
            return self._spoken((block.block, kind), block.text or block.refusal, logprobs)
        if kind == "citation_json" and isinstance(self._open, Message):
            found = link_in(block.citation_json)
            return [] if found is None else self._all(self._open.cite(annotation(found)))
        return []

    def _begun(self, item: Item) -> list[NamedEvent]:
        """Close what is open and begin an item; of calls, many are open."""
        out = self._all(self._open.end("completed")) if self._open is not None else []
        self._open = None if isinstance(item, Call) else item  # type: ignore[assignment]  # the other two
        self._items.append(item)
        return [*out, *self._all(item.begin())]

    def _added(self, item: Item, words: str, logprobs: list[Any]) -> list[NamedEvent]:
        self._last = item
        if not words:
            return []
        item.pieces.append(words)
        return self._all([item.delta(words, logprobs)])

    def _called(self, block: int, fragment: chat_pb2.ToolDelta) -> list[NamedEvent]:
        out: list[NamedEvent] = []
        call = self._calls.get(block)
        if call is None:
            call = self._calls[block] = Call(self._about, len(self._items), fragment)
            out = self._begun(call)
        return out + self._added(call, fragment.arguments, [])

    def _thought(self, thinking: Any) -> list[NamedEvent]:
        if thinking.HasField("redacted") or not (thinking.text or thinking.signature):
            return []
        out: list[NamedEvent] = []
        item = self._open
        if not isinstance(item, Reasoning):
            item = Reasoning(self._about.suffix, len(self._items))
            out = self._begun(item)
        item.proof += thinking.signature
        if thinking.text:
            out += self._all(item.enter())
        return out + self._added(item, thinking.text, [])

    def _spoken(self, place: tuple[int, str], words: str, logprobs: list[Any]) -> list[NamedEvent]:
        if not words:
            return []
        out: list[NamedEvent] = []
        item = self._open
        if not isinstance(item, Message):
            item = Message(self._about.suffix, len(self._items))
            out = self._begun(item)
        out += self._all(item.enter(place))
        return out + self._added(item, words, logprobs)
