"""Output items while they grow: what each says at its beginning, for an increment, and at its end.

Rules:
- An event is its type and its members without the number; whoever sends it numbers it.
- Words are kept as they come, so that the end of an item can repeat them whole.

Not here: which item an increment belongs to, and the order of items (events.py).
"""

from typing import Any, Protocol

from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2
from gateway.wire.responses.answers import About, call_item, message_item, reasoning_item, text_part

Said = tuple[str, JsonObject]
"""The type of an event and its members."""


class Item(Protocol):
    """One output item of a stream."""

    pieces: list[str]
    is_open: bool

    def begin(self) -> list[Said]:
        """The events that announce it."""
        ...

    def delta(self, words: str, logprobs: list[Any]) -> Said:
        """The event of an increment."""
        ...

    def end(self, status: str) -> list[Said]:
        """The events that close it; none when it is closed."""
        ...

    def whole(self) -> JsonObject:
        """The item as it is now."""
        ...


def _item_event(name: str, index: int, item: JsonObject) -> Said:
    return f"response.output_item.{name}", {"output_index": index, "item": item}


class Message:
    """What the model says: parts of text and refusals, one at a time."""

    __slots__ = (
        "_annotations",
        "_content",
        "_index",
        "_kind",
        "_logprobs",
        "_status",
        "id",
        "is_open",
        "pieces",
        "place",
    )

    def __init__(self, suffix: str, index: int) -> None:
        self.id = f"msg_{suffix}_{index}"
        self.is_open = True
        self.pieces: list[str] = []
        self.place: tuple[int, str] | None = None  # block and kind of the part that is open
        self._index = index
        self._kind = "text"
        self._logprobs: list[Any] = []
        self._content: list[JsonObject] = []  # parts that are closed
        self._status = "in_progress"
        self._annotations: list[JsonObject] = []

    def begin(self) -> list[Said]:
        """Announce the item; its parts announce themselves."""
        return [_item_event("added", self._index, self.whole())]

    def enter(self, place: tuple[int, str]) -> list[Said]:
        """Close the open part and begin one for this block and kind, unless it is the open one."""
        if place == self.place:
            return []
        said = self._close_part()
        self.place, self._kind = place, place[1]
        return [*said, ("response.content_part.added", {**self._at(), "part": self._part()})]

    def delta(self, words: str, logprobs: list[Any]) -> Said:
        """An increment of the open part."""
        self._logprobs += logprobs
        if self._kind == "refusal":
            return "response.refusal.delta", {**self._at(), "delta": words}
        return "response.output_text.delta", {**self._at(), "delta": words, "logprobs": logprobs}

    def cite(self, note: JsonObject) -> list[Said]:
        """A citation in the open part; none where no text is open."""
        if self.place is None or self._kind != "text":
            return []
        self._annotations.append(note)
        at = {**self._at(), "annotation_index": len(self._annotations) - 1}
        return [("response.output_text.annotation.added", {**at, "annotation": note})]

    def end(self, status: str) -> list[Said]:
        """Close the open part and the item."""
        if not self.is_open:
            return []
        self.is_open, self._status = False, status
        return [*self._close_part(), _item_event("done", self._index, self.whole())]

    def whole(self) -> JsonObject:
        """The item with its closed parts."""
        return message_item(self.id, list(self._content), self._status)

    def _at(self) -> JsonObject:
        return {"item_id": self.id, "output_index": self._index, "content_index": len(self._content)}

    def _part(self) -> JsonObject:
        words = "".join(self.pieces)
        return (
            text_part(words, self._logprobs, self._annotations)
            if self._kind == "text"
            else {"type": "refusal", "refusal": words}
        )

    def _close_part(self) -> list[Said]:
        if self.place is None:
            return []
        part, at = self._part(), self._at()
        if self._kind == "text":
            done = "response.output_text.done", {**at, "text": part["text"], "logprobs": self._logprobs}
        else:
            done = "response.refusal.done", {**at, "refusal": part["refusal"]}
        self._content.append(part)
        self.pieces, self._logprobs, self._annotations, self.place = [], [], [], None
        return [done, ("response.content_part.done", {**at, "part": part})]


class Reasoning:
    """What the model thinks, as a summary of one part; the part begins with the first words."""

    __slots__ = ("_has_part", "_index", "id", "is_open", "pieces", "proof")

    def __init__(self, suffix: str, index: int) -> None:
        self.id = f"rs_{suffix}_{index}"
        self.is_open = True
        self.pieces: list[str] = []
        self.proof = ""
        self._index = index
        self._has_part = False

    def begin(self) -> list[Said]:
        """Announce the item."""
        return [_item_event("added", self._index, self.whole())]

    def enter(self) -> list[Said]:
        """Begin the part, unless it has begun."""
        if self._has_part:
            return []
        self._has_part = True
        return [("response.reasoning_summary_part.added", {**self._at(), "part": self._part()})]

    def delta(self, words: str, _logprobs: list[Any]) -> Said:
        """An increment of the summary."""
        return "response.reasoning_summary_text.delta", {**self._at(), "delta": words}

    def end(self, _status: str) -> list[Said]:
        """Close the part and the item."""
        if not self.is_open:
            return []
        self.is_open = False
        part = self._part()
        closing: list[Said] = [
            ("response.reasoning_summary_text.done", {**self._at(), "text": part["text"]}),
            ("response.reasoning_summary_part.done", {**self._at(), "part": part}),
        ]
        return [*(closing if self._has_part else []), _item_event("done", self._index, self.whole())]

    def whole(self) -> JsonObject:
        """The item with what was thought so far."""
        return reasoning_item(self.id, "".join(self.pieces), self.proof)

    def _at(self) -> JsonObject:
        return {"item_id": self.id, "output_index": self._index, "summary_index": 0}

    def _part(self) -> JsonObject:
        return {"type": "summary_text", "text": "".join(self.pieces)}


class Call:
    """A call of a tool, begun by its first fragment."""

    __slots__ = ("_call", "_event", "_index", "_names", "_status", "id", "is_open", "pieces")

    def __init__(self, told: About, index: int, first: chat_pb2.ToolDelta) -> None:
        self.id = f"fc_{told.suffix}_{index}"
        self._names = told.names
        self.is_open = True
        self.pieces: list[str] = []
        self._index = index
        self._call = chat_pb2.ToolDelta(id=first.id, type=first.type, name=first.name)
        is_custom = first.type == "custom"
        self._event = "response.custom_tool_call_input" if is_custom else "response.function_call_arguments"
        self._status = "in_progress"

    def begin(self) -> list[Said]:
        """Announce the call: its name and id, no arguments yet."""
        return [_item_event("added", self._index, self.whole())]

    def delta(self, words: str, _logprobs: list[Any]) -> Said:
        """An increment of the arguments."""
        return f"{self._event}.delta", {"item_id": self.id, "output_index": self._index, "delta": words}

    def end(self, status: str) -> list[Said]:
        """Close the arguments and the item."""
        if not self.is_open:
            return []
        self.is_open, self._status = False, status
        item = self.whole()
        named: JsonObject = {name: item[name] for name in ("name", "arguments", "input") if name in item}
        done: Said = f"{self._event}.done", {"item_id": self.id, "output_index": self._index, **named}
        return [done, _item_event("done", self._index, item)]

    def whole(self) -> JsonObject:
        """The call as far as it came."""
        self._call.arguments = "".join(self.pieces)
        return call_item(self.id, self._call, self._status, self._names)
