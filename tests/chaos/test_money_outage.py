"""Two services charge calls while Valkey or PostgreSQL is killed or hangs: who was in goes on, and the books are right.

Rules: real servers that get real signals; bounds on time are many times what they have to be, sums are exact.
Not here: three services that nothing happens to (tests/e2e/test_several_services), the cache (test_store_outage).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from gateway.accounts.wallets import Change
from gateway.store.sql.tables import ledger_entries, usage_records, wallets
from gateway.store.valkey import Valkey
from tests.chaos.callers import Callers
from tests.support.place import key_record
from tests.support.postgres import Postgres, own_postgres
from tests.support.raw import ask
from tests.support.single import InProcess, single
from tests.support.stored import Stored, hasty, stored
from tests.support.waiting import eventually

COST = 1000
START = 100_000_000
BOUND_S = 15.0  # of one call in an outage; a store may take 0.1 s of it, the key's question 0.5 s
OUT_S = {"kill": 1.0, "hang": 1.5}
DATABASE_OUT_S = {"kill": 1.0, "hang": 3.5}  # it takes 3 s to give up a connection that hangs
FULL = {"kill": 20.0, "hang": 20.0}
LIMITED = "gw-limited.secret-of-limited"
MODELS = {
    "paid": {
        "names": ["sim*"],
        "pricing": {"input_usd_per_million": "0", "output_usd_per_million": "0", "call_usd": "0.001"},
        "candidates": [{"provider": "simulator"}],
    }
}
DATABASE_S = 1.0  # that it is given while a test takes it away; a store has 0.1 s then; else both have time
LAYER = {
    "store": {"replicas": 2},
    "accounts": {"is_charged": True, "key_cache_s": 0.5, "wrong_keys_per_minute": 100_000},
    "models": MODELS,
}


@pytest.fixture(scope="module")
def store() -> Iterator[Stored]:
    """The Valkey server."""
    with stored() as running:
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL server."""
    with own_postgres() as running:
        yield running


@dataclass
class Scene:
    """Two services, a user, a key that calls go on with, and what the calls came to."""

    services: list[InProcess]
    user_id: str
    known: str
    unused: list[str]
    outcomes: Counter[str] = field(default_factory=Counter)
    strangers: Counter[int | str] = field(default_factory=Counter)
    longest_s: float = 0.0
    by_second: Counter[int] = field(default_factory=Counter)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def paid(self) -> int:
        """Calls that completed."""
        return self.outcomes["complete"]

    @property
    def busiest(self) -> int:
        """The most calls of two seconds, one after the other."""
        return max(self.by_second[at] + self.by_second[at + 1] for at in list(self.by_second))

    async def call(self, at: int, way: str) -> None:
        """Calls with the known key until it is over."""
        running = self.services[at]
        callers = Callers(running.url, running.grpc_address, self.known)
        try:
            while not self.is_over.is_set():
                began_s = time.monotonic()
                ending = await callers.ask(way, "sim")
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
                self.by_second[int(began_s)] += 1
                self.outcomes[ending.state if ending.is_complete else f"{ending.status} {ending.kind}"] += 1
        finally:
            await callers.close()

    async def stranger(self, at: int) -> None:
        """Asks with keys nobody used before until it is over: half of them right, half never made."""
        number = 0
        while not self.is_over.is_set():
            number += 1
            is_right = number % 2 and len(self.unused) > 1
            key = self.unused.pop() if is_right else f"gw-{at}{number:047}"
            answer = await ask(f"{self.services[at].url}/v1/models", None, key)
            self.strangers["truly unknown" if answer.status == 401 and not is_right else answer.status] += 1
            await asyncio.sleep(0.05)

    async def books(self) -> tuple[int, int, int]:
        """(balance, sum of the ledger, calls) in the database."""
        book = self.services[0].half.kit.accounts
        assert book is not None
        async with book.database.read() as connection:
            balance = (await connection.execute(select(wallets.c.balance_usd_micros))).scalar_one()
            entered = (await connection.execute(select(func.sum(ledger_entries.c.amount_usd_micros)))).scalar_one()
            mine = select(func.count()).select_from(usage_records).where(usage_records.c.outcome == "complete")
            calls = (await connection.execute(mine)).scalar_one()
        return int(balance), int(entered), int(calls)

    async def live(self, at: int) -> tuple[int, int] | None:
        """(balance, held) as calls at that service see it."""
        return await self.services[at].quota.balance_usd_micros(f"wallet:{self.user_id}")


def valkey_of(service: InProcess) -> Valkey:
    """Its client of the store."""
    client = service.half._store
    assert client is not None
    return client


@contextmanager
def impatient(made: Scene) -> Iterator[None]:
    """The database has DATABASE_S for a transaction in this block."""
    books = [book for each in made.services if (book := each.half.kit.accounts) is not None]
    before_s = [book.database.timeout_s for book in books]
    try:
        for book in books:
            book.database.timeout_s = DATABASE_S
        yield
    finally:
        for book, timeout_s in zip(books, before_s, strict=True):
            book.database.timeout_s = timeout_s


async def found(services: list[InProcess]) -> None:
    """Every service has its store."""
    await eventually(lambda: all(each.half.store_is_up for each in services), "the store answers")


