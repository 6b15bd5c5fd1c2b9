"""One real server for the tests of this folder; each finds it running and empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.store.valkey import Valkey
from tests.support.stored import Stored, connected, stored


@pytest.fixture(scope="session")
def server() -> Iterator[Stored]:
    """The server of this run."""
    with stored() as running:
        yield running


@pytest.fixture
async def store(server: Stored) -> AsyncIterator[Valkey]:
    """A connected client; it gives the server time unless a test is about that."""
    async with connected(server) as made:
        yield made
