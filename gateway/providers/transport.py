"""The only upstream socket: pooled HTTP connections, five clocks, and caps on what is read.

Rules:
    - Clocks: connect, headers, first token, idle, total, and the call's deadline; whichever runs out
      first ends the attempt with an error that names it. Time the caller spends not reading does not count.
    - Nothing is followed (no redirect), nothing is kept (no cookie), nothing comes from the environment.
    - Certificates are always checked, TLS is 1.2 or newer; a provider may have authorities of its own.
    - Whoever opens a `Reply` closes it; closing before the end closes the connection at once.
    - Pools live as long as a snapshot uses them and end when their last reply is closed.
Not here:
    - What bytes mean (dialects); whether to try again (pipeline.attempts).
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable, Mapping
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

import aiohttp

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.clocks import Clocks, Watchman
from gateway.providers.post import READ_BUFFER_BYTES, SMALL_BODY_BYTES, Answer, Target
from gateway.providers.protocol import Connector
from gateway.providers.upstream import ERROR_BODY_MAX_BYTES, STREAM_MEDIA_TYPES, UpstreamRequest

TARGETS_MAX = 10_000
_NO_HEADERS: Mapping[str, str] = {}
RELEASE_WAIT_S = 0.05


class _PoolKey(NamedTuple):
    provider: str
    origin: str
    connections_max: int
    keepalive_s: float
    ca_file: str | None


class _ClockRanOut(Exception):  # not an error of its own: carried to the reader, which maps it
    """Set on a response's content when a clock runs out."""


class _Pool:
    """Connections to one provider, and how many calls use them."""

    __slots__ = ("is_retired", "leases", "session")

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.leases = 0
        self.is_retired = False

    def give_back(self) -> bool:
        """One call less; whether it was the last of a retired pool, whose session is to be closed."""
        self.leases -= 1
        return self.is_retired and not self.leases


class _Way(NamedTuple):
    """How a deployment is reached, and its clocks: a section of the configuration is slow to ask."""

    pool: _Pool
    timeout: aiohttp.ClientTimeout  # of connecting
    headers_s: float
    first_token_s: float
    total_s: float
    idle_s: float


