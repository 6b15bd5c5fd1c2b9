"""Failures are counted once over services that share a store, as one service counts alone; nobody depends on the store.

Rules: a real Valkey server that is stopped and brought back; each `Failures` is one service's.
Not here: one process's arithmetic (test_throttle); logins (test_users_and_sessions).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.accounts.failures import Failures
from gateway.accounts.keys import Digester
from tests.support.stored import Stored, client, stored
from tests.support.waiting import PATIENCE_S, eventually

NOW_S = 1000.0


@pytest.fixture(scope="module")
def server() -> Iterator[Stored]:
    """The store of this module."""
    with stored() as running:
        yield running


@asynccontextmanager
async def services(server: Stored, count: int) -> AsyncIterator[list[Failures]]:
    """So many services on that store."""
    stores = [client(server) for _ in range(count)]
    try:
        for store in stores:
            store.start()
            assert await store.ready(PATIENCE_S)
        yield [Failures(Digester(b"pepper").digest, store, "t:") for store in stores]
    finally:
        for store in stores:
            await store.close()


async def test_three_services_count_as_one(server: Stored) -> None:
    """Of thirty at once ten may try, wherever they come; another subject is not touched."""
    async with services(server, 3) as counted:
        waits = await asyncio.gather(*(counted[at % 3].take("account a", 10, NOW_S) for at in range(30)))
        assert sorted(waits)[:10] == [0.0] * 10
        assert all(0 < wait_s <= 6.0 for wait_s in sorted(waits)[10:])
        assert await counted[0].take("account b", 10, NOW_S) == 0.0


async def test_what_was_no_failure_is_given_back_everywhere(server: Stored) -> None:
    """A right password at one service is room at another; what a service refuses for the others costs it nothing."""
    async with services(server, 2) as (one, other):
        assert await one.take("account c", 1, NOW_S) == 0.0
        assert await other.take("account c", 1, NOW_S) > 0.0
        await one.give_back("account c", 1)
        assert await other.take("account c", 1, NOW_S) == 0.0


async def test_nothing_readable_stays(server: Stored) -> None:
    """The store sees no email or address, and forgets each subject within its minute."""
    async with services(server, 1) as (counted,):
        for at in range(20):
            await counted.take(f"account somebody{at}@example.org", 1 + at, NOW_S)
            await counted.give_back(f"address 192.0.2.{at}", 1 + at)
    keys = [key.decode() for key in server.command("KEYS", "t:*")]
    assert len(keys) >= 20
    assert not [key for key in keys if "@" in key or "192.0" in key]
    assert all(-1 != server.command("PTTL", key) <= 60_000 for key in keys)  # -2: gone meanwhile


async def test_without_the_store_each_goes_on_from_what_it_saw(server: Stored) -> None:
    """Half of the tries were seen here: the other half may be made, and no more; when it is back all are one again."""
    async with services(server, 2) as (one, other):
        for _ in range(3):
            assert await one.take("account d", 6, NOW_S) == 0.0
            assert await other.take("account d", 6, NOW_S) == 0.0
        assert await one.take("account d", 6, NOW_S) > 0.0
        server.kill()
        waits = [await one.take("account d", 6, NOW_S) for _ in range(5)]
        assert (waits[:3], min(waits[3:]) > 0) == ([0.0] * 3, True)
        await one.give_back("account d", 6)
        server.start()

        names = (f"account e{number}" for number in itertools.count())

        async def is_shared() -> bool:
            name = next(names)
            return await one.take(name, 1, NOW_S) == 0.0 and await other.take(name, 1, NOW_S) > 0.0

        await eventually(is_shared, "the store's return")


async def test_alone_it_is_the_throttle() -> None:
    """Without a store nothing is asked of one."""
    counted = Failures(Digester(b"pepper").digest)
    assert [await counted.take("a", 2, NOW_S) for _ in range(2)] == [0.0, 0.0]
    assert await counted.take("a", 2, NOW_S) == 30.0
    await counted.give_back("a", 2)
    assert await counted.take("a", 2, NOW_S) == 0.0
