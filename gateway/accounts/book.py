"""Everything about accounts behind one object: made once per process, opened at first use.

Rules:
    - Making it imports nothing heavy. `start` opens the database only if there may be something in it; the first
      change opens it in any case.
    - A database that cannot be opened is tried again and said once; until then keys of the configuration work.
    - A reload changes settings and token keys at the next use; the place of the database needs a restart.
Not here:
    - The parts (beside this file); who may call them (service.accounts).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.accounts.api_keys import ApiKeys
from gateway.accounts.calls import Calls
from gateway.accounts.codes import Codes
from gateway.accounts.directory import Directory
from gateway.accounts.facts import Facts, key_facts, session_facts
from gateway.accounts.failures import Failures
from gateway.accounts.groups import Groups
from gateway.accounts.keys import Digester
from gateway.accounts.purses import Balances
from gateway.accounts.reports import FORGOTTEN_AT_ONCE, Reports
from gateway.accounts.sessions import Sessions
from gateway.accounts.shared import Shared
from gateway.accounts.tokens import Claims, Tokens
from gateway.accounts.users import Users
from gateway.accounts.wallets import Wallets
from gateway.config.schema import Config
from gateway.core.clock import Clock
from gateway.core.errors import GatewayError
from gateway.core.limits import DAY_S
from gateway.store.sql.database import Database

if TYPE_CHECKING:
    from gateway.store.valkey import Valkey

TEND_EVERY_S = 30.0
OPEN_EVERY_S = 2.0
FORGET_ROUNDS_MAX = 100
FORGET_PAUSE_S = 0.1


class Accounts:
    """See the module's rules. The members are the parts."""

    def __init__(
        self,
        database: Database,
        config: Callable[[], Config],
        pepper: bytes,
        clock: Clock,
        say: Callable[[str, str], None] = lambda _event, _cause: None,
        store: Valkey | None = None,
    ) -> None:
        self.database = database
        self._say = say
        self._config = config
        self._pepper = pepper
        self._clock = clock
        self._tokens: tuple[Config, Tokens] | None = None
        self._tending: asyncio.Task[None] | None = None
        self.directory = Directory(self, lambda: config().accounts, clock)
        digester = Digester(pepper)
        failures = Failures(digester.digest, store, config().store.prefix)
        shared = Shared(database, clock, digester, config, self.tokens, self.directory, failures)
        self._shared = shared
        self.wallets = Wallets(shared)
        self.users = Users(shared, self.wallets)
        self.sessions = Sessions(shared)
        self.keys = ApiKeys(shared)
        self.groups = Groups(shared)
        self.codes = Codes(shared, self.wallets)
        self.reports = Reports(shared)
        self.calls = Calls(shared)
        self.purses = Balances(database)

    def start(self) -> None:
        """Open and migrate the database in the background, if there is one, and tend it from now on."""
        self._tending = asyncio.create_task(self._tend())

    async def stop(self) -> None:
        """Write what is still to be written, and close."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._tend_once()
        await self.database.close()

    def tell(
        self,
        moved: Callable[[str, int, int], Awaitable[None]],
        live: Callable[[str], Awaitable[tuple[int, int] | None]],
    ) -> None:
        """Who counts purses learns of every top-up (purse, micro-USD, entry of the ledger), and says what is in one:
        (balance, held), or None when it does not know.
        """
        self._shared.moved = moved
        self._shared.live = live

    def tokens(self) -> Tokens:
        """The token keys in force."""
        config = self._config()
        if self._tokens is None or self._tokens[0] is not config:
            self._tokens = (config, Tokens(config.accounts, self._pepper))
        return self._tokens[1]

    @property
    def has_data(self) -> bool:
        """Whether there may be any account."""
        return self.database.is_open or self.database.has_data

    @property
    def is_open(self) -> bool:
        """Whether the database has been opened."""
        return self.database.is_open

    async def read(self, subject: str) -> Facts | None:
        """What the database knows of `key:ID` or `session:ID`."""
        kind, _, name = subject.partition(":")
        question, config = key_facts if kind == "key" else session_facts, self._config()
        return await self.database.run(lambda prepared: question(prepared, name, config))

    def check_token(self, token: str) -> Claims:
        """What an access token says. Raises GatewayError INVALID_KEY."""
        return self.tokens().check(token, self._clock.wall_s())

    async def _tend(self) -> None:
        await self._open()
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            await self._tend_once()
            await self._forget()

    async def _open(self) -> None:
        has_failed = False
        while self.database.has_data and not self.database.is_open:
            try:
                await self.database.open()
                self._say("account database open", "")
            except GatewayError as error:
                if not has_failed:
                    self._say("account database cannot be opened", error.cause)
                has_failed = True
                await asyncio.sleep(OPEN_EVERY_S)

    async def _forget(self) -> None:
        """Delete usage that is older than it is kept; what is left over goes the next time."""
        days = self._config().accounts.usage_retention_days
        if days is None or not self.database.is_open:
            return
        until_ms = int((self._clock.wall_s() - days * DAY_S) * 1000)
        with suppress(GatewayError):
            for _ in range(FORGET_ROUNDS_MAX):
                if await self.reports.forget(until_ms) < FORGOTTEN_AT_ONCE:
                    break
                await asyncio.sleep(FORGET_PAUSE_S)

    async def _tend_once(self) -> None:
        """When keys were used. What fails is done the next time."""
        used = self.directory.take_used()
        if not self.database.is_open:
            return
        try:
            await self.keys.note_used(used)
        except GatewayError:
            self.directory.used_at_ms = {**used, **self.directory.used_at_ms}
