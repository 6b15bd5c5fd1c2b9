"""One Valkey or Redis server, asked within a bound: an answer in time, or `StoreUnavailable`.

Rules:
    - Every operation has a deadline that covers waiting for a connection, connecting and the answer; nothing is
      repeated behind the caller's back.
    - After a failure the store is not asked for a while (circuit.py); a probe in the background finds it again, so
      that no call waits for a store that is known to be down or too slow.
    - A connection whose answer was not awaited is closed, never used again: no reply reaches another question.
    - redis-py is the extra `redis` and imported when a store is configured: 20 MB.
Not here:
    - What is kept there (cache, quota), and what a caller does without it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any, TypeAlias

from gateway.observe.log import Log
from gateway.observe.metrics import StoreMetrics
from gateway.store.circuit import Circuit

SCRIPTS_MAX = 64
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}

Value: TypeAlias = bytes | str | int | float


class StoreUnavailable(Exception):  # a state of the store, not a mistake
    """The store gave no answer in time, refused, or is known to be down; the text says which."""


class Valkey:
    """A server by its URL (`redis://`, `rediss://`, `unix://`, `valkey://`, `valkeys://`). Times in seconds.

    Raises ValueError for a URL that is none, ImportError without the extra.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 0.1,
        connect_timeout_s: float = 1.0,
        connections_max: int = 32,
        backoff_s: tuple[float, float] = (0.1, 5.0),
        log: Log | None = None,
        metrics: StoreMetrics | None = None,
    ) -> None:
        from redis import asyncio as redis  # for those who have a store
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError, ResponseError

        self._failures = (RedisError, OSError, TimeoutError)
        self._refusal = ResponseError
        pool = redis.BlockingConnectionPool.from_url(
            _redis_url(url),
            max_connections=connections_max,
            timeout=timeout_s,
            socket_timeout=None,  # the deadline of each operation is ours
            socket_connect_timeout=connect_timeout_s,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # its own would hide an outage for seconds
            protocol=2,  # no handshake beyond AUTH and SELECT
            driver_info=None,
        )
        self._client = redis.Redis(connection_pool=pool, retry=Retry(NoBackoff(), 0))
        self._command: Callable[..., Awaitable[Any]] = self._client.execute_command
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._circuit = Circuit(*backoff_s, random.random)
        self._shas: dict[str, str] = {}
        self._probing: asyncio.Task[None] | None = None
        self._log = log
        self._metrics = metrics or StoreMetrics()

    @property
    def is_up(self) -> bool:
        """Whether operations are sent to the store now."""
        return not self._circuit.is_open

    def __repr__(self) -> str:
        return f"Valkey({'up' if self.is_up else 'down: ' + self._circuit.reason})"

    def start(self) -> None:
        """Connect in the background; until then, operations are refused at once."""
        self._circuit.failed("not connected yet")
        self._probe_soon()

    async def ready(self, within_s: float) -> bool:
        """Wait until the store answers, at most that long; whether it does."""
        if self._probing is not None:
            await asyncio.wait([self._probing], timeout=within_s)
        return self.is_up

    async def get(self, key: str) -> bytes | None:
        """The value of a key; None when there is none. Raises StoreUnavailable."""
        value: bytes | None = await self._ask("get", self._command, "GET", key)
        return value

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Keep a value for that long. Raises StoreUnavailable."""
        await self._ask("set", self._command, "SET", key, value, "PX", ttl_ms)

    async def delete(self, *keys: str) -> int:
        """Forget keys; how many there were. Raises StoreUnavailable."""
        count: int = await self._ask("delete", self._command, "DEL", *keys)
        return count

    async def script(
        self, lua: str, keys: Sequence[str], args: Sequence[Value] = (), *, timeout_s: float | None = None
    ) -> Any:
        """Run a Lua script on the server, atomically; numbers come as int, texts as bytes, tables as lists.

        The script travels once; later its digest does. Raises StoreUnavailable, also for a script that fails.
        """
        return await self._ask("script", self._evaluate, lua, keys, args, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close every connection; operations that wait fail."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        self._circuit.failed("closed")
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _evaluate(self, lua: str, keys: Sequence[str], args: Sequence[Value]) -> Any:
        from redis.exceptions import NoScriptError

        sha = self._shas.get(lua)
        if sha is None:
            if len(self._shas) >= SCRIPTS_MAX:
                self._shas.clear()
            sha = self._shas[lua] = hashlib.sha1(lua.encode(), usedforsecurity=False).hexdigest()
        try:
            return await self._command("EVALSHA", sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._command("EVAL", lua, len(keys), *keys, *args)

    async def _ask(
        self, operation: str, ask: Callable[..., Awaitable[Any]], *given: Any, timeout_s: float | None = None
    ) -> Any:
        """Await one operation within its deadline, and draw the conclusion about the store."""
        if self._circuit.is_open:
            self._metrics.asked(operation, "refused")
            raise StoreUnavailable(self._circuit.reason)
        began_s = perf_counter()
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                answer = await ask(*given)
        except self._refusal as error:  # it answers, so it is up: a script that is wrong, a full memory
            self._metrics.asked(operation, "error", perf_counter() - began_s)
            raise StoreUnavailable(f"the store refused: {str(error)[:200]}") from error
        except self._failures as error:
            is_late = type(error) is TimeoutError  # ours; the others say more
            self._metrics.asked(operation, "timeout" if is_late else "error", perf_counter() - began_s)
            reason = "no answer in time" if is_late else _said(error)
            self._down(reason)
            raise StoreUnavailable(reason) from error
        self._metrics.asked(operation, "ok", perf_counter() - began_s)
        return answer

    def _down(self, reason: str) -> None:
        if self._circuit.failed(reason):
            self._metrics.is_up(now=False)
            self._say("warning", "store is down", reason=reason)
            self._probe_soon()

    def _probe_soon(self) -> None:
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        """Ask until the store answers; its idle connections are of before the outage and closed first."""
        while True:
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    await self._client.connection_pool.disconnect(inuse_connections=False)
                    await self._command("PING")
                async with asyncio.timeout(self._timeout_s):  # as fast as operations need it
                    await self._command("PING")
            except self._failures as error:
                self._circuit.failed(_said(error))
                await asyncio.sleep(self._circuit.wait_s())
            else:
                self._circuit.answered()
                self._metrics.is_up(now=True)
                self._say("info", "store is up")
                return

    def _say(self, level: str, event: str, **fields: object) -> None:
        if self._log is not None:
            self._log.write(level, event, **fields)


def _redis_url(url: str) -> str:
    """The URL as redis-py knows it."""
    scheme, separator, rest = url.partition("://")
    return f"{_SCHEMES.get(scheme, scheme)}{separator}{rest}"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}".removesuffix(": ")
