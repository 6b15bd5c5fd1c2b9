"""What calls may be paid from: the wallet of a user and the budget of a key, as quotas name them.

Rules:
    - A purse is `wallet:USER` or `budget:KEY:MAX`; its balance is the database's, read when nobody knows it yet.
    - Before what dead processes left was brought in, nobody can tell: UNAVAILABLE, never a balance too high.
    - Sessions and keys of users have a wallet when calls are charged (`accounts.is_charged`), keys a budget when one
      was set.
Not here:
    - Holding and taking (quota.purses, quota.shared); charging the database (journal.flush).
"""

from __future__ import annotations

import asyncio

from gateway.accounts.journal.keeper import Keeper
from gateway.config.schema.accounts import Accounts as Settings
from gateway.core.limits import Debit
from gateway.store.sql.database import Database, unavailable

WALLET, BUDGET = "wallet", "budget"


def wallet_of(user_id: str) -> str:
    """The name of a user's purse."""
    return f"{WALLET}:{user_id}"


def budget_of(key_id: str, max_usd_micros: int) -> str:
    """The name of a key's purse; another budget is another purse, so that a change is seen by everybody at once."""
    return f"{BUDGET}:{key_id}:{max_usd_micros}"


def debits_of(settings: Settings, user_id: str, key_id: str = "", budget: int | None = None) -> tuple[Debit, ...]:
    """What a caller's calls are paid from. `budget` is the key's, in micro-USD."""
    wallet = (Debit(wallet_of(user_id), WALLET, settings.trust_factor),) if settings.is_charged else ()
    return wallet if budget is None else (*wallet, Debit(budget_of(key_id, budget), BUDGET))


class Balances:
    """Balances as the database has them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.keeper: Keeper | None = None  # set by who makes it; None = nothing can be left of dead processes

    async def balance(self, purse: str) -> tuple[int, int]:
        """What a purse holds, in micro-USD, and the last entry of its ledger that is in it; nothing for one that does
        not exist (any more). Raises GatewayError UNAVAILABLE.
        """
        if self.keeper is not None:
            try:
                async with asyncio.timeout(self._database.timeout_s):
                    await self.keeper.is_adopted.wait()
                    await self.keeper.bring()  # a balance that was forgotten has in it what was settled here
            except TimeoutError as late:
                raise unavailable(late) from late
        kind, _, name = purse.partition(":")
        if kind == WALLET:
            return await self._wallet(name)
        key_id, _, max_usd_micros = name.partition(":")
        return int(max_usd_micros) - await self._spent(key_id), 0

    async def _wallet(self, user_id: str) -> tuple[int, int]:
        rows = await self._database.run(lambda prepared: prepared.rows("wallet", user_id=user_id))
        return (int(rows[0].balance_usd_micros), int(rows[0].last_entry or 0)) if rows else (0, 0)

    async def _spent(self, key_id: str) -> int:
        rows = await self._database.run(lambda prepared: prepared.rows("spent", key_id=key_id))
        return int(rows[0].spent_usd_micros) if rows else 0
