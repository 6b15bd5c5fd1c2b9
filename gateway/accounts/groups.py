"""Groups: who pays which ratio, may use which models, and shares which limits.

Rules:
    - Every user is in one group, and may make keys for further ones they are a member of.
    - A change is seen by the next call in this process.
Not here:
    - Checking (facts); prices (configuration).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.accounts import texts
from gateway.accounts.shared import Actor, Page, Shared, page_of, page_size, read_token
from gateway.accounts.users import DEFAULT_GROUP, no_user
from gateway.core.errors import GatewayError, Kind

Record = Mapping[str, Any]
RATIO_MAX_PPM = 10**9


class Groups:
    """See the module's rules."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def list(self, size: int, token: str) -> Page[Record]:
        """Groups by id."""
        from sqlalchemy import select

        from gateway.store.sql.tables import groups

        size, after = page_size(size), read_token(token)
        question = select(groups).where(groups.c.id > after).order_by(groups.c.id).limit(size + 1)
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: str(row["id"]))

    async def get(self, group_id: str) -> Record:
        """One group. Raises GatewayError NOT_FOUND."""
        from sqlalchemy import select

        from gateway.store.sql.tables import groups

        async with self._shared.database.read() as connection:
            row = (await connection.execute(select(groups).where(groups.c.id == group_id))).mappings().first()
        if row is None:
            raise _no_group()
        return dict(row)

    async def put(self, group_id: str, wanted: Mapping[str, Any], who: Actor) -> Record:
        """Make a group, or change name, ratio_ppm, models and limits of one; what is not named stays."""
        from sqlalchemy import insert, select, update

        from gateway.store.sql.tables import groups

        values = _checked(wanted)
        mine = groups.c.id == texts.slug(group_id)
        new = {
            "id": group_id, "name": group_id, "ratio_ppm": 1_000_000, "models": [], "limits": {},
            "created_at_ms": self._shared.now_ms(),
        }  # fmt: skip
        async with self._shared.database.write() as connection:
            if (await connection.execute(select(groups.c.id).where(mine))).first() is None:
                await connection.execute(insert(groups).values(**new | values))
            elif values:
                await connection.execute(update(groups).where(mine).values(**values))
            await self._shared.note(connection, who, "group.put", f"group:{group_id}", values)
        self._shared.directory.forget_group(group_id)
        return await self.get(group_id)

    async def delete(self, group_id: str, who: Actor) -> None:
        """Remove a group that nobody is in. Raises GatewayError NOT_FOUND, CONFLICT."""
        from sqlalchemy import delete
        from sqlalchemy.exc import IntegrityError

        from gateway.store.sql.tables import groups

        if group_id == DEFAULT_GROUP:
            raise GatewayError(Kind.CONFLICT, "Everybody begins in the group `default`; it stays.")
        try:
            async with self._shared.database.write() as connection:
                if not (await connection.execute(delete(groups).where(groups.c.id == group_id))).rowcount:
                    raise _no_group()
                await self._shared.note(connection, who, "group.delete", f"group:{group_id}")
        except IntegrityError:
            text = "This group has users, members, keys or invitations; move them first."
            raise GatewayError(Kind.CONFLICT, text, code="group_in_use") from None

    async def set_member(self, user_id: str, group_id: str, *, is_member: bool, who: Actor) -> None:
        """Let a user make keys for a further group, or not any more."""
        from sqlalchemy import delete, insert, select
        from sqlalchemy.exc import IntegrityError

        from gateway.store.sql.tables import memberships, users

        await self.get(group_id)
        mine = (memberships.c.user_id == user_id) & (memberships.c.group_id == group_id)
        row = {"user_id": user_id, "group_id": group_id, "created_at_ms": self._shared.now_ms()}
        try:
            async with self._shared.database.write() as connection:
                if (await connection.execute(select(users.c.id).where(users.c.id == user_id))).first() is None:
                    raise no_user()
                await connection.execute(
                    insert(memberships).values(**row) if is_member else delete(memberships).where(mine)
                )
                action = "group.add_member" if is_member else "group.remove_member"
                await self._shared.note(connection, who, action, f"user:{user_id}", {"group": group_id})
        except IntegrityError:
            return  # a member already
        self._shared.directory.forget_user(user_id)


def _checked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    checks: dict[str, Any] = {
        "name": texts.name, "models": lambda globs: texts.globs(globs, "models"), "limits": texts.limits,
    }  # fmt: skip
    values = {name: checks[name](value) if name in checks else value for name, value in wanted.items()}
    if not 0 <= values.get("ratio_ppm", 0) <= RATIO_MAX_PPM:
        raise texts.wrong("ratio_ppm", f"must be between 0 and {RATIO_MAX_PPM}; 1000000 is the price itself")
    return values


def _no_group() -> GatewayError:
    return GatewayError(Kind.NOT_FOUND, "There is no such group.", code="group_not_found")
