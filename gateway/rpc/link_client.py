"""The frontend's end of the link: a `Caller` over one or several services.

Rules:
    - A call goes to the ready link with the fewest open calls. While none is ready it waits
      `connect_wait_s`, then fails with UNAVAILABLE.
    - A call that had no answer yet (no Head) when its link was lost, or that a draining service refused,
      is tried once more; a started one ends with UNAVAILABLE. It is never shown as complete.
    - Closing the generator sends Cancel and returns at once; the service closes what it opened.
    - Links come back by themselves, with full-jitter backoff.
Not here:
    - One stream (connection), the service's end (link_server), the same in one process (inprocess).
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Literal, NoReturn, Self

import grpc
from google.protobuf.message import DecodeError, Message

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.connection import ClientCall, Connection, ProtocolMismatch, Received, open_stream
from gateway.rpc.contract import Batch, CallContext, Head, Item, Method, Raw, Tail
from gateway.rpc.options import LinkObserver, LinkOptions, channel_arguments
from gateway.rpc.outbox import OutboxClosed
from gateway.rpc.sparse import Sparse

PATIENCE = 8  # failed connects, some 2 s, before a missing service is worth a line in the log
SAID_EVERY_S = 30.0  # a service that stays away, or refuses, is worth a line in so long
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED)

State = Literal["connecting", "ready", "closed"]

_log = logging.getLogger(__name__)
_NO_CONTEXT = CallContext()


class _TryAgain(Exception):
    """The call had no answer yet and its link is no use any more."""


class LinkClient:
    """A `Caller` over links to `addresses` (`unix:/path` or `host:port`).

    Use as an async context manager, or `start()` and `await aclose()`. `on_settings(generation, json)` runs
    on the loop after every Hello and reload. `credentials` makes links over TCP TLS (mTLS with a client certificate).
    `refusals` tells, by address, why a service that answers does not want this frontend (secret, version).
    """

    def __init__(
        self,
        addresses: Sequence[str],
        options: LinkOptions | None = None,
        *,
        on_settings: Callable[[int, str], None] | None = None,
        observer: LinkObserver | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._options = options or LinkOptions()
        self._on_settings = on_settings
        self._observer = observer
        self._credentials = credentials
        self._addresses = tuple(addresses)
        self._instance = secrets.token_hex(8)
        self._connections: list[Connection] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._lives: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._waiting = 0
        self._turn = 0
        self._is_closed = False
        self._news = Sparse(SAID_EVERY_S)
        self.last_error = ""
        self.refusals: dict[str, str] = {}

    def start(self) -> None:
        """Begin connecting; returns at once."""
        if not self._keepers:
            self._keepers = [asyncio.create_task(self._keep(address)) for address in self._addresses]

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def state(self) -> State:
        """Whether a call made now would be sent now."""
        if self._is_closed:
            return "closed"
        return "ready" if any(c.is_ready for c in self._connections) else "connecting"

    @property
    def calls(self) -> int:
        """Calls open on all links."""
        return sum(len(connection.calls) for connection in self._connections)

    async def ready(self, timeout_s: float | None = None) -> bool:
        """Wait until a link is up; False when `timeout_s` passed first."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.state != "ready":
                    if self._is_closed:
                        return False
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """End every link; open calls fail with UNAVAILABLE."""
        self._is_closed = True
        self._changed.set()
        tasks = [*self._keepers, *self._lives]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        """Run one call; see gateway.rpc.contract."""
        payload = request.SerializeToString()
        del request  # else this frame keeps it as long as the call is open
        can_try_again = True
        while True:
            connection = self._choose() or await self._wait_for_link()
            try:
                call = await connection.open(method.name, payload, context)
            except OutboxClosed:
                if not can_try_again:
                    raise _unavailable("the link to the service broke before the call was sent") from None
                can_try_again = False
                continue
            expiry = self._limit(call, context)
            try:
                while True:
                    for item in _gather(method, await call.take()):
                        if type(item) is Head:
                            can_try_again, payload, context = False, b"", _NO_CONTEXT
                        elif type(item) is not list and type(item) is not Tail:
                            _fail(item, connection, can_try_again=can_try_again)
                        yield item
                        if type(item) is Tail:
                            return
            except _TryAgain:
                can_try_again = False
            finally:
                connection.leave(call)
                if expiry is not None:
                    expiry.cancel()

    def _choose(self) -> Connection | None:
        """The ready link with the fewest calls; equal ones take turns."""
        ready = [connection for connection in self._connections if connection.is_ready]
        if len(ready) < 2:
            return ready[0] if ready else None
        self._turn += 1
        return min(
            (ready[(self._turn + offset) % len(ready)] for offset in range(len(ready))), key=lambda c: len(c.calls)
        )

    async def _wait_for_link(self) -> Connection:
        if self._is_closed:
            raise _unavailable("this frontend is stopping")
        if self._waiting >= self._options.waiting_max:
            raise _unavailable("no service is reachable")
        self._waiting += 1
        try:
            await self.ready(self._options.connect_wait_s)
        finally:
            self._waiting -= 1
        connection = self._choose()
        if connection is None:
            raise _unavailable("no service is reachable", cause=self.last_error)
        return connection

    def _limit(self, call: ClientCall, context: CallContext) -> asyncio.TimerHandle | None:
        """The last net under the deadline: the service did not even say that it passed."""
        if not context.HasField("timeout_ms"):
            return None
        allowed_s = context.timeout_ms / 1000 + 2 * self._options.deadline_grace_s
        failure = GatewayError(Kind.DEADLINE_EXCEEDED, "the call's deadline passed")
        return asyncio.get_running_loop().call_later(allowed_s, call.add, failure)

    async def _keep(self, address: str) -> None:
        """Keep one usable link up for ever; one that drains lives on beside its successor."""
        failures = 0
        while True:
            retired: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            life = asyncio.create_task(self._live(address, failures, retired))
            self._lives.add(life)
            life.add_done_callback(self._lives.discard)
            failures = 0 if await retired else failures + 1
            ceiling_s = min(self._options.backoff_max_s, self._options.backoff_first_s * 2 ** min(failures, 16))
            await asyncio.sleep(random.uniform(0, ceiling_s))

    async def _live(self, address: str, failures: int, retired: asyncio.Future[bool]) -> None:
        """One link, from connecting to its end. `retired` tells when it takes no more calls, and if it ever did."""
        connection: Connection | None = None

        def retire() -> None:
            if not retired.done():
                retired.set_result(connection is not None and connection.is_greeted)

        try:
            async with self._channel(address) as channel:
                connection = Connection(
                    open_stream(channel),
                    self._options,
                    self._observer,
                    on_settings=self._take_settings,
                    on_drain=retire,
                )
                await self._run(connection, address)
        except Exception as error:  # noqa: BLE001  # whatever ended it, the link must come back
            self._say(address, error, failures, was_up=connection is not None and connection.is_greeted)
        finally:
            retire()

    async def _run(self, connection: Connection, address: str) -> None:
        """Greet and carry calls, until the stream ends."""
        try:
            await connection.greet(self._instance)
            self.last_error = ""
            self.refusals.pop(address, None)
            self._news.forget(address)
            self._connections.append(connection)
            self._links_changed()
            await connection.run()
        finally:
            connection.cancel()
            if connection in self._connections:
                self._connections.remove(connection)
                self._links_changed()

    def _channel(self, address: str) -> grpc.aio.Channel:
        arguments = channel_arguments()
        if self._credentials is None or address.startswith("unix:"):
            return grpc.aio.insecure_channel(address, options=arguments)
        return grpc.aio.secure_channel(address, self._credentials, options=arguments)

    def _links_changed(self) -> None:
        self._changed.set()
        if self._observer is not None:
            self._observer.links_changed(len(self._connections))

    def _take_settings(self, generation: int, json: str) -> None:
        if self._on_settings is None:
            return
        try:
            self._on_settings(generation, json)
        except Exception:  # noqa: BLE001  # a frontend that cannot use new settings keeps the old ones
            _log.exception("settings of generation %d were not taken", generation)

    def _say(self, address: str, error: Exception, failures: int, *, was_up: bool) -> None:
        """Log what ended a link, seldom; a service that is still starting is no news for the first second or two."""
        code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
        text = (error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)) or type(error).__name__
        self.last_error = text
        self.refusals.pop(address, None)
        if not was_up and (code in REFUSED or isinstance(error, ProtocolMismatch)):
            self.refusals[address] = text
        is_news = was_up or failures >= PATIENCE or code is not grpc.StatusCode.UNAVAILABLE
        if is_news and self._news.left_out(address) is not None:
            _log.warning("link to %s: %s", address, text)


