"""Codes: those that fill a wallet, once, and invitations, which let somebody register, once.

Rules:
    - A code is shown when it is made and kept as its digest.
    - Redeeming takes the code and fills the wallet in one transaction; of two at once, one gets it.
Not here:
    - Using an invitation (users).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.accounts import texts
from gateway.accounts.addresses import host_of
from gateway.accounts.purses import wallet_of
from gateway.accounts.secrets_made import CODE_PREFIX, INVITATION_PREFIX, new_id, new_token
from gateway.accounts.shared import Actor, Page, Shared, page_of, page_size, read_token
from gateway.accounts.wallets import Change, Wallet, Wallets
from gateway.core.errors import GatewayError, Kind

Record = Mapping[str, Any]
AT_ONCE_MAX = 1000


class Codes:
    """See the module's rules."""

    def __init__(self, shared: Shared, wallets: Wallets) -> None:
        self._shared = shared
        self._wallets = wallets

    async def create(
        self, count: int, name: str, amount_usd_micros: int, expires_at_ms: int | None, who: Actor
    ) -> Sequence[tuple[str, str]]:
        """New redemption codes: (id, code) of each."""
        from gateway.store.sql.tables import redemption_codes

        texts.usd_micros(amount_usd_micros, "amount_usd_micros")
        row = {
            "name": texts.name(name, is_required=False), "amount_usd_micros": amount_usd_micros, "is_blocked": False,
            "expires_at_ms": self._future(expires_at_ms),
        }  # fmt: skip
        details = {"name": row["name"], "count": count, "amount_usd_micros": amount_usd_micros}
        return await self._make(redemption_codes, CODE_PREFIX, count, row, ("code.create", details), who)

    async def invite(
        self, count: int, group_id: str, expires_at_ms: int | None, who: Actor
    ) -> Sequence[tuple[str, str]]:
        """New invitations: (id, invitation) of each."""
        from sqlalchemy.exc import IntegrityError

        from gateway.store.sql.tables import invitations

        row = {"group_id": texts.slug(group_id, "group_id"), "expires_at_ms": self._future(expires_at_ms)}
        details = {"group": group_id, "count": count}
        try:
            return await self._make(invitations, INVITATION_PREFIX, count, row, ("invitation.create", details), who)
        except IntegrityError:
            raise texts.wrong("group_id", "names no group") from None

    async def _make(
        self, table: Any, prefix: str, count: int, row: Record, entry: tuple[str, Record], who: Actor
    ) -> Sequence[tuple[str, str]]:
        from sqlalchemy import insert

        if not 1 <= count <= AT_ONCE_MAX:
            raise texts.wrong("count", f"must be between 1 and {AT_ONCE_MAX}")
        shared, made = self._shared, [(new_id(), new_token(prefix)) for _ in range(count)]
        digest, now_ms = shared.digester.digest, shared.now_ms()
        rows = [{**row, "id": one, "digest": digest(code), "created_at_ms": now_ms} for one, code in made]
        async with shared.database.write() as connection:
            await connection.execute(insert(table), rows)
            await shared.note(connection, who, entry[0], f"{table.name}:{made[0][0]}", entry[1])
        return made

    def _future(self, expires_at_ms: int | None) -> int | None:
        if expires_at_ms is not None and not self._shared.now_ms() < expires_at_ms < texts.TIME_MAX_MS:
            raise texts.wrong("expires_at", "must be in the future")
        return expires_at_ms

    async def redeem(self, user_id: str, code: str, who: Actor) -> Wallet:
        """Fill a wallet. Raises GatewayError INVALID_REQUEST (code `code_invalid`), RATE_LIMITED."""
        from sqlalchemy import or_, update

        from gateway.store.sql.tables import redemption_codes as table

        shared, now_ms = self._shared, self._shared.now_ms()
        per_minute, subject = shared.config().accounts.logins_per_minute, f"code {host_of(who.peer)}"
        wait_s = await shared.failures.take(subject, per_minute, shared.clock.monotonic())
        if wait_s:
            text = "Too many attempts; wait a little."
            raise GatewayError(Kind.RATE_LIMITED, text, retry_after_s=wait_s, limit="requests")
        is_good = (table.c.digest == shared.digester.digest(code.strip()[:256])) & ~table.c.is_blocked
        in_time = or_(table.c.expires_at_ms.is_(None), table.c.expires_at_ms > now_ms)
        taken = update(table).where(is_good, in_time, table.c.redeemed_at_ms.is_(None))
        taken = taken.values(redeemed_by=user_id, redeemed_at_ms=now_ms)
        async with shared.database.write() as connection:
            row = (await connection.execute(taken.returning(table.c.id, table.c.amount_usd_micros))).first()
            if row is None:
                raise texts.wrong("code", "is unknown, used or expired", "code_invalid")
            entry = await self._wallets.enter(connection, user_id, Change("redeem", row[1], f"code:{row[0]}"), who)
            await shared.note(connection, who, "code.redeem", f"user:{user_id}", {"code": row[0], "amount": row[1]})
        await shared.moved(wallet_of(user_id), row[1], entry)
        await shared.failures.give_back(subject, per_minute)
        return await self._wallets.get(user_id)

    async def list(self, size: int, token: str) -> Page[Record]:
        """Redemption codes by id, without the codes themselves."""
        from sqlalchemy import select

        from gateway.store.sql.tables import redemption_codes as table

        size, after = page_size(size), read_token(token)
        question = select(table).where(table.c.id > after).order_by(table.c.id).limit(size + 1)
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: str(row["id"]))

    async def block(self, code_id: str, who: Actor) -> None:
        """A code nobody has redeemed yet is worth nothing from now on. Raises GatewayError NOT_FOUND."""
        from sqlalchemy import update

        from gateway.store.sql.tables import redemption_codes as table

        async with self._shared.database.write() as connection:
            done = await connection.execute(update(table).where(table.c.id == code_id).values(is_blocked=True))
            if not done.rowcount:
                raise GatewayError(Kind.NOT_FOUND, "There is no such code.", code="code_not_found")
            await self._shared.note(connection, who, "code.block", f"redemption_codes:{code_id}")
