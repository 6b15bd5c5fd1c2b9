"""Any interleaving of calls, ends, crashes and top-ups: the books add up.

Rules: real files and databases; a crash loses what a killed process loses: everything in memory, no line that was
    written.
Not here: the same over the whole gateway (tests/e2e/test_money, tests/chaos/test_kill_books).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.accounts.book import Accounts
from gateway.accounts.journal.flush import adopt, flush
from gateway.accounts.journal.record import Running, Used
from gateway.accounts.journal.segments import Journal
from gateway.accounts.journal.slots import Meter
from gateway.accounts.purses import wallet_of
from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from gateway.accounts.wallets import Change
from gateway.config.schema import Config
from gateway.core.clock import ManualClock
from gateway.core.errors import GatewayError
from gateway.core.limits import Amounts, Debit
from gateway.quota.memory import MemoryQuota
from gateway.quota.reservation import Reservation, UnknownPurse
from gateway.store.sql.database import Database
from gateway.store.sql.tables import ledger_entries, usage_records, wallets
from tests.support.databases import KINDS, migrated
from tests.support.waiting import PATIENCE_S

START = 1000
OUTPUT_USD_MICROS = 4  # a token
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["call", "stream", "settle", "cancel", "deliver", "top_up", "again", "flush", "crash", "restart"]
        ),
        st.integers(0, 400),
        st.integers(0, 50),
    ),
    max_size=40,
)


@dataclass
class Open:
    """A call that runs: what it holds, and where its stream's count is."""

    id: str
    reservation: Reservation
    meter: Meter | None = None
    chars: int = 0


