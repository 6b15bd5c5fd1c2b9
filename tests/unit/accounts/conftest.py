"""Accounts over a real database, SQLite and PostgreSQL in turn, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.book import Accounts
from gateway.accounts.keys import Digester, Identity
from gateway.accounts.shared import Actor
from gateway.accounts.users import NewUser
from gateway.config.schema import Config
from gateway.core.clock import ManualClock
from gateway.store.sql.database import Database
from tests.support.databases import KINDS, migrated
from tests.support.waiting import PATIENCE_S

PEPPER = b"a pepper of the tests"
WHO = Actor("key:tester", "192.0.2.7:4711", "req_test")
PASSWORD = "correct horse battery"


@dataclass
class Desk:
    """Accounts and their clock; `settings` are the section `accounts` and may be changed.

    A key is waited for as long as may be, unless a test says otherwise: machines that test stand still at times.
    """

    database: Database
    clock: ManualClock = field(default_factory=ManualClock)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = self.beside()
        self._numbers = 0

    def beside(self) -> Accounts:
        """Another process's accounts over the same database."""
        return Accounts(Database(self.database.place, timeout_s=PATIENCE_S), self.config, PEPPER, self.clock)

    def config(self) -> Config:
        """The configuration in force."""
        return Config.model_validate({"accounts": {"key_lookup_timeout_s": 60.0, **self.settings}})

    async def user(self, **members: Any) -> Mapping[str, Any]:
        """A user with a password, by an administrator."""
        self._numbers += 1
        new = NewUser(**{"email": f"user{self._numbers}@example.org", "password": PASSWORD, **members})
        return await self.book.users.create(new, WHO)

    async def key(self, user_id: str, prefix: str = "gw-", **wanted: Any) -> tuple[Mapping[str, Any], str]:
        """A key of a user: its record, and the whole key."""
        return await self.book.keys.create(user_id, prefix, {"name": "k", **wanted}, WHO)

    async def identify(self, credential: str, peer: str = "192.0.2.7:4711", book: Accounts | None = None) -> Identity:
        """Whose it is, as a call asks."""
        digest = Digester(PEPPER).digest(credential)
        return await (book or self.book).directory.identify(credential, digest, peer)

    async def audit(self) -> list[tuple[str, str, str]]:
        """(actor, action, subject), oldest first."""
        page = await self.book.reports.audit("", 500, "")
        return [(row["actor"], row["action"], row["subject"]) for row in reversed(page.items)]


@pytest.fixture(params=KINDS)
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """Accounts over an empty database of each kind."""
    made = Desk(Database(await migrated(request.param, tmp_path), timeout_s=PATIENCE_S))
    yield made
    await made.book.stop()