class Transport:
    """All connections to providers of this process."""

    def __init__(self) -> None:
        self._pools: dict[_PoolKey, _Pool] = {}
        self._target = lru_cache(TARGETS_MAX)(Target)
        self.watchman = Watchman()
        self._ways: dict[Deployment, _Way] = {}  # of the snapshots in use; `_pools` is what counts
        self.open_replies = 0

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop this transport lives on; asking asyncio for it costs a system call in CPython 3.11."""
        return asyncio.get_running_loop()

    async def open(self, deployment: Deployment, request: UpstreamRequest, deadline_s: float) -> Reply:
        """Send a request and wait for the response's head. `deadline_s` is loop time.

        Raises GatewayError PROVIDER_ERROR, PROVIDER_TIMEOUT or DEADLINE_EXCEEDED.
        On cancel the connection is closed.
        """
        now_s = self.loop.time()
        if now_s >= deadline_s:  # the clocks are looked at later than a fast provider answers
            raise deadline_exceeded()
        way = self._ways.get(deployment) or self._way(deployment)
        clocks = Clocks(deadline_s, now_s + way.total_s, now_s + way.headers_s, way.idle_s)
        pool = way.pool
        pool.leases += 1
        self.watchman.watch(clocks)
        try:
            answer = await self._post(way, deployment, request, clocks)
            return Reply(self, pool, answer, deployment, clocks, now_s + way.first_token_s)
        except BaseException:
            self.watchman.forget(clocks)
            if pool.give_back():
                await pool.session.close()
            raise

    async def _post(self, way: _Way, deployment: Deployment, request: UpstreamRequest, clocks: Clocks) -> Answer:
        task = asyncio.current_task(self.loop)
        if task is None:
            raise AssertionError("a request is sent by a task")
        cancels = task.cancelling()
        clocks.on_expiry = task.cancel
        try:
            answer = await self._send(way.pool.session, request, way.timeout)
            if clocks.expired:  # at the last moment: the cancel is on its way
                answer.connection.close()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if clocks.expired and task.uncancel() <= cancels:
                raise _ran_out(clocks, deployment) from None
            raise
        except TimeoutError as error:  # aiohttp's own clocks are those of connecting
            raise _timed_out("connect", deployment.timeouts.connect_s) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _broken(error) from error
        return answer

    async def close(self) -> None:
        """Close every pool."""
        pools, self._pools, self._ways = list(self._pools.values()), {}, {}
        for pool in pools:
            await pool.session.close()

    async def retire(self, deployments: list[Deployment]) -> None:
        """Close pools that none of `deployments` uses any more, each when its last reply is closed."""
        wanted = {_pool_key(d) for d in deployments}
        self._ways.clear()
        retired = [self._pools.pop(key) for key in list(self._pools) if key not in wanted]
        for pool in retired:  # all of them before the first wait: a call of an older snapshot may come in it
            pool.is_retired = True
        await asyncio.gather(*[pool.session.close() for pool in retired if not pool.leases])

    def _way(self, deployment: Deployment) -> _Way:
        key = _pool_key(deployment)
        pool = self._pools.get(key)
        if pool is None:
            try:
                pool = self._pools[key] = _Pool(_make_session(key))
            except OSError as error:  # of `ca_file`, gone since the configuration was checked
                raise _broken(error) from error
        clocks = deployment.timeouts
        timeout = aiohttp.ClientTimeout(total=None, connect=clocks.connect_s, sock_connect=clocks.connect_s)
        way = _Way(pool, timeout, clocks.headers_s, clocks.first_token_s, clocks.total_s, clocks.idle_s)
        self._ways[deployment] = way
        return way

    def _send(
        self, session: aiohttp.ClientSession, request: UpstreamRequest, timeout: aiohttp.ClientTimeout
    ) -> Awaitable[Answer]:
        """No coroutine of its own: one layer less on the way of every call."""
        target, connector = self._target(request.url), session.connector
        if len(request.body) <= SMALL_BODY_BYTES and connector is not None:
            return target.post(connector, request.headers, request.body, timeout)
        return _by_session(session, target, request, timeout)


class Reply:
    """One response whose head has arrived."""

    __slots__ = (
        "_clocks", "_connection", "_content", "_deployment", "_is_open", "_loop", "_pool", "_transport",
        "headers", "media_type", "status",
    )  # fmt: skip

    def __init__(
        self,
        transport: Transport,
        pool: _Pool,
        answer: Answer,
        deployment: Deployment,
        clocks: Clocks,
        first_token_s: float,
    ) -> None:
        self._transport = transport
        self._pool = pool
        self._deployment = deployment
        self._loop = transport.loop
        self._clocks = clocks
        self._is_open = True
        self.status, self.headers, self._content, self._connection = answer
        self.media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        clocks.headers_s = math.inf
        clocks.on_expiry = self._abort
        if self.media_type in STREAM_MEDIA_TYPES:
            clocks.first_token_s = first_token_s
        transport.open_replies += 1

    def content_came(self) -> None:
        """Stop the clock of the first token, and let go of the head: a stream may stay open for hours."""
        self._clocks.first_token_s = math.inf
        self.headers = _NO_HEADERS

    async def next(self) -> bytes:
        """The next bytes as they come, also those before a connection was lost; empty at the end.

        Raises GatewayError STREAM_CUT (connection lost), PROVIDER_TIMEOUT or DEADLINE_EXCEEDED.
        """
        if self._is_at_end():
            return b""
        content, clocks = self._content, self._clocks
        came = content._buffer  # noqa: SLF001 - aiohttp takes its pieces out one by one: a call for each chunk
        if len(came) > 1:
            pieces = b"".join(came)
            came.clear()
            came.append(pieces)
        if came and content.is_eof() and content.exception() is None:
            return came.popleft()  # no more will come: nothing to count, and no flow to hold back
        try:
            if came:
                return content.read_nowait()
            clocks.waiting_since_s = self._loop.time()
            return await content.readany()
        except _ClockRanOut:
            raise _ran_out(clocks, self._deployment) from None
        except (aiohttp.ClientError, OSError) as error:
            if clocks.expired:
                raise _ran_out(clocks, self._deployment) from error
            if content._buffer:  # noqa: SLF001 - aiohttp raises before it gives what came; the next reading raises
                return content._read_nowait(-1)  # noqa: SLF001 - as above
            raise _cut(error) from error
        finally:
            clocks.waiting_since_s = math.inf

    async def read(self) -> bytes:
        """The whole body, at most `response_max_bytes`.

        Of an error's body: what came, up to 64 KB; its status says enough when the rest is late or lost.
        """
        if self.status >= 400:  # HTTP error statuses
            return await self._read_error()
        limit = self._deployment.response_max_bytes
        parts, size = [], 0
        while data := await self.next():
            size += len(data)
            if size > limit:
                raise GatewayError(
                    Kind.PROVIDER_INVALID, f"The provider's answer is larger than {limit} bytes (response_max_bytes)."
                )
            parts.append(data)
            if self._is_at_end():
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _is_at_end(self) -> bool:
        """Whether all was read. Raises as `next` does when a clock ended it: a cut body may look whole."""
        if not self._content.at_eof():
            return False
        if self._clocks.expired:
            raise _ran_out(self._clocks, self._deployment)
        return True

    async def _read_error(self) -> bytes:
        body = b""
        try:
            while len(body) < ERROR_BODY_MAX_BYTES and (data := await self.next()):
                body += data
        except GatewayError as error:
            if error.kind is Kind.DEADLINE_EXCEEDED:
                raise
        return body[:ERROR_BODY_MAX_BYTES]

    async def close(self) -> None:
        """Give the connection back when the response was read to its end, else close it. Never raises."""
        if not self._is_open:
            return
        self._is_open = False
        self._transport.watchman.forget(self._clocks)
        self._clocks.on_expiry = None  # the cycle would keep the response until a full garbage collection
        self._transport.open_replies -= 1
        if self._content.at_eof():
            self._connection.release()
        else:
            self._end(aiohttp.ClientConnectionError("Connection closed"))
        if self._pool.give_back():
            await self._pool.session.close()

    async def finish(self) -> None:
        """After a stream announced its end: wait a moment for the end of the response, so the connection lives on."""
        try:
            async with asyncio.timeout(RELEASE_WAIT_S):
                while not self._content.at_eof():
                    if not await self._content.readany():
                        break
        except (TimeoutError, aiohttp.ClientError, OSError, _ClockRanOut):
            return

    def _abort(self) -> None:
        """A clock ran out."""
        self._end(_ClockRanOut())

    def _end(self, why: Exception) -> None:
        """End the reading and the connection."""
        self._content.set_exception(why)
        self._connection.close()


async def _by_session(
    session: aiohttp.ClientSession, target: Target, request: UpstreamRequest, timeout: aiohttp.ClientTimeout
) -> Answer:
    response: Any = await session.post(
        target.url, data=request.body, headers=request.headers, allow_redirects=False, timeout=timeout
    )
    answer = Answer(response.status, response._headers, response.content, response)  # noqa: SLF001 - as below
    response._headers, response._raw_headers = _NO_HEADERS, ()  # noqa: SLF001 - 1.5 KB of every open stream
    return answer


def deadline_exceeded() -> GatewayError:
    """The error of a call whose deadline passed."""
    return GatewayError(Kind.DEADLINE_EXCEEDED, "The deadline of the call passed before the answer was complete.")


def _ran_out(clocks: Clocks, deployment: Deployment) -> GatewayError:
    if clocks.expired == "deadline":
        return deadline_exceeded()
    return _timed_out(clocks.expired, getattr(deployment.timeouts, f"{clocks.expired}_s"))


def _pool_key(deployment: Deployment) -> _PoolKey:
    return _PoolKey(
        deployment.provider,
        deployment.base_url,
        deployment.connections_max,
        deployment.keepalive_s,
        deployment.ca_file,
    )


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or later with checked names, whatever the machine allows. Raises OSError for a file that is gone."""
    if ca_file is None:
        return _public_context()
    return _strict(ssl.create_default_context(cafile=ca_file))


@cache
def _public_context() -> ssl.SSLContext:
    """One for all providers the public authorities vouch for: they are read from disk once."""
    return _strict(ssl.create_default_context())


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _make_session(key: _PoolKey) -> aiohttp.ClientSession:
    connector = Connector(
        limit=key.connections_max,
        keepalive_timeout=key.keepalive_s,
        ttl_dns_cache=30,
        happy_eyeballs_delay=0.25,
        resolver=aiohttp.ThreadedResolver(),
        ssl=tls_context(key.ca_file) if key.origin.startswith("https:") else True,
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
