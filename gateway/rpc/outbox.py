"""The outgoing queue of one end of a link: what is queued when the stream is writable leaves as one batch.

Rules:
    - A chunk is a serialized FrameBatch; joined chunks are a FrameBatch again (protobuf concatenation).
    - Queued bytes stay under the limit plus one chunk: senders reserve room first, in turn, so many
      calls share the stream fairly, and chunks leave in the order in which they were put. Only notices and
      small answers to the peer's own frames are forced in.
    - Notices (drain, settings) replace their older version and leave first.
    - After close, what is queued still leaves; new chunks are dropped and waiting senders see `OutboxClosed`.
Not here:
    - What frames mean (frames), who writes them (link_server, connection).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from gateway.rpc.options import LinkObserver

GATHER_TURNS = 2  # of the event loop, not of time: what is about to be queued leaves in the same batch


class OutboxClosed(Exception):
    """The link is going away: nothing more can be sent on it."""


class Outbox:
    """A queue of chunks with room for `limit_bytes`; one writer takes, any number of tasks put."""

    def __init__(self, limit_bytes: int, observer: LinkObserver | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._observer = observer
        self._chunks: list[bytes] = []
        self._frames = 0
        self._notices: dict[str, bytes] = {}
        self._used_bytes = 0
        self._turns: deque[tuple[asyncio.Future[None], int]] = deque()
        self._granted = 0  # turns given to tasks that have not run since: nobody may overtake them
        self._writer: asyncio.Future[None] | None = None
        self._is_closed = False

    @property
    def used_bytes(self) -> int:
        """Bytes queued or reserved."""
        return self._used_bytes

    async def put(self, chunk: bytes, frames: int = 1) -> None:
        """Queue a chunk when its turn has come. Raises OutboxClosed."""
        if not self.try_put(chunk, frames):
            await self._turn(len(chunk))
            self._append(chunk, frames)

    def try_put(self, chunk: bytes, frames: int = 1) -> bool:
        """Queue a chunk if it need not wait; False: use `put`."""
        if self._turns or self._granted or self._used_bytes >= self._limit_bytes or self._is_closed:
            return False
        self._used_bytes += len(chunk)
        self._append(chunk, frames)
        return True

    async def relief(self) -> None:
        """Wait while forced chunks hold more than twice the limit: for whoever answers the peer's frames."""
        if self._used_bytes >= 2 * self._limit_bytes and not self._is_closed:
            await self._turn(0)

    def force(self, chunk: bytes) -> None:
        """Queue a small chunk past the limit: credits and cancels, bounded by what the peer itself sent."""
        if not self._is_closed:
            self._used_bytes += len(chunk)
            self._append(chunk, 1)

    def notify(self, name: str, chunk: bytes) -> None:
        """Queue a notice in front; it replaces an unsent one of the same name."""
        if not self._is_closed:
            self._notices[name] = chunk
            self._wake()

    def close(self) -> None:
        """Accept nothing more; the writer ends when the queue is empty."""
        self._is_closed = True
        while self._turns:
            turn, _ = self._turns.popleft()
            if not turn.done():
                turn.set_exception(OutboxClosed())
        self._wake()

    async def drive(self, write: Callable[[bytes], Awaitable[object]]) -> None:
        """The writer: hand batches to `write` until the outbox is closed and empty."""
        while True:
            if not self._chunks and not self._notices:
                if self._is_closed:
                    return
                self._writer = asyncio.get_running_loop().create_future()
                await self._writer
                continue
            for _ in range(GATHER_TURNS):
                await asyncio.sleep(0)
            await write(self._take())

    def _take(self) -> bytes:
        notices, frames = list(self._notices.values()), self._frames
        batch = b"".join(notices + self._chunks)
        self._chunks, self._frames = [], 0
        self._notices.clear()
        self._used_bytes -= len(batch) - sum(map(len, notices))
        if self._observer is not None:
            self._observer.batch_sent(frames + len(notices), len(batch), len(self._turns))
        self._next_turns()
        return batch

    def _append(self, chunk: bytes, frames: int) -> None:
        self._chunks.append(chunk)
        self._frames += frames
        if self._writer is not None:
            self._wake()

    def _wake(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None and not writer.done():
            writer.set_result(None)

    async def _turn(self, size_bytes: int) -> None:
        if self._is_closed:
            raise OutboxClosed
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append((turn, size_bytes))
        try:
            await turn
            self._granted -= 1
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._granted -= 1
                self._used_bytes -= size_bytes
                self._next_turns()
            raise

    def _next_turns(self) -> None:
        while self._turns and self._used_bytes < self._limit_bytes:
            turn, size_bytes = self._turns.popleft()
            if not turn.done():
                self._used_bytes += size_bytes
                self._granted += 1
                turn.set_result(None)
