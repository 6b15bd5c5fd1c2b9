"""One upstream answer that several calls read while it is given.

Rules:
    - The answer is read as fast as its fastest reader takes it; while nobody wants more, nothing is read.
    - What was given is kept for slow and late readers up to `keep_max_bytes`. A reader that falls further behind
      ends with STALLED_READER: it holds up nobody. While all of it is kept, others may still join.
    - A reader that leaves, also the one that began, ends nothing for the others; the last one to leave ends the
      upstream call, and returns when that is closed.
    - Exactly one reader pays: the first that is there when the answer is over, else the last one to leave.
Not here:
    - Which calls may share (key.py), and the upstream call itself (a `Source`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Batch, Event, Raw


class Source(Protocol):
    """An answer under way: more of it until None, then `close` in any case."""

    def next(self) -> Awaitable[Batch | None]:
        """More events; None when the answer is complete. Raises GatewayError."""
        ...

    async def close(self, outcome: str, cause: str = "") -> None:
        """End it, whatever state it is in."""
        ...


S = TypeVar("S", bound=Source)


class Flight(Generic[S]):
    """One answer and its readers; `on_full` is called, once or more, when nobody may join any more."""

    def __init__(self, source: S, keep_max_bytes: int, on_full: Callable[[], None]) -> None:
        self.source = source
        self._keep_max_bytes = keep_max_bytes
        self._on_full = on_full
        self._kept: deque[tuple[Batch, int]] = deque()
        self._kept_bytes = 0
        self._first = 0  # place of the oldest batch that is kept
        self._readers: set[Reader] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_paid = False
        self.failure: GatewayError | None = None
        self.is_over = False

    @property
    def is_joinable(self) -> bool:
        """Whether a new reader would see the whole answer."""
        return self._first == 0 and not self.is_over

    @property
    def _end(self) -> int:
        return self._first + len(self._kept)

    def start(self, begin: Awaitable[Batch]) -> None:
        """Begin to read; `begin` gives the first events."""
        self._task = asyncio.get_running_loop().create_task(self._run(begin))

    def join(self) -> Reader:
        """A new reader, at the beginning. Only while `is_joinable`."""
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    async def leave(self, reader: Reader) -> bool:
        """A reader is done or gives up; whether it is the one that pays."""
        self._readers.discard(reader)
        if not self.is_over and not self._readers and self._task is not None:
            self._on_full()
            await asyncio.sleep(0)  # the task has begun then: one cancelled before its first step would close nothing
            self._task.cancel()
            await asyncio.wait([self._task])
        is_payer = not self._is_paid and (self.is_over or not self._readers)
        self._is_paid = self._is_paid or is_payer
        return is_payer

    def at(self, place: int) -> Batch | None:
        """The batch of that place; None when it did not come yet. Raises GatewayError for one no longer kept."""
        if place < self._first:
            raise GatewayError(Kind.STALLED_READER, "The answer went on without this reader, which took it too slowly.")
        return self._kept[place - self._first][0] if place < self._end else None

    def want(self) -> None:
        """A reader has read everything so far."""
        self._wanted.set()

    async def _run(self, begin: Awaitable[Batch]) -> None:
        outcome, cause = "cancelled", ""
        try:
            batch: Batch | None = await begin
            while batch is not None:
                self._put(batch)
                await self._wanted.wait()
                batch = await self.source.next()
            outcome = "complete"
        except GatewayError as failure:
            self.failure, outcome, cause = failure, failure.kind.name.lower(), failure.cause
        except Exception as error:  # noqa: BLE001 - a bug is an answer, too: its readers must not wait for ever
            self.failure, outcome = (
                GatewayError(Kind.INTERNAL, "The shared answer failed.", cause=repr(error)),
                "internal",
            )
        finally:
            self._on_full()
            try:
                await self.source.close(outcome, cause)
            finally:
                self.is_over = True
                self._wake()

    def _put(self, batch: Batch) -> None:
        """Keep one batch more; what is over the bound goes, and with it whoever still needed it."""
        self._wanted.clear()
        size = sum([size_of(event) for event in batch])
        self._kept.append((batch, size))
        self._kept_bytes += size
        while self._kept_bytes > self._keep_max_bytes and len(self._kept) > 1:
            self._kept_bytes -= self._kept.popleft()[1]
            self._first += 1
            self._on_full()
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            reader.news.set()


class Reader:
    """One call's place in a flight."""

    __slots__ = ("_flight", "_place", "news")

    def __init__(self, flight: Flight[Any]) -> None:
        self._flight = flight
        self._place = 0
        self.news = asyncio.Event()

    async def next(self) -> Batch | None:
        """More events; None when the answer is complete. Raises GatewayError; a cancelled wait changes nothing."""
        flight = self._flight
        while True:
            self.news.clear()
            batch = flight.at(self._place)
            if batch is not None:
                self._place += 1
                return batch
            if flight.is_over:
                if flight.failure is not None:
                    raise flight.failure.again()
                return None
            flight.want()
            await self.news.wait()


def size_of(event: Event) -> int:
    """About how much memory an event takes, in bytes."""
    if isinstance(event, Message):
        return 200 + event.ByteSize()
    return 50 + len(event.json if isinstance(event, Raw) else event)
