"""Answers of text completions, whole and streamed, as those of chats.

Rules:
- The model begins its turn with a space, which is no part of the answer.
- `stop_sequence` is `stop`, `max_tokens` is `length`; the stop text is told where it was one of the request's.

Not here: requests (request.py), SSE framing, errors.
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, loads
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2

FINISH_REASONS: Final = {"stop_sequence": "stop", "max_tokens": "length"}
"""`stop_reason` -> OpenAI's finish reason; an unknown one is `stop`."""
TURN_END: Final = "\n\nHuman:"


def decode_response(obj: JsonObject) -> chat_pb2.ChatResponse:
    """Read a whole answer; any JSON object is accepted."""
    response = chat_pb2.ChatResponse(object="chat.completion")
    _set_head(response, obj)
    choice = response.choices.add(index=0)
    choice.message.role = "assistant"
    if words := _words(obj).removeprefix(" "):
        choice.message.blocks.add().text = words
    _set_end(choice, obj)
    return response


def _words(obj: JsonObject) -> str:
    words = obj.get("completion")
    return words if isinstance(words, str) and is_text(words) else ""


def _set_head(message: Any, obj: JsonObject) -> None:
    for name in ("id", "model"):
        if is_text(obj.get(name)):
            setattr(message, name, obj[name])


def _set_end(choice: Any, obj: JsonObject) -> None:
    reason = obj.get("stop_reason")
    choice.finish_reason = FINISH_REASONS.get(reason, "stop") if isinstance(reason, str) else "stop"
    if isinstance(reason, str) and is_text(reason):
        choice.native_finish_reason = reason
    if is_text(stop := obj.get("stop")) and stop != TURN_END:
        choice.stop_sequence = stop


class EventReader:
    """Reads the events of one stream. After `read`: `type` is the event's, `event` its JSON object."""

    __slots__ = ("_has_text", "_head", "_is_template", "event", "type")

    def __init__(self, created_unix_s: int) -> None:
        self._head = chat_pb2.ChatChunk(object="chat.completion.chunk", created=created_unix_s)
        self._has_text = False
        self._is_template = False  # the last chunk was text and nothing else
        self.type = ""
        self.event: JsonObject = {}

    def read(self, data: bytes, name: str | None) -> list[chat_pb2.ChatChunk | str]:
        """What an event says: a chunk with the role first, text, the end. Raises JsonInvalid."""
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("an event must be a JSON object")
        self.event = obj
        type_ = obj.get("type")
        self.type = type_ if isinstance(type_, str) else name or ""
        return self._completion(obj) if "completion" in obj else []

    def _completion(self, obj: JsonObject) -> list[chat_pb2.ChatChunk | str]:
        made: list[chat_pb2.ChatChunk | str] = []
        if not self._head.HasField("id"):
            self._head.id = ""
            _set_head(self._head, obj)
            role = self._chunk()
            role.choices.add(index=0).delta.role = "assistant"
            made.append(role)
        words = _words(obj)
        if not self._has_text:
            words = words.removeprefix(" ")
        if words:
            self._has_text = True
            made.append(self._text(words))
        if obj.get("stop_reason") is not None:
            end = self._chunk()
            choice = end.choices.add(index=0)
            choice.delta.SetInParent()
            _set_end(choice, obj)
            self._is_template = False
            made.append(end)
        return made

    def _text(self, words: str) -> chat_pb2.ChatChunk | str:
        if self._is_template:
            return words
        self._is_template = True
        chunk = self._chunk()
        chunk.choices.add(index=0).delta.blocks.add(block=0).text = words
        return chunk

    def _chunk(self) -> chat_pb2.ChatChunk:
        chunk = chat_pb2.ChatChunk()
        chunk.CopyFrom(self._head)
        return chunk
