"""One real server for the tests of this folder; each finds it running and empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.store.valkey import Valkey
from tests.support.stored import Stored, stored


@pytest.fixture(scope="session")
def server() -> Iterator[Stored]:
    """The server of this run."""
    with stored() as running:
        yield running


@pytest.fixture
async def store(server: Stored) -> AsyncIterator[Valkey]:
    """A connected client that gives the server 100 ms."""
    server.revive()
    made = Valkey(server.url, timeout_s=0.1, connect_timeout_s=2.0, backoff_s=(0.02, 0.1))
    made.start()
    assert await made.ready(10)
    try:
        yield made
    finally:
        await made.close()
        server.revive()
