"""What a call holds of a wallet while it runs: reserve, then settle or refund, once, also after a crash.

Rules:
    - A hold is named by its call; each of its ends is one transaction that only the first finds open.
    - A hold that nobody ended expires: its money is free again. What is settled later is charged all the same, once.
    - A key's budget counts what it spent and what its calls hold.
Not here:
    - Wallets and ledger (wallets); when a call reserves and settles (pipeline).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.accounts.shared import SYSTEM, Shared
from gateway.accounts.wallets import EXPIRED, OPEN, REFUNDED, SETTLED, Change, Wallets, no_wallet
from gateway.core.errors import GatewayError, Kind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

HOLD_S = 3600.0
EXPIRE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """An upper bound held for one call, in micro-USD. `key_id` is None for a call without a key of the database."""

    call_id: str
    user_id: str
    key_id: str | None
    amount_usd_micros: int


class Holds:
    """See the module's rules."""

    def __init__(self, shared: Shared, wallets: Wallets) -> None:
        self._shared = shared
        self._wallets = wallets

    async def reserve(self, held: Held, hold_s: float = HOLD_S) -> None:
        """Hold an amount, all or nothing. The same call again: nothing.

        Raises GatewayError INSUFFICIENT_BALANCE (code `insufficient_user_quota` or `key_budget_exceeded`),
        NOT_FOUND, UNAVAILABLE.
        """
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        from gateway.store.sql.tables import holds

        now_ms = self._shared.now_ms()
        row = {
            "id": held.call_id, "user_id": held.user_id, "key_id": held.key_id, "state": OPEN,
            "amount_usd_micros": held.amount_usd_micros, "created_at_ms": now_ms,
            "expires_at_ms": now_ms + int(hold_s * 1000),
        }  # fmt: skip
        try:
            async with self._shared.database.write() as connection:
                await _hold_wallet(connection, held)
                await _hold_budget(connection, held)
                await connection.execute(insert(holds).values(**row))
        except IntegrityError:
            return  # reserved before: this transaction is rolled back, that one stands

    async def settle(self, call_id: str, cost_usd_micros: int) -> bool:
        """Replace a hold by what the call cost; whether this did it. Raises GatewayError UNAVAILABLE."""
        from sqlalchemy import update

        from gateway.store.sql.tables import api_keys

        async with self._shared.database.write() as connection:
            held, was_open = await _end(connection, call_id, SETTLED)
            if held is None:
                return False
            await _let_go(connection, held, is_needed=was_open)
            if cost_usd_micros:
                change = Change("usage", -cost_usd_micros, f"call:{call_id}")
                await self._wallets.enter(connection, held.user_id, change, SYSTEM, held.key_id)
            if held.key_id is not None and cost_usd_micros:
                spent = api_keys.c.spent_usd_micros + cost_usd_micros
                key = update(api_keys).where(api_keys.c.id == held.key_id).values(spent_usd_micros=spent)
                await connection.execute(key)
        return True

    async def refund(self, call_id: str) -> bool:
        """Give a hold back whole; whether this did it."""
        return await self._release(call_id, REFUNDED)

    async def expire(self) -> int:
        """Let go of holds whose time is over, some at a time; how many."""
        from sqlalchemy import select

        from gateway.store.sql.tables import holds

        over = (holds.c.state == OPEN) & (holds.c.expires_at_ms <= self._shared.now_ms())
        async with self._shared.database.read() as connection:
            ids = (await connection.execute(select(holds.c.id).where(over).limit(EXPIRE_AT_ONCE))).scalars().all()
        return sum([await self._release(call_id, EXPIRED) for call_id in ids])

    async def _release(self, call_id: str, state: str) -> bool:
        async with self._shared.database.write() as connection:
            held, was_open = await _end(connection, call_id, state)
            if held is not None:
                await _let_go(connection, held, is_needed=was_open)
        return held is not None


async def _hold_wallet(connection: AsyncConnection, held: Held) -> None:
    from sqlalchemy import select, update

    from gateway.store.sql.tables import wallets

    free = wallets.c.balance_usd_micros - wallets.c.held_usd_micros
    mine = wallets.c.user_id == held.user_id
    more = wallets.c.held_usd_micros + held.amount_usd_micros
    done = await connection.execute(
        update(wallets).where(mine, free >= held.amount_usd_micros).values(held_usd_micros=more)
    )
    if done.rowcount:
        return
    if (await connection.execute(select(wallets.c.user_id).where(mine))).first() is None:
        raise no_wallet()
    raise GatewayError(Kind.INSUFFICIENT_BALANCE, "The balance does not cover this call.")


async def _hold_budget(connection: AsyncConnection, held: Held) -> None:
    from sqlalchemy import or_, update

    from gateway.store.sql.tables import api_keys

    if held.key_id is None:
        return
    after = api_keys.c.held_usd_micros + held.amount_usd_micros
    budget = api_keys.c.max_budget_usd_micros
    is_within = or_(budget.is_(None), api_keys.c.spent_usd_micros + after <= budget)
    done = await connection.execute(
        update(api_keys).where(api_keys.c.id == held.key_id, is_within).values(held_usd_micros=after)
    )
    if not done.rowcount:
        text = "The budget of this key does not cover this call."
        raise GatewayError(Kind.INSUFFICIENT_BALANCE, text, code="key_budget_exceeded")


async def _end(connection: AsyncConnection, call_id: str, state: str) -> tuple[Held | None, bool]:
    """Move a hold to an end, if it has none: the hold, and whether its money was still held."""
    from sqlalchemy import update

    from gateway.store.sql.tables import holds

    for from_state in (OPEN, EXPIRED) if state == SETTLED else (OPEN,):
        ended = update(holds).where(holds.c.id == call_id, holds.c.state == from_state).values(state=state)
        found = (await connection.execute(ended.returning(holds))).first()
        if found is not None:
            return Held(found.id, found.user_id, found.key_id, found.amount_usd_micros), from_state == OPEN
    return None, False


async def _let_go(connection: AsyncConnection, held: Held, *, is_needed: bool) -> None:
    from sqlalchemy import update

    from gateway.store.sql.tables import api_keys, wallets

    if not is_needed:
        return
    owners: list[tuple[Any, Any]] = [(wallets, wallets.c.user_id == held.user_id)]
    if held.key_id is not None:
        owners.append((api_keys, api_keys.c.id == held.key_id))
    for table, mine in owners:
        less = table.c.held_usd_micros - held.amount_usd_micros
        await connection.execute(update(table).where(mine).values(held_usd_micros=less))