@dataclass
class Machine:
    """A service over a database, and beside it what must be true."""

    root: Path
    book: Accounts
    user_id: str
    quota: MemoryQuota = field(default_factory=lambda: MemoryQuota(ManualClock()))
    open: list[Open] = field(default_factory=list)
    lives: int = 0
    came: int = START
    cost: int = 0  # of all calls that ended or were lost
    calls: int = 0
    overrun: int = 0
    entries: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.journal = Journal(self.root / "journal", f"{self.user_id}-0")
        self.debit = Debit(wallet_of(self.user_id))
        self.book.tell(self._moved, self._live)

    async def _moved(self, purse: str, usd_micros: int, entry: int) -> None:
        await self.quota.add(purse, usd_micros, entry)

    async def _live(self, purse: str) -> tuple[int, int] | None:
        return await self.quota.balance_usd_micros(purse)

    async def reserve(self, amount: int, *, is_stream: bool) -> None:
        """A call begins, if its bound is covered."""
        asked = Amounts(0, 0, amount)
        try:
            reservation = await self._reserved(asked)
        except GatewayError:
            balance = await self.quota.balance_usd_micros(self.debit.purse)
            assert balance is not None
            assert balance[0] - balance[1] < amount  # never refused with money
            return
        opened = Open(self.journal.new_id(), reservation)
        if is_stream:
            running = Running(opened.id, 1, self.user_id, "k", "m", "p", 0, 0, str(OUTPUT_USD_MICROS), is_charged=True)
            opened.meter = self.journal.began(running)
        self.open.append(opened)

    async def _reserved(self, asked: Amounts) -> Reservation:
        try:
            return await self.quota.reserve([], asked, [self.debit])
        except UnknownPurse:
            await self.quota.put(self.debit.purse, *await self.book.purses.balance(self.debit.purse))
            return await self.quota.reserve([], asked, [self.debit])

    async def end(self, at: int, cost: int) -> None:
        """A call ends and is settled; a second settlement of it does nothing."""
        if not self.open:
            return
        ended = self.open.pop(at % len(self.open))
        used = Amounts(0, 0, cost)
        await self.quota.settle(ended.reservation, used)
        await self.quota.settle(ended.reservation, used)
        self.journal.ended(self.used(ended.id, cost), ended.meter)
        self.journal.write()
        self._count(ended, cost)

    def used(self, id: str, cost: int) -> Used:
        """The record of a call."""
        return Used(id, 1, self.user_id, "k", "m", "p", "complete", 1, 1, cost_usd_micros=cost, is_charged=True)

    def _count(self, ended: Open, cost: int) -> None:
        self.calls += 1
        self.cost += cost
        self.overrun += max(0, cost - ended.reservation.reserved.usd_micros)

    def deliver(self, at: int, chars: int) -> None:
        """A stream gives more text."""
        streams = [each for each in self.open if each.meter is not None]
        if streams:
            each = streams[at % len(streams)]
            each.chars += chars
            if each.meter is not None:
                each.meter(each.chars)

    async def top_up(self, amount: int, name: str) -> None:
        """Money comes in; under a name that was used it is refused or changes nothing."""
        try:
            await self.book.wallets.change(self.user_id, Change("top_up", amount, name), SYSTEM)
        except GatewayError:
            return
        if not self.entries[name]:
            self.came += amount
        self.entries[name] += 1

    async def crash(self) -> None:
        """The process is killed, another one takes over what it left."""
        for each in self.open:
            if each.meter is not None:
                self._count(each, -(-each.chars // 4) * OUTPUT_USD_MICROS)
        self.open = []
        os.close(self.journal._lock)  # as the end of a process does; nothing else is closed or written
        self.lives += 1
        self.journal = Journal(self.root / "journal", f"{self.user_id}-{self.lives}")
        self.quota = MemoryQuota(ManualClock())
        await adopt(self.root / "journal", self.book.database)

    async def check(self) -> None:
        """Everything in the database: the wallet is its ledger, and what came less what calls cost."""
        await flush(self.journal, self.book.database)
        async with self.book.database.read() as connection:
            mine = wallets.c.user_id == self.user_id
            balance = (await connection.execute(select(wallets.c.balance_usd_micros).where(mine))).scalar_one()
            summed = select(func.sum(ledger_entries.c.amount_usd_micros)).where(
                ledger_entries.c.user_id == self.user_id
            )
            entered = (await connection.execute(summed)).scalar_one()
            counted = select(func.count()).where(usage_records.c.user_id == self.user_id)
            calls = (await connection.execute(counted)).scalar_one()
        assert (balance, entered, calls) == (self.came - self.cost, self.came - self.cost, self.calls)
        assert balance >= -self.overrun
        known = await self.quota.balance_usd_micros(self.debit.purse)
        held = sum(each.reservation.reserved.usd_micros for each in self.open)
        assert known in (None, (balance, held))


@pytest.fixture(scope="module", params=KINDS)
async def book(request: pytest.FixtureRequest) -> Any:
    """Accounts over one database; each example has a user of its own."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(await migrated(request.param, Path(folder)), timeout_s=PATIENCE_S)
        config = Config.model_validate({"accounts": {"is_charged": True}})
        made = Accounts(database, lambda: config, b"pepper", ManualClock())
        yield made
        await made.stop()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
async def test_the_books_add_up(book: Accounts, history: list[tuple[str, int, int]]) -> None:
    """Balances never below the written bound, the ledger sums to the wallet, nothing settles twice, nothing is lost."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"u{os.urandom(6).hex()}@example.org"
        user = await book.users.create(NewUser(email=name, password="correct horse battery"), SYSTEM)
        await book.wallets.change(user["id"], Change("top_up", START, "start"), SYSTEM)
        machine = Machine(Path(folder), book, user["id"])
        for verb, first, second in history:
            match verb:
                case "call" | "stream":
                    await machine.reserve(first, is_stream=verb == "stream")
                case "settle":
                    await machine.end(second, first)
                case "cancel":
                    await machine.end(second, 0)
                case "deliver":
                    machine.deliver(second, first)
                case "top_up":
                    await machine.top_up(first + 1, f"name-{second}")
                case "again":
                    await machine.top_up(first % 3 + 1, "the same name")
                case "flush":
                    await machine.check()
                case _:
                    await machine.crash()
        await machine.check()
        machine.journal.close()