@asynccontextmanager
async def scene(store: Stored, postgres: Postgres) -> AsyncIterator[Scene]:
    """Both services over both stores."""
    store.revive()
    store.command("FLUSHALL")
    await postgres.revive()
    environ = {"GATEWAY_STORE__URL": store.url, "GATEWAY_DATABASE__URL": postgres.new_url()}
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(single(LAYER, environ=environ)) for _ in range(2)]
        stack.push_async_callback(postgres.revive)
        stack.callback(store.revive)
        await found(services)
        book = services[0].half.kit.accounts
        assert book is not None
        user = await book.users.create(NewUser("ana@example.org", "correct horse battery"), SYSTEM)
        await book.wallets.change(user["id"], Change("top_up", START, "first"), SYSTEM)
        keys = [(await book.keys.create(user["id"], "gw-", {"name": f"k{n}"}, SYSTEM))[1] for n in range(60)]
        made = Scene(services, user["id"], keys[0], keys[1:])
        body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
        for each in services:
            (await ask(f"{each.base_url}/chat/completions", body, made.known)).ok()
        made.outcomes["complete"] += 2
        yield made


async def under_load(made: Scene, harm: Callable[[], Awaitable[None]]) -> None:
    """Do harm while calls go on at both services, then let them end."""
    ways = [(0, "json"), (1, "sse"), (0, "stream"), (1, "unary")]
    async with asyncio.TaskGroup() as work:
        for at, way in ways:
            work.create_task(made.call(at, way))
        for at in range(2):
            work.create_task(made.stranger(at))
        await asyncio.sleep(0.5)
        await harm()
        await asyncio.sleep(0.5)
        made.is_over.set()


async def settled(made: Scene) -> None:
    """Every call is in the database, once, and everybody sees the balance that the ledger says."""

    async def is_whole() -> bool:
        return await made.books() == (START - COST * made.paid, START - COST * made.paid, made.paid)

    await eventually(is_whole, f"{made.paid} calls in the books", within_s=30, every_s=0.2)
    await eventually(lambda: not any(each.quota.open_count for each in made.services), "no reservation stays")
    assert not any(each.half.kit.in_flight for each in made.services)


async def recovered(made: Scene) -> None:
    """A key nobody used works at both services, without a restart."""
    for each in made.services:

        async def works(each: InProcess = each) -> bool:
            answer = await ask(f"{each.url}/v1/models", None, made.unused[0])
            assert answer.status in (200, 503)
            return answer.status == 200

        await eventually(works, "a new key works", every_s=0.1)


@pytest.mark.parametrize("out_s", [DATABASE_OUT_S, pytest.param(FULL, marks=pytest.mark.full)], ids=["short", "long"])
@pytest.mark.parametrize("harm", ["kill", "hang"])
async def test_without_the_database(store: Stored, postgres: Postgres, harm: str, out_s: dict[str, float]) -> None:
    """A key in cache goes on paying; keys nobody knows are 503, never 401; all usage arrives afterwards, once."""
    async with scene(store, postgres) as made:

        async def do() -> None:
            (postgres.kill if harm == "kill" else postgres.hang)()
            with impatient(made):
                await asyncio.sleep(DATABASE_S + 0.5)
                made.strangers.clear()
                await asyncio.sleep(out_s[harm])
                await eventually(lambda: made.strangers, "an answer to a stranger")
                seen = Counter(made.strangers)
                await postgres.revive()
            assert set(seen) == {503}, seen

        await under_load(made, do)
        assert set(made.outcomes) == {"complete"}, made.outcomes
        assert made.longest_s < BOUND_S
        assert not made.strangers[401]
        await recovered(made)
        await settled(made)
        assert await made.live(0) == await made.live(1) == (START - COST * made.paid, 0)


@pytest.mark.parametrize("out_s", [OUT_S, pytest.param(FULL, marks=pytest.mark.full)], ids=["short", "long"])
@pytest.mark.parametrize("harm", ["kill", "hang"])
async def test_without_the_store(store: Stored, postgres: Postgres, harm: str, out_s: dict[str, float]) -> None:
    """Each service goes on with its share; a store that hung has the right balance when it wakes, one that lost all
    reads it again.
    """
    async with scene(store, postgres) as made:

        async def do() -> None:
            if harm == "kill":
                await asyncio.to_thread(store.kill)
            else:
                store.hang()
            with hasty(*(valkey_of(each) for each in made.services)):
                await asyncio.sleep(out_s[harm])
                store.revive()
                await found(made.services)

        await under_load(made, do)
        assert set(made.outcomes) == {"complete"}, made.outcomes
        assert made.longest_s < BOUND_S
        assert not made.strangers[401]
        await settled(made)

        spent = START - COST * made.paid

        async def is_right() -> bool:
            live = await made.live(0)
            slack = 0 if harm == "hang" else COST * made.busiest  # a second of calls that the books had not yet
            return live is not None and live[1] == 0 and spent <= live[0] <= spent + slack

        await eventually(is_right, f"a balance near {spent}")


@pytest.mark.parametrize(("on_loss", "found"), [("local", {200: 2, 429: 4}), ("allow", {200: 6}), ("deny", {503: 6})])
async def test_the_setting_decides_for_limits(store: Stored, on_loss: str, found: dict[int, int]) -> None:
    """Without the store a key of four a minute has its share of two, all, or nothing; without limits it goes on."""
    store.revive()
    layer: dict[str, Any] = {
        "store": {"replicas": 2, "on_limits_loss": on_loss},
        "accounts": {"enabled": False},
        "keys": {"limited": key_record(LIMITED, limits={"requests_per_minute": 4})},
        "models": MODELS,
    }
    body = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
    async with single(layer, environ={"GATEWAY_STORE__URL": store.url}) as running:
        await eventually(lambda: running.half.store_is_up, "the store answers")
        await asyncio.to_thread(store.kill)
        url = f"{running.base_url}/chat/completions"
        answers = [await ask(url, body, LIMITED) for _ in range(6)]
        assert Counter(answer.status for answer in answers) == found, [answer.text for answer in answers]
        (await ask(url, body, running.key)).ok()
        assert running.quota.open_count == 0
