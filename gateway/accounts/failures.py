"""Failed logins and codes, counted over all services that share a store; in this process alone without one.

Rules:
    - The arithmetic is that of `throttle`, here and in the store, whose own clock counts: so many at once, then evenly.
    - Every service counts for itself as well: when the store is away it goes on from what it saw.
    - A subject in the store is a keyed hash, and gone a minute after its last failure: the store learns no email, and a
      flood leaves nothing.
Not here:
    - What counts as a failure (users, codes); wrong keys, which each service counts alone (directory).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.accounts.throttle import Throttle

if TYPE_CHECKING:
    from gateway.store.valkey import Valkey

MICROS = 1_000_000
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local clean = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + tonumber(ARGV[1])
local wait = clean - now - 60000000
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', clean), 'PX', math.ceil((clean - now) / 1000))
return 0
"""
_GIVE_BACK = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECRBY', KEYS[1], ARGV[1]) end"


class Failures:
    """See the module's rules. `digest` hides subjects; every service has the same."""

    def __init__(self, digest: Callable[[str], str], store: Valkey | None = None, prefix: str = "") -> None:
        self._digest = digest
        self._store = store
        self._prefix = f"{prefix}failures:"
        self._local = Throttle()

    async def take(self, subject: str, per_minute: int, now_s: float) -> float:
        """Count one; 0 when it may be tried, else the seconds to wait, with nothing counted."""
        if (wait_s := self._local.take(subject, per_minute, now_s)) or self._store is None:
            return wait_s
        waits = await self._told(self._store, _TAKE, subject, per_minute)
        if waits:
            self._local.give_back(subject, per_minute)
        return waits / MICROS

    async def give_back(self, subject: str, per_minute: int) -> None:
        """What was counted was no failure."""
        self._local.give_back(subject, per_minute)
        if self._store is not None:
            await self._told(self._store, _GIVE_BACK, subject, per_minute)

    async def _told(self, store: Valkey, lua: str, subject: str, per_minute: int) -> int:
        """What the store answers; 0 when it does not."""
        from gateway.store.valkey import StoreUnavailable

        try:
            key = f"{self._prefix}{self._digest(subject)[:32]}"
            return int(await store.script(lua, [key], [60 * MICROS // per_minute]) or 0)
        except StoreUnavailable:
            return 0
