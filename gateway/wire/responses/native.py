"""The events of a provider of this format, on their way to a client of it.

Rules:
- An event is written as it came: its name and its JSON, byte for byte.
- Only the first and the last event are looked into, and only when the stream ended.

Not here: reading them (incoming.py), events made for other providers (events.py).
"""

from typing import Any

from gateway.wire.json import JsonInvalid, loads
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2

_DEPTH_MAX = 1000


class NativeEvents:
    """One stream."""

    __slots__ = ("_first", "_last")

    def __init__(self) -> None:
        self._first = ""
        self._last = ""

    def take(self, chunk: chat_pb2.ChatChunk) -> tuple[str, bytes]:
        """The name and the data of the event a chunk of this dialect is. Raises JsonInvalid when it holds none."""
        if not chunk.extra:
            raise JsonInvalid("a chunk of dialect responses has no event in `extra`")
        self._first = self._first or chunk.extra
        self._last = chunk.extra
        return chunk.object, chunk.extra.encode()

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
