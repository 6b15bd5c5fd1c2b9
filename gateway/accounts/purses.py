"""What calls may be paid from: the wallet of a user and the budget of a key, as quotas name them.

Rules:
    - A purse is `wallet:USER` or `budget:KEY`; its balance is the database's, read when nobody knows it yet.
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


def budget_of(key_id: str) -> str:
    """The name of a key's purse."""
    return f"{BUDGET}:{key_id}"


def debits_of(settings: Settings, user_id: str, key_id: str, *, has_budget: bool) -> tuple[Debit, ...]:
    """What a caller's calls are paid from."""
    wallet = Debit(wallet_of(user_id), WALLET, settings.trust_factor)
    budget = Debit(budget_of(key_id), BUDGET)
    return ((wallet,) if settings.is_charged else ()) + ((budget,) if has_budget else ())


class Balances:
    """Balances as the database has them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.keeper: Keeper | None = None  # set by who makes it; None = nothing can be left of dead processes

    async def balance_usd_micros(self, purse: str) -> int:
        """What a purse holds; nothing for one that does not exist (any more). Raises GatewayError UNAVAILABLE."""
        if self.keeper is not None:
            try:
                async with asyncio.timeout(self._database.timeout_s):
                    await self.keeper.is_adopted.wait()
            except TimeoutError as late:
                raise unavailable(late) from late
        kind, _, name = purse.partition(":")
        if kind == WALLET:
            return await self._wallet(name)
        if kind == BUDGET:
            return await self._budget(name)
        raise ValueError(f"{kind} is no kind of purse")

    async def _wallet(self, user_id: str) -> int:
        from sqlalchemy import select

        from gateway.store.sql.tables import wallets

        async with self._database.read() as connection:
            question = select(wallets.c.balance_usd_micros).where(wallets.c.user_id == user_id)
            return int((await connection.execute(question)).scalar() or 0)

    async def _budget(self, key_id: str) -> int:
        from sqlalchemy import select

        from gateway.store.sql.tables import api_keys

        async with self._database.read() as connection:
            question = select(api_keys.c.max_budget_usd_micros, api_keys.c.spent_usd_micros)
            row = (await connection.execute(question.where(api_keys.c.id == key_id))).first()
        return (
            0 if row is None or row.max_budget_usd_micros is None else row.max_budget_usd_micros - row.spent_usd_micros
        )
