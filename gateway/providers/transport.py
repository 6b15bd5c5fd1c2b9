"""The only upstream socket: pooled HTTP connections, five clocks, and caps on what is read.

Rules:
    - Clocks: connect, headers, first token, idle, total, and the call's deadline; whichever runs out
      first ends the attempt with an error that names it. Time the caller spends not reading does not count.
    - Nothing is followed (no redirect), nothing is kept (no cookie), nothing comes from the environment.
    - Whoever opens a `Reply` closes it; closing before the end closes the connection at once.
    - Pools live as long as a snapshot uses them and end when their last reply is closed.
Not here:
    - What bytes mean (dialects); whether to try again (pipeline.attempt).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from cachetools import LRUCache
from yarl import URL

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.upstream import ERROR_BODY_MAX_BYTES, UpstreamRequest

READ_BUFFER_BYTES = 65_536
URLS_MAX = 10_000
RELEASE_WAIT_S = 0.05


class _PoolKey(NamedTuple):
    provider: str
    origin: str
    connections_max: int
    keepalive_s: float


class _ClockRanOut(Exception):  # not an error of its own: carried to the reader, which maps it
    """Set on a response's content when a clock runs out."""


class _Pool:
    """Connections to one provider, and how many calls use them."""

    __slots__ = ("is_retired", "leases", "session")

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.leases = 0
        self.is_retired = False

    async def give_back(self) -> None:
        """One call less; the last one closes a retired pool."""
        self.leases -= 1
        if self.is_retired and not self.leases:
            await self.session.close()


