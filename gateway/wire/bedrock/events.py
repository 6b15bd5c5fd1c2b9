"""Events of ConverseStream in Anthropic's words.

Rules:
- Converse announces calls only: a text or a thought is announced here, before its first increment.
- Blocks are numbered anew, from 0 without gaps: one that holds only what Anthropic has no word for is none.
- The end (messageStop) waits for the counts (metadata), so that one event holds both, as Anthropic's does.

Not here: frames (eventstream.py), failures among them (the provider's dialect).
"""

from typing import Any, Final

from gateway.wire.bedrock.answers import stop_reason_of, usage_of
from gateway.wire.bedrock.citations import anthropic_citation
from gateway.wire.openai.mirror import JsonObject

_EMPTY: Final = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}

_NO_COUNTS: Final = {"input_tokens": 0, "output_tokens": 0}


class EventTranslator:
    """One stream; `is_done` once it said its end and its counts, `has_ended` once it said its end.

    `is_native`: for Anthropic clients, who expect counts in the first and last event, known or not.
    `has_counts` says whether those of the last event are the provider's.
    """

    __slots__ = ("_head", "_is_native", "_open", "_reason", "has_counts", "has_ended", "is_done")

    def __init__(self, *, id_: str, model: str, is_native: bool) -> None:
        self._is_native = is_native
        self.has_counts = False
        self._head = {"id": id_, "type": "message", "role": "assistant", "model": model, "content": []}
        self._open: dict[int, int] = {}  # Converse's index -> ours
        self._reason: Any = None
        self.has_ended = False
        self.is_done = False

    def events(self, type_: str, obj: JsonObject) -> list[JsonObject]:
        """What an event is for Anthropic clients."""
        if type_ == "messageStart":
            message: JsonObject = {**self._head, "stop_reason": None, "stop_sequence": None}
            if self._is_native:
                message["usage"] = dict(_NO_COUNTS)
            return [{"type": "message_start", "message": message}]
        if type_ == "messageStop":
            self.has_ended = True
            self._reason = stop_reason_of(obj.get("stopReason"))
            return []
        if type_ == "metadata":
            return self.end(obj.get("usage"))
        index = obj.get("contentBlockIndex")
        if type(index) is not int:
            return []
        if type_ == "contentBlockStart":
            return self._start(index, obj.get("start"))
        if type_ == "contentBlockDelta":
            return self._delta(index, obj.get("delta"))
        if type_ == "contentBlockStop" and index in self._open:
            return [{"type": "content_block_stop", "index": self._open[index]}]
        return []

    def end(self, usage: Any = None) -> list[JsonObject]:
        """The end of the answer."""
        self.is_done = True
        delta = {"stop_reason": self._reason, "stop_sequence": None}
        last: JsonObject = {"type": "message_delta", "delta": delta}
        counts = usage_of(usage)
        self.has_counts = bool(counts)
        if counts or self._is_native:
            last["usage"] = counts or dict(_NO_COUNTS)
        return [last, {"type": "message_stop"}]

    def _start(self, index: int, start: Any) -> list[JsonObject]:
        use = start.get("toolUse") if type(start) is dict else None
        if type(use) is not dict:
            return []
        call: JsonObject = {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": {}}
        return self._opened(index, call)

    def _opened(self, index: int, block: JsonObject) -> list[JsonObject]:
        if index in self._open:
            return []
        self._open[index] = number = len(self._open)
        return [{"type": "content_block_start", "index": number, "content_block": block}]

    def _delta(self, index: int, delta: Any) -> list[JsonObject]:
        given = delta if type(delta) is dict else {}
        if "text" in given:
            return self._more(index, "text", {"type": "text_delta", "text": given["text"]})
        if type(use := given.get("toolUse")) is dict:
            more = {"type": "input_json_delta", "partial_json": use.get("input", "")}
            return [self._increment(index, more)] if index in self._open else []
        if "citation" in given:
            cited = anthropic_citation(given["citation"])
            return [] if cited is None else self._more(index, "text", {"type": "citations_delta", "citation": cited})
        reasoning = given.get("reasoningContent")
        if type(reasoning) is not dict:
            return []
        if "redactedContent" in reasoning:
            return self._opened(index, {"type": "redacted_thinking", "data": reasoning["redactedContent"]})
        if "signature" in reasoning:
            more = {"type": "signature_delta", "signature": reasoning["signature"]}
        else:
            more = {"type": "thinking_delta", "thinking": reasoning.get("text", "")}
        return self._more(index, "thinking", more)

    def _more(self, index: int, kind: str, delta: JsonObject) -> list[JsonObject]:
        opened = self._opened(index, dict(_EMPTY[kind]))
        return [*opened, self._increment(index, delta)]

    def _increment(self, index: int, delta: JsonObject) -> JsonObject:
        return {"type": "content_block_delta", "index": self._open[index], "delta": delta}
