"""Where complete answers are kept: in this process, bounded in bytes and time, and behind it in the shared store.

Rules:
    - Memory is asked first, then the store; what the store has is kept in memory for the rest of its time.
    - A store that is down, slow or holds something damaged is a miss: no call fails for it, and none waits longer
      than the store's own bound.
    - Writing to the store holds nobody up; more than `WRITES_MAX` at a time are left out.
Not here:
    - Whose answer it is (key.py), and what it consists of (recording.py); answers under way (flight.py).
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from cachetools import TLRUCache

from gateway.cache.recording import expiry_of
from gateway.core.clock import Clock, SystemClock
from gateway.observe.metrics import CACHE
from gateway.observe.tally import Count, count_of, not_failing
from gateway.store.valkey import StoreUnavailable, Valkey

if TYPE_CHECKING:
    from gateway.cache.flight import Flight

MEMORY_MAX_BYTES = 64 * 1024 * 1024
ENTRY_OVERHEAD_BYTES = 400  # of the key, and of the places where an entry is noted
WRITES_MAX = 64

Kept = tuple[float, bytes]  # until when (monotonic), and what


class Answers:
    """The answers of one process. `flights` are those under way that may still be joined, by key."""

    def __init__(
        self,
        memory_max_bytes: int = MEMORY_MAX_BYTES,
        clock: Clock | None = None,
        store: Valkey | None = None,
        prefix: str = "",
    ) -> None:
        self._clock = clock or SystemClock()
        self._memory: TLRUCache[bytes, Kept] = TLRUCache(
            memory_max_bytes, ttu=_until_s, timer=self._clock.monotonic, getsizeof=_size
        )
        self._store = store
        self._prefix = f"{prefix}cache:"
        self._writes = 0
        self._counts: dict[tuple[str, str], Count] = {}
        self.flights: dict[bytes, Flight[Any]] = {}

    @property
    def memory_bytes(self) -> int:
        """Answers in memory, with what they cost beside their own size."""
        return int(self._memory.currsize)

    def __len__(self) -> int:
        return len(self._memory)

    async def find(self, key: bytes) -> bytes | None:
        """The answer of a key; None when there is none, or none that can be had in time."""
        kept = self._memory.get(key)
        if kept is not None:
            return kept[1]
        if self._store is None:
            return None
        try:
            data = await self._store.get(self._name(key))
            left_s = expiry_of(data) - self._clock.wall_s() if data is not None else 0.0
        except (StoreUnavailable, ValueError):
            return None
        if data is None or left_s <= 0:
            return None
        self._remember(key, data, left_s)
        return data

    def keep(self, key: bytes, data: bytes, ttl_s: float) -> Coroutine[Any, Any, None] | None:
        """Keep an answer in memory, at once; what remains to be done for the shared store, if there is one."""
        self._remember(key, data, ttl_s)
        if self._store is None or self._writes >= WRITES_MAX:
            return None
        return self._put(self._store, key, data, ttl_s)

    async def _put(self, store: Valkey, key: bytes, data: bytes, ttl_s: float) -> None:
        self._writes += 1
        try:
            await store.set(self._name(key), data, max(1, int(ttl_s * 1000)))
        except StoreUnavailable:
            return  # it is in memory, and the store's own metrics tell
        finally:
            self._writes -= 1

    def counted(self, model: str, result: str) -> None:
        """One call more of that model (its slug): hit, shared, miss or off."""
        with not_failing():
            child = self._counts.get((model, result))
            if child is None:
                child = self._counts[model, result] = count_of(CACHE, model, result)
            child.inc()

    def _remember(self, key: bytes, data: bytes, ttl_s: float) -> None:
        kept = (self._clock.monotonic() + ttl_s, data)
        if _size(kept) <= self._memory.maxsize:
            self._memory[key] = kept

    def _name(self, key: bytes) -> str:
        return self._prefix + key.hex()


def _size(kept: Kept) -> int:
    return len(kept[1]) + ENTRY_OVERHEAD_BYTES


def _until_s(_key: bytes, kept: Kept, _now_s: float) -> float:
    return kept[0]