class Transport:
    """All connections to providers of this process."""

    def __init__(self) -> None:
        self._pools: dict[_PoolKey, _Pool] = {}
        self._urls: LRUCache[str, URL] = LRUCache(URLS_MAX)
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}
        self.open_replies = 0

    async def open(self, deployment: Deployment, request: UpstreamRequest, deadline_s: float) -> Reply:
        """Send a request and wait for the response's head. `deadline_s` is loop time.

        Raises GatewayError PROVIDER_ERROR, PROVIDER_TIMEOUT or DEADLINE_EXCEEDED.
        On cancel the connection is closed.
        """
        started_s = asyncio.get_running_loop().time()
        pool = self._pool(deployment)
        pool.leases += 1
        try:
            response = await self._post(pool, deployment, request, started_s, deadline_s)
        except BaseException:
            await pool.give_back()
            raise
        return Reply(self, pool, response, deployment, started_s, deadline_s)

    async def _post(
        self, pool: _Pool, deployment: Deployment, request: UpstreamRequest, started_s: float, deadline_s: float
    ) -> aiohttp.ClientResponse:
        timeouts = deployment.timeouts
        headers_by_s = started_s + min(timeouts.headers_s, timeouts.total_s)
        try:
            async with asyncio.timeout_at(min(headers_by_s, deadline_s)):
                return await pool.session.post(
                    self._url(request.url),
                    data=request.body,
                    headers=request.headers,
                    allow_redirects=False,
                    timeout=self._timeout(timeouts.connect_s),
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise _timed_out("connect", timeouts.connect_s) from error
        except TimeoutError as error:
            if deadline_s <= headers_by_s:  # not what time it is now: timers may fire a little early
                raise deadline_exceeded() from error
            raise _timed_out("headers", timeouts.headers_s) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _broken(error) from error

    async def close(self) -> None:
        """Close every pool."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.session.close()

    async def retire(self, deployments: list[Deployment]) -> None:
        """Close pools that none of `deployments` uses any more, each when its last reply is closed."""
        wanted = {_pool_key(d) for d in deployments}
        for key in [key for key in self._pools if key not in wanted]:
            pool = self._pools.pop(key)
            pool.is_retired = True
            if not pool.leases:
                await pool.session.close()

    def _pool(self, deployment: Deployment) -> _Pool:
        key = _pool_key(deployment)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(_make_session(key))
        return pool

    def _url(self, text: str) -> URL:
        url = self._urls.get(text)
        if url is None:
            url = self._urls[text] = URL(text, encoded=True)
        return url

    def _timeout(self, connect_s: float) -> aiohttp.ClientTimeout:
        timeout = self._timeouts.get(connect_s)
        if timeout is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s)
            self._timeouts[connect_s] = timeout
        return timeout


class Reply:
    """One response whose head has arrived."""

    __slots__ = (
        "_content", "_deadline_s", "_deployment", "_expired", "_first_token_s", "_idle_s", "_is_waiting", "_last_s",
        "_loop", "_pool", "_response", "_timer", "_total_s", "_transport", "headers", "media_type", "status",
    )  # fmt: skip

    def __init__(
        self,
        transport: Transport,
        pool: _Pool,
        response: aiohttp.ClientResponse,
        deployment: Deployment,
        started_s: float,
        deadline_s: float,
    ) -> None:
        timeouts = deployment.timeouts
        self._transport = transport
        self._pool = pool
        self._response = response
        self._content = response.content
        self._deployment = deployment
        self._loop = asyncio.get_running_loop()
        self._last_s = self._loop.time()
        self._is_waiting = False
        self._expired: GatewayError | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_stream = self.media_type == "text/event-stream"
        self._deadline_s = deadline_s
        self._total_s = started_s + timeouts.total_s
        self._first_token_s = started_s + timeouts.first_token_s if is_stream else math.inf
        self._idle_s = timeouts.idle_s
        self._timer = self._loop.call_at(self._due_s(), self._check)
        transport.open_replies += 1

    def content_came(self) -> None:
        """Stop the clock of the first token."""
        self._first_token_s = math.inf

    async def next(self) -> bytes:
        """The next bytes as they come; empty at the end.

        Raises GatewayError STREAM_CUT (connection lost), PROVIDER_TIMEOUT or DEADLINE_EXCEEDED.
        """
        content = self._content
        if content.at_eof():
            return b""
        self._is_waiting = True
        self._last_s = self._loop.time()
        try:
            return await content.readany()
        except _ClockRanOut:
            raise self._expired or deadline_exceeded() from None
        except (aiohttp.ClientError, OSError) as error:
            if self._expired is not None:
                raise self._expired from error
            raise _cut(error) from error
        finally:
            self._is_waiting = False

    async def read(self) -> bytes:
        """The whole body, at most `response_max_bytes` (an error body: at most 64 KB, then cut off)."""
        is_error = self.status >= 400  # HTTP error statuses
        limit = ERROR_BODY_MAX_BYTES if is_error else self._deployment.response_max_bytes
        parts, size = [], 0
        while data := await self.next():
            size += len(data)
            if size > limit:
                if is_error:
                    break
                raise GatewayError(
                    Kind.PROVIDER_INVALID, f"The provider's answer is larger than {limit} bytes (response_max_bytes)."
                )
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def close(self) -> None:
        """Give the connection back when the response was read to its end, else close it. Never raises."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None  # type: ignore[assignment]  # marks the reply as closed
        self._transport.open_replies -= 1
        if self._content.at_eof():
            self._response.release()
        else:
            self._response.close()
        await self._pool.give_back()

    async def finish(self) -> None:
        """After a stream announced its end: wait a moment for the end of the response, so the connection lives on."""
        try:
            async with asyncio.timeout(RELEASE_WAIT_S):
                while not self._content.at_eof():
                    if not await self._content.readany():
                        break
        except (TimeoutError, aiohttp.ClientError, OSError, _ClockRanOut):
            return

    def _due_s(self) -> float:
        """When the next clock runs out. Time spent not reading does not count as idle."""
        idle_from_s = self._last_s if self._is_waiting else self._loop.time()
        return min(self._deadline_s, self._total_s, self._first_token_s, idle_from_s + self._idle_s)

    def _check(self) -> None:
        """A clock may have run out: arm for the next one, or end the reading."""
        now_s, due_s = self._loop.time(), self._due_s()
        if due_s > now_s:
            self._timer = self._loop.call_at(due_s, self._check)
            return
        if due_s == self._deadline_s:
            self._expired = deadline_exceeded()
        else:
            name = {self._total_s: "total", self._first_token_s: "first_token"}.get(due_s, "idle")
            self._expired = _timed_out(name, getattr(self._deployment.timeouts, f"{name}_s"))
        self._content.set_exception(_ClockRanOut())
        self._response.close()


def deadline_exceeded() -> GatewayError:
    """The error of a call whose deadline passed."""
    return GatewayError(Kind.DEADLINE_EXCEEDED, "The deadline of the call passed before the answer was complete.")


def _pool_key(deployment: Deployment) -> _PoolKey:
    return _PoolKey(deployment.provider, deployment.base_url, deployment.connections_max, deployment.keepalive_s)


def _make_session(key: _PoolKey) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=key.connections_max,
        keepalive_timeout=key.keepalive_s,
        ttl_dns_cache=30,
        happy_eyeballs_delay=0.25,
        resolver=aiohttp.ThreadedResolver(),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        trust_env=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def _timed_out(clock: str, after_s: float) -> GatewayError:
    message = f"The provider was too slow: {clock} took more than {after_s:g} s (timeouts.{clock}_s)."
    return GatewayError(Kind.PROVIDER_TIMEOUT, message, cause=clock)


def _broken(error: Exception) -> GatewayError:
    message = "The connection to the provider failed before it answered."
    return GatewayError(Kind.PROVIDER_ERROR, message, cause=f"{type(error).__name__}: {error}"[:300])


def _cut(error: Exception) -> GatewayError:
    message = "The connection to the provider was lost before the answer was complete."
    return GatewayError(Kind.STREAM_CUT, message, cause=f"{type(error).__name__}: {error}"[:300])
