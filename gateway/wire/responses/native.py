"""The answers and events of a provider of this format, on their way to a client of it.

Rules:
- An event is written as it came: its name and its JSON, byte for byte.
- Only the first and the last event are looked into, and only when the stream ended.
- What continues an answer kept here names it: the provider, which got the whole conversation, does not know of it.

Not here: reading them (incoming.py), events made for other providers (events.py).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2

PREVIOUS: Final = "previous_response_id"
_WITH_ANSWER: Final = frozenset(
    f"response.{state}" for state in ("created", "queued", "in_progress", "completed", "incomplete", "failed")
)
_DEPTH_MAX = 1000


def continuing(data: bytes, previous: str) -> bytes:
    """A whole answer, or an event, that names the answer it continues; as it is where it holds no answer."""
    try:
        told = loads(data, depth_max=_DEPTH_MAX)
    except JsonInvalid:
        return data
    answer = told.get("response", told) if isinstance(told, dict) else None
    if not isinstance(answer, dict):
        return data
    answer[PREVIOUS] = previous
    return dumps(told)


class NativeEvents:
    """One stream; `previous` is the id of the kept answer that it continues."""

    __slots__ = ("_first", "_last", "_previous")

    def __init__(self, previous: str | None = None) -> None:
        self._previous = previous
        self._first = ""
        self._last = ""

    def take(self, chunk: chat_pb2.ChatChunk) -> tuple[str, bytes]:
        """The name and the data of the event a chunk of this dialect is. Raises JsonInvalid when it holds none."""
        if not chunk.extra:
            raise JsonInvalid("a chunk of dialect responses has no event in `extra`")
        data = chunk.extra.encode()
        if self._previous is not None and chunk.object in _WITH_ANSWER:
            data = continuing(data, self._previous)
        self._last = data.decode()
        self._first = self._first or self._last
        return chunk.object, data

    def answer(self) -> JsonObject:
        """The answer in the last event."""
        return _response_of(self._last)

    def begun(self) -> JsonObject:
        """The answer as the first event announced it."""
        return _response_of(self._first)

    def next_number(self) -> int:
        """The number behind that of the last event."""
        number = _loaded(self._last).get("sequence_number")
        return number + 1 if type(number) is int else 0


def _response_of(event: str) -> JsonObject:
    response: Any = _loaded(event).get("response")
    return response if isinstance(response, dict) else {}


def _loaded(event: str) -> JsonObject:
    value = loads(event.encode(), depth_max=_DEPTH_MAX) if event else {}
    return value if isinstance(value, dict) else {}
