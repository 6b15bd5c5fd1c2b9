"""A TCP server whose answers a test writes byte by byte, and which notes what its connections live through.

Rules: one real listener on a free port of 127.0.0.1; every handler is ended with the server.
Not here: an upstream that behaves like a vendor (the simulator); recorded requests (tests.support.recorder).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Connection:
    """One accepted connection, as its handler sees it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """The next request's head and body; empty when the client closed."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        size = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        return head + await self.reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes, *lines: str, status: str = "200 OK", media: str = "application/json") -> None:
        """A whole response with a length."""
        head = [f"HTTP/1.1 {status}", f"content-type: {media}", f"content-length: {len(body)}", *lines]
        await self.send("\r\n".join([*head, "", ""]).encode() + body)

    async def stream(self, *lines: str) -> None:
        """The head of an event stream, in chunks."""
        head = ["HTTP/1.1 200 OK", "content-type: text/event-stream; charset=utf-8", "transfer-encoding: chunked"]
        await self.send("\r\n".join([*head, *lines, "", ""]).encode())

    async def piece(self, data: bytes) -> None:
        """One chunk of the body; empty = the end."""
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def closed(self) -> None:
        """Wait until the client closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass


@dataclass
class Loopback:
    """The running server."""

    url: str = ""
    connections: int = 0
    closed: int = 0
    requests: list[bytes] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def open(self) -> int:
        """Connections that are not closed yet."""
        return self.connections - self.closed


Handler = Callable[[Connection, bytes], Awaitable[object]]


@asynccontextmanager
async def loopback(handler: Handler) -> AsyncIterator[Loopback]:
    """Call `handler(connection, request)` for each request of each connection, until the block ends."""
    state = Loopback()

    async def live(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(state.connections, reader, writer)
        state.connections += 1
        try:
            while not writer.is_closing() and (request := await connection.request()):
                state.requests.append(request)
                await handler(connection, request)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            state.closed += 1
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        state.tasks.add(task)
        task.add_done_callback(state.tasks.discard)
        await live(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