def _gather(method: Method, received: list[Received]) -> list[Any]:
    """What arrived as items: neighbouring events become one batch, the rest stays; list[Item | failure]."""
    items: list[Any] = []
    batch: Batch = []
    for one in received:
        if type(one) is str or type(one) is Raw:
            batch.append(one)
            continue
        if type(one) is bytes:
            try:
                batch.append(method.reply.FromString(one))
                continue
            except DecodeError:
                name = method.reply.DESCRIPTOR.full_name
                one = GatewayError(Kind.INTERNAL, f"the service sent something that is no {name}")
        if batch:
            items.append(batch)
            batch = []
        items.append(one)
    if batch:
        items.append(batch)
    return items


def _fail(item: object, connection: Connection, *, can_try_again: bool) -> NoReturn:
    """Raise what ended a call without success: a GatewayError of the service, or LOST."""
    failure = item if isinstance(item, GatewayError) else None
    if failure is not None and failure.kind is Kind.UNAVAILABLE and failure.code == "draining":
        connection.is_ready = False
        failure = _unavailable("the service is draining") if not can_try_again else None
    if failure is not None:
        raise failure
    if can_try_again:
        raise _TryAgain
    raise _unavailable("the link to the service broke in the middle of the call")


def _unavailable(message: str, cause: str = "") -> GatewayError:
    return GatewayError(Kind.UNAVAILABLE, message, retry_after_s=1, cause=cause)


__all__ = ["LinkClient", "State"]
