"""Money: wallets and their ledger.

Rules:
    - Integer micro-USD. A wallet's balance is the sum of its ledger entries, which are only appended to.
    - Each change is one transaction and happens once: entries carry an idempotency key.
    - What is shown is what calls see: less what the journal has not brought in yet, and with what open calls hold.
Not here:
    - What calls hold and take (quota.purses, journal.flush); codes that fill wallets (codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.accounts import texts
from gateway.accounts.purses import wallet_of
from gateway.accounts.shared import Actor, Page, Shared, page_of, page_size, read_token
from gateway.core.errors import GatewayError, Kind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a user has, in micro-USD. `held` is promised to calls that run."""

    user_id: str
    balance_usd_micros: int
    held_usd_micros: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a balance. `idempotency_key` names it among those of its user."""

    kind: str  # top_up, redeem, adjust
    amount_usd_micros: int
    idempotency_key: str
    note: str = ""


class Wallets:
    """See the module's rules."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def make(self, connection: AsyncConnection, user_id: str, amount_usd_micros: int, who: Actor) -> None:
        """The wallet of a new user, within the transaction that makes the user."""
        from sqlalchemy import insert

        from gateway.store.sql.tables import wallets

        await connection.execute(insert(wallets).values(user_id=user_id, balance_usd_micros=0))
        if amount_usd_micros:
            await self.enter(connection, user_id, Change("top_up", amount_usd_micros, "welcome"), who)

    async def get(self, user_id: str) -> Wallet:
        """A user's wallet. Raises GatewayError NOT_FOUND."""
        from sqlalchemy import select

        from gateway.store.sql.tables import wallets

        async with self._shared.database.read() as connection:
            row = (await connection.execute(select(wallets).where(wallets.c.user_id == user_id))).first()
        if row is None:
            raise no_wallet()
        live = await self._shared.live(wallet_of(user_id))
        return Wallet(user_id, *(live or (row.balance_usd_micros, 0)))

    async def change(self, user_id: str, change: Change, who: Actor) -> Wallet:
        """Enter a change, once: the same again gives the wallet as it is; another under the same key is CONFLICT.

        An adjustment may take away no more than is free as it is asked for. Raises GatewayError NOT_FOUND,
        INVALID_REQUEST, CONFLICT.
        """
        from sqlalchemy.exc import IntegrityError

        texts.idempotency_key(change.idempotency_key)
        note = texts.name(change.note, "note", is_required=False)
        change = Change(change.kind, change.amount_usd_micros, change.idempotency_key, note)
        await self._check_free(user_id, change)
        try:
            async with self._shared.database.write() as connection:
                entry = await self.enter(connection, user_id, change, who)
                details = {"amount_usd_micros": change.amount_usd_micros, "note": note}
                await self._shared.note(connection, who, f"wallet.{change.kind}", f"user:{user_id}", details)
        except IntegrityError:
            await self._check_same(user_id, change)
        else:
            await self._shared.moved(wallet_of(user_id), change.amount_usd_micros, entry)
        return await self.get(user_id)

    async def enter(
        self, connection: AsyncConnection, user_id: str, change: Change, who: Actor, key_id: str | None = None
    ) -> int:
        """Append to the ledger and move the balance, in the caller's transaction; the entry's number.

        Entries of one wallet have rising numbers: its row is locked first.
        """
        from sqlalchemy import insert, update

        from gateway.store.sql.tables import ledger_entries, wallets

        amount = change.amount_usd_micros
        balance = wallets.c.balance_usd_micros
        moved = update(wallets).where(wallets.c.user_id == user_id).values(balance_usd_micros=balance + amount)
        if amount < 0 and change.kind != "usage":
            moved = moved.where(balance + amount >= 0)
        after = (await connection.execute(moved.returning(balance))).scalar()
        if after is None:
            raise await _why_not_moved(connection, user_id)
        row = {
            "user_id": user_id, "kind": change.kind, "amount_usd_micros": amount, "balance_usd_micros": after,
            "idempotency_key": change.idempotency_key, "key_id": key_id, "note": change.note, "actor": who.name[:128],
            "created_at_ms": self._shared.now_ms(),
        }  # fmt: skip
        made = await connection.execute(insert(ledger_entries).values(**row).returning(ledger_entries.c.id))
        return int(made.scalar_one())

    async def _check_free(self, user_id: str, change: Change) -> None:
        """Refuse to take away what open calls hold, or have taken."""
        live = await self._shared.live(wallet_of(user_id)) if change.amount_usd_micros < 0 else None
        if live is not None and live[0] - live[1] + change.amount_usd_micros < 0:
            raise _not_free()

    async def _check_same(self, user_id: str, change: Change) -> None:
        from sqlalchemy import select

        from gateway.store.sql.tables import ledger_entries as table

        named = (table.c.user_id == user_id) & (table.c.idempotency_key == change.idempotency_key)
        async with self._shared.database.read() as connection:
            row = (await connection.execute(select(table).where(named))).first()
        if row is None or (row.kind, row.amount_usd_micros) != (change.kind, change.amount_usd_micros):
            text = "This idempotency key was used for another change of this wallet."
            raise GatewayError(Kind.CONFLICT, text, param="idempotency_key")

    async def ledger(self, user_id: str, size: int, token: str) -> Page[Record]:
        """A wallet's entries, newest first."""
        from sqlalchemy import select

        from gateway.store.sql.tables import ledger_entries as table

        size, after = page_size(size), read_token(token)
        question = select(table).where(table.c.user_id == user_id).order_by(table.c.id.desc()).limit(size + 1)
        if after:
            question = question.where(table.c.id < texts.number(after))
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: str(row["id"]))


async def _why_not_moved(connection: AsyncConnection, user_id: str) -> GatewayError:
    from sqlalchemy import select

    from gateway.store.sql.tables import wallets

    known = (await connection.execute(select(wallets.c.user_id).where(wallets.c.user_id == user_id))).first()
    return _not_free() if known else no_wallet()


def _not_free() -> GatewayError:
    return texts.wrong("amount_usd_micros", "is more than is free in this wallet")


def no_wallet() -> GatewayError:
    """There is no such user."""
    return GatewayError(Kind.NOT_FOUND, "There is no such user.", code="user_not_found")
