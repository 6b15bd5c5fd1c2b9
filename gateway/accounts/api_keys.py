"""Keys that users make: created, shown once, changed, rotated, revoked.

Rules:
    - A key's secret is returned by `create` and `rotate` and kept nowhere.
    - A rotated key has two live secrets for `accounts.rotation_overlap_s`, never three.
    - A revoked key stays as a record and never works again.
    - A user reaches only keys of their own: another's is NOT_FOUND, as if there were none.
Not here:
    - Checking a presented key (directory, facts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.accounts import texts
from gateway.accounts.secrets_made import new_id, new_key
from gateway.accounts.shared import Actor, Page, Shared, page_of, page_size, read_token
from gateway.accounts.users import no_user
from gateway.core.errors import GatewayError, Kind
from gateway.store.sql.file import Work

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Record = Mapping[str, Any]
SHOWN_CHARS = 6  # of a key's random part, in lists


class ApiKeys:
    """See the module's rules. `user_id` None means: of everybody, for administrators."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def create(self, user_id: str, prefix: str, wanted: Mapping[str, Any], who: Actor) -> tuple[Record, str]:
        """A new key of a user: its record, and the whole key. Raises GatewayError INVALID_REQUEST, NOT_FOUND."""
        from sqlalchemy import insert

        from gateway.store.sql.tables import api_keys

        shared, now_ms = self._shared, self._shared.now_ms()
        key_id = new_id()
        whole = new_key(prefix, key_id)
        row: dict[str, Any] = {
            "name": "", "group_id": None, "models": [], "allowed_ips": [], "limits": {}, "max_budget_usd_micros": None,
            "expires_at_ms": None, "is_blocked": False, **_checked(wanted, now_ms),
            "id": key_id, "user_id": user_id, "shown_prefix": whole[: len(prefix) + SHOWN_CHARS],
            "spent_usd_micros": 0, "created_at_ms": now_ms,
        }  # fmt: skip
        texts.name(row["name"])
        async with shared.database.write() as connection:
            await self._check_user(connection, user_id, row["group_id"])
            await self._check_count(connection, user_id)
            await connection.execute(insert(api_keys).values(**row))
            await self._add_secret(connection, key_id, whole)
            await shared.note(connection, who, "key.create", f"key:{key_id}", {"name": row["name"], "user": user_id})
        shared.directory.forget(f"key:{key_id}")
        return {**row, "revoked_at_ms": None, "last_used_at_ms": None}, whole

    async def _check_user(self, connection: AsyncConnection, user_id: str, group_id: str | None) -> None:
        from sqlalchemy import select

        from gateway.store.sql.tables import memberships, users

        own = (await connection.execute(select(users.c.group_id).where(users.c.id == user_id))).scalar()
        if own is None:
            raise no_user()
        if group_id in (None, own):
            return
        member = (memberships.c.user_id == user_id) & (memberships.c.group_id == group_id)
        if (await connection.execute(select(memberships.c.group_id).where(member))).first() is None:
            raise texts.wrong("group_id", "is no group of this user")

    async def _check_count(self, connection: AsyncConnection, user_id: str) -> None:
        from sqlalchemy import func, select

        from gateway.store.sql.tables import api_keys

        live = (api_keys.c.user_id == user_id) & api_keys.c.revoked_at_ms.is_(None)
        count = (await connection.execute(select(func.count()).select_from(api_keys).where(live))).scalar() or 0
        most = self._shared.config().accounts.keys_per_user_max
        if count >= most:
            text = f"This user has {count} keys; at most {most} are possible: revoke one first."
            raise GatewayError(Kind.INVALID_REQUEST, text, code="too_many_keys")

    async def _add_secret(self, connection: AsyncConnection, key_id: str, whole: str) -> None:
        from sqlalchemy import insert

        from gateway.store.sql.tables import key_secrets

        digest = self._shared.digester.digest(whole)
        row = {"digest": digest, "key_id": key_id, "created_at_ms": self._shared.now_ms()}
        await connection.execute(insert(key_secrets).values(**row))

    async def rotate(self, user_id: str | None, key_id: str, overlap_s: int | None, who: Actor) -> tuple[Record, str]:
        """A second secret; the one before works `overlap_s` longer, those before that no more."""
        from sqlalchemy import delete, or_, select, update

        from gateway.store.sql.tables import key_secrets

        shared, now_ms = self._shared, self._shared.now_ms()
        longest_s = shared.config().accounts.rotation_overlap_s
        wait_s = longest_s if overlap_s is None else min(max(0, overlap_s), longest_s)
        row = await self.get(user_id, key_id)
        if row["revoked_at_ms"] is not None:
            raise GatewayError(Kind.CONFLICT, "A revoked key cannot be rotated.", code="key_revoked")
        whole = new_key(self._prefix(row), key_id)
        of_key = key_secrets.c.key_id == key_id
        async with shared.database.write() as connection:
            newest = (
                select(key_secrets.c.digest)
                .where(of_key, or_(key_secrets.c.expires_at_ms.is_(None), key_secrets.c.expires_at_ms > now_ms))
                .order_by(key_secrets.c.expires_at_ms.is_(None).desc(), key_secrets.c.created_at_ms.desc())
                .limit(1)
            )
            kept = (await connection.execute(newest)).scalar()
            await connection.execute(delete(key_secrets).where(of_key, key_secrets.c.digest != kept))
            end = update(key_secrets).where(of_key).values(expires_at_ms=now_ms + wait_s * 1000)
            await connection.execute(end)
            await self._add_secret(connection, key_id, whole)
            await shared.note(connection, who, "key.rotate", f"key:{key_id}", {"overlap_s": wait_s})
        shared.directory.forget(f"key:{key_id}")
        return row, whole

    @staticmethod
    def _prefix(row: Record) -> str:
        shown: str = row["shown_prefix"]
        return shown[:-SHOWN_CHARS]

    async def get(self, user_id: str | None, key_id: str) -> Record:
        """One key. Raises GatewayError NOT_FOUND."""
        from sqlalchemy import select

        from gateway.store.sql.tables import api_keys

        question = select(api_keys).where(api_keys.c.id == key_id)
        if user_id is not None:
            question = question.where(api_keys.c.user_id == user_id)
        async with self._shared.database.read() as connection:
            row = (await connection.execute(question)).mappings().first()
        if row is None:
            raise _no_key()
        return dict(row)

    async def list(self, user_id: str | None, size: int, token: str) -> Page[Record]:
        """Keys, newest first."""
        from sqlalchemy import select, tuple_

        from gateway.store.sql.tables import api_keys

        size, after = page_size(size), read_token(token)
        question = select(api_keys).order_by(api_keys.c.created_at_ms.desc(), api_keys.c.id.desc()).limit(size + 1)
        if user_id is not None:
            question = question.where(api_keys.c.user_id == user_id)
        if after:
            at_ms, _, last_id = after.partition(":")
            if not at_ms.isdigit() or len(at_ms) > 15:
                raise texts.wrong("page_token", "is not a token of an earlier page")
            question = question.where(tuple_(api_keys.c.created_at_ms, api_keys.c.id) < (int(at_ms), last_id))
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: f"{row['created_at_ms']}:{row['id']}")

    async def update(self, user_id: str | None, key_id: str, changes: Mapping[str, Any], who: Actor) -> Record:
        """Change name, group_id, models, allowed_ips, limits, max_budget_usd_micros, expires_at_ms or is_blocked."""
        values = _checked(changes, self._shared.now_ms())
        await self._change(user_id, key_id, values, "key.update", who)
        return await self.get(user_id, key_id)

    async def revoke(self, user_id: str | None, key_id: str, who: Actor) -> Record:
        """Refuse it from now on, for ever. Again: nothing."""
        row = await self.get(user_id, key_id)
        if row["revoked_at_ms"] is None:
            await self._change(user_id, key_id, {"revoked_at_ms": self._shared.now_ms()}, "key.revoke", who)
        return await self.get(user_id, key_id)

    async def _change(self, user_id: str | None, key_id: str, values: Record, action: str, who: Actor) -> None:
        from sqlalchemy import update

        from gateway.store.sql.tables import api_keys

        shared, row = self._shared, await self.get(user_id, key_id)
        async with shared.database.write() as connection:
            if values.get("group_id"):
                await self._check_user(connection, row["user_id"], values["group_id"])
            if values:
                await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(**values))
            await shared.note(connection, who, action, f"key:{key_id}", values)
        shared.directory.forget(f"key:{key_id}")

    async def note_used(self, used_at_ms: Mapping[str, int]) -> None:
        """When keys were last used; unknown ones are left out."""
        rows = [{"of_key": key_id, "at_ms": at_ms} for key_id, at_ms in used_at_ms.items()]
        if rows:
            database = self._shared.database
            await database.run(lambda prepared: prepared.change_each("note_used", rows), Work.WRITE)


def _checked(wanted: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    checks: dict[str, Any] = {
        "name": texts.name, "models": texts.globs, "allowed_ips": texts.addresses, "limits": texts.limits,
    }  # fmt: skip
    values = {name: checks[name](value) if name in checks else value for name, value in wanted.items()}
    if values.get("group_id") is not None:
        values["group_id"] = texts.slug(values["group_id"], "group_id") if values["group_id"] else None
    if values.get("max_budget_usd_micros") is not None:
        texts.usd_micros(values["max_budget_usd_micros"], "max_budget", least=0)
    expires_at_ms = values.get("expires_at_ms")
    if expires_at_ms is not None and not now_ms < expires_at_ms < texts.TIME_MAX_MS:
        raise texts.wrong("expires_at", "must be in the future")
    return values


def _no_key() -> GatewayError:
    return GatewayError(Kind.NOT_FOUND, "There is no such key.", code="key_not_found")
