"""Answers kept so that a later call can continue them.

Rules:
    - A key sees only its own: another key's id is as unknown as one that never was.
    - Bounded in bytes for one answer, for one key and in all; the oldest of the key, then of all, makes room.
    - Kept for `retention_s` after it was stored, in memory only; a reload changes the limits for what comes after it.
Not here:
    - What an answer says and how it is continued (the frontend); who the caller is (pipeline.admit).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.config.schema import Responses
from gateway.core.errors import GatewayError, Kind
from gateway.wire.pb import responses_pb2

_OVERHEAD_BYTES: Final = 1024  # of the records around an answer

Place = tuple[str, str]
"""Key id and response id."""


class _Kept(NamedTuple):
    data: bytes
    until_s: float

    @property
    def size_bytes(self) -> int:
        return len(self.data) + _OVERHEAD_BYTES


class ResponseStore:
    """The kept answers of a service; `now_s` is any clock that does not go back, `limits` gives those in force."""

    def __init__(self, now_s: Callable[[], float], limits: Callable[[], Responses] = Responses) -> None:
        self._now_s = now_s
        self._limits = limits
        self._kept: OrderedDict[Place, _Kept] = OrderedDict()  # oldest first
        self._of_key: dict[str, deque[str]] = {}  # ids of a key, oldest first
        self._key_bytes: dict[str, int] = {}
        self.total_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key_id: str, answer: responses_pb2.StoredResponse) -> bool:
        """Keep an answer, in place of one with its id; False: it is too large."""
        if not answer.id:
            raise GatewayError(Kind.INVALID_REQUEST, "An answer needs an id to be kept.", param="id")
        limits = self._limits()
        kept = _Kept(answer.SerializeToString(), self._now_s() + limits.retention_s)
        if kept.size_bytes > min(limits.answer_max_bytes, limits.key_max_bytes, limits.total_max_bytes):
            return False
        self._drop((key_id, answer.id))
        self._expire()
        self._make_room(key_id, kept.size_bytes, limits)
        self._kept[key_id, answer.id] = kept
        self._of_key.setdefault(key_id, deque()).append(answer.id)
        self._key_bytes[key_id] = self._key_bytes.get(key_id, 0) + kept.size_bytes
        self.total_bytes += kept.size_bytes
        return True

    def get(self, key_id: str, response_id: str) -> responses_pb2.StoredResponse:
        """A key's answer. Raises GatewayError NOT_FOUND."""
        self._expire()
        kept = self._kept.get((key_id, response_id))
        if kept is None or kept.until_s <= self._now_s():
            raise GatewayError(Kind.NOT_FOUND, f"Response with id '{response_id[:200]}' not found.", param="id")
        return responses_pb2.StoredResponse.FromString(kept.data)

    def delete(self, key_id: str, response_id: str) -> None:
        """Forget a key's answer. Raises GatewayError NOT_FOUND."""
        self.get(key_id, response_id)
        self._drop((key_id, response_id))

    def _expire(self) -> None:
        """Drop what is past its time; behind one kept longer, by earlier limits, it waits and is not given."""
        now_s = self._now_s()
        while self._kept and next(iter(self._kept.values())).until_s <= now_s:
            self._drop(next(iter(self._kept)))

    def _make_room(self, key_id: str, size_bytes: int, limits: Responses) -> None:
        while self._key_bytes.get(key_id, 0) + size_bytes > limits.key_max_bytes:
            self._drop((key_id, self._of_key[key_id][0]))
        while self.total_bytes + size_bytes > limits.total_max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, place: Place) -> None:
        kept = self._kept.pop(place, None)
        if kept is None:
            return
        key_id, response_id = place
        self._of_key[key_id].remove(response_id)
        self._key_bytes[key_id] -= kept.size_bytes
        self.total_bytes -= kept.size_bytes
        if not self._of_key[key_id]:
            del self._of_key[key_id], self._key_bytes[key_id]
