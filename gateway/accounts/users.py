"""Users: registering, logging in, what administrators change of them.

Rules:
    - Failed logins are counted by account and by address; the right password is not tried beyond them.
    - Somebody unknown and a wrong password are told alike, and cost alike.
    - A change of password, role or block ends the user's sessions and refuses their access tokens, in one transaction.
Not here:
    - Sessions themselves (sessions), wallets (wallets).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.accounts import texts
from gateway.accounts.addresses import host_of
from gateway.accounts.shared import Actor, Page, Shared, page_of, page_size, read_token
from gateway.accounts.wallets import Wallets
from gateway.core.errors import GatewayError, Kind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Record = Mapping[str, Any]
DEFAULT_GROUP = "default"
ADDRESS_FACTOR = 3  # one address may fail so many times as often as one account
_ENDS_SESSIONS = {"role", "is_blocked", "password_hash"}


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a user begins with."""

    email: str
    password: str
    username: str = ""
    role: str = "user"
    group_id: str = DEFAULT_GROUP


class Users:
    """See the module's rules."""

    def __init__(self, shared: Shared, wallets: Wallets) -> None:
        self._shared = shared
        self._wallets = wallets

    async def register(self, new: NewUser, invitation: str, who: Actor) -> Record:
        """A user who registers. Raises GatewayError: PERMISSION_DENIED while registration is closed to them."""
        how = self._shared.config().accounts.registration
        if how == "closed":
            raise GatewayError(Kind.PERMISSION_DENIED, "Registration is closed.", code="registration_closed")
        await self._count(f"register {host_of(who.peer)}", ADDRESS_FACTOR)
        if how == "invited" and not invitation:
            raise texts.wrong("invitation", "is missing: registration is by invitation", "invitation_required")
        return await self.create(new, who, invitation if how == "invited" else "")

    async def create(self, new: NewUser, who: Actor, invitation: str = "") -> Record:
        """A new user with an empty wallet. Raises GatewayError INVALID_REQUEST, code `email_taken` too."""
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        from gateway.store.sql.tables import users

        shared, settings = self._shared, self._shared.config().accounts
        email = texts.email(new.email)
        texts.password(new.password, settings.password_min_chars)
        values = {
            "id": str(uuid.uuid4()),
            "email": email,
            "username": texts.name(new.username or email.partition("@")[0], "username"),
            "password_hash": await shared.passwords.hash(new.password),
            "role": texts.role(new.role),
            "group_id": texts.slug(new.group_id, "group_id"),
            "is_blocked": False,
            "limits": {},
            "tokens_from_ms": 0,
            "created_at_ms": shared.now_ms(),
        }
        try:
            async with shared.database.write() as connection:
                if invitation:
                    values["group_id"] = await _use_invitation(connection, shared, invitation, str(values["id"]))
                await connection.execute(insert(users).values(**values))
                amount = int(settings.new_user_balance_usd * 1_000_000)
                await self._wallets.make(connection, str(values["id"]), amount, who)
                details = {"email": email, "role": new.role, "group": values["group_id"]}
                await shared.note(connection, who, "user.create", f"user:{values['id']}", details)
        except IntegrityError as error:
            raise await self._why_not(email, error) from None
        return {**values, "last_login_at_ms": None}

    async def _why_not(self, email: str, error: Exception) -> GatewayError:
        from sqlalchemy import select

        from gateway.store.sql.tables import users

        async with self._shared.database.read() as connection:
            if (await connection.execute(select(users.c.id).where(users.c.email == email))).first():
                return texts.wrong("email", "belongs to an account already", "email_taken")
        return texts.wrong("group_id", "names no group")

    async def log_in(self, email: str, password: str, who: Actor) -> Record:
        """The user of that email and password. Raises GatewayError INVALID_KEY, RATE_LIMITED, PERMISSION_DENIED."""
        from sqlalchemy import select

        from gateway.store.sql.tables import users

        shared = self._shared
        try:
            spelled = texts.email(email)
        except GatewayError:
            spelled = "nobody"
        account, address = f"account {spelled}", f"address {host_of(who.peer)}"
        await self._count(account, 1)
        await self._count(address, ADDRESS_FACTOR)
        async with shared.database.read() as connection:
            row = (await connection.execute(select(users).where(users.c.email == spelled))).mappings().first()
        is_right = await shared.passwords.is_right(row["password_hash"] if row else None, password[:1024])
        if row is None or not is_right:
            if row is not None:
                async with shared.database.write() as connection:
                    await shared.note(connection, who, "user.login_failed", f"user:{row['id']}")
            raise _not_them()
        per_minute = shared.config().accounts.logins_per_minute
        await shared.failures.give_back(account, per_minute)
        await shared.failures.give_back(address, per_minute * ADDRESS_FACTOR)
        if row["is_blocked"]:
            raise GatewayError(Kind.PERMISSION_DENIED, "This account is blocked.", code="account_blocked")
        if shared.passwords.is_outdated(row["password_hash"]):
            await self._change(row["id"], {"password_hash": await shared.passwords.hash(password)}, ends_sessions=False)
        return dict(row)

    async def _count(self, subject: str, factor: int) -> None:
        shared = self._shared
        per_minute = shared.config().accounts.logins_per_minute * factor
        wait_s = await shared.failures.take(subject, per_minute, shared.clock.monotonic())
        if wait_s:
            raise GatewayError(
                Kind.RATE_LIMITED, "Too many attempts; wait a little.", retry_after_s=wait_s, limit="requests"
            )

    async def change_password(self, user_id: str, old: str, new: str, who: Actor) -> None:
        """A user's own new password; every session ends. Raises GatewayError INVALID_KEY for a wrong old one."""
        shared = self._shared
        texts.password(new, shared.config().accounts.password_min_chars)
        await self._count(f"account {user_id}", 1)
        row = await self.get(user_id)
        if not await shared.passwords.is_right(row["password_hash"], old[:1024]):
            raise _not_them()
        await self.update(user_id, {"password": new}, who)

    async def get(self, user_id: str) -> Record:
        """One user. Raises GatewayError NOT_FOUND."""
        from sqlalchemy import select

        from gateway.store.sql.tables import users

        async with self._shared.database.read() as connection:
            row = (await connection.execute(select(users).where(users.c.id == user_id))).mappings().first()
        if row is None:
            raise no_user()
        return dict(row)

    async def list(self, size: int, token: str, contains: str = "") -> Page[Record]:
        """Users by email; `contains` is a part of it."""
        from sqlalchemy import select

        from gateway.store.sql.tables import users

        size, after, contains = page_size(size), read_token(token), texts.name(contains, "contains", is_required=False)
        question = select(users).where(users.c.email > after).order_by(users.c.email).limit(size + 1)
        if contains:
            question = question.where(users.c.email.contains(contains.lower(), autoescape=True))
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: str(row["email"]))

    async def update(self, user_id: str, changes: Mapping[str, Any], who: Actor) -> Record:
        """Change username, role, group_id, is_blocked, limits or password. Raises GatewayError NOT_FOUND."""
        from sqlalchemy.exc import IntegrityError

        values = await self._checked(changes)
        try:
            await self._change(user_id, values, who=who, ends_sessions=bool(values.keys() & _ENDS_SESSIONS))
        except IntegrityError:
            raise texts.wrong("group_id", "names no group") from None
        self._shared.directory.forget_user(user_id)
        return await self.get(user_id)

    async def _checked(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(changes)
        if "password" in values:
            text = texts.password(values.pop("password"), self._shared.config().accounts.password_min_chars)
            values["password_hash"] = await self._shared.passwords.hash(text)
        checks: dict[str, Any] = {
            "username": lambda text: texts.name(text, "username"),
            "role": texts.role,
            "group_id": lambda text: texts.slug(text, "group_id"),
            "limits": texts.limits,
        }
        return {name: checks[name](value) if name in checks else value for name, value in values.items()}

    async def _change(
        self, user_id: str, values: Mapping[str, Any], *, who: Actor | None = None, ends_sessions: bool
    ) -> None:
        from sqlalchemy import update

        from gateway.store.sql.tables import sessions, users

        shared, now_ms = self._shared, self._shared.now_ms()
        more = {"tokens_from_ms": now_ms} if ends_sessions else {}
        async with shared.database.write() as connection:
            done = await connection.execute(update(users).where(users.c.id == user_id).values(**values, **more))
            if not done.rowcount:
                raise no_user()
            if ends_sessions:
                running = (sessions.c.user_id == user_id) & sessions.c.ended_at_ms.is_(None)
                await connection.execute(update(sessions).where(running).values(ended_at_ms=now_ms))
            if who is not None:
                shown = {name: "changed" if name == "password_hash" else value for name, value in values.items()}
                await shared.note(connection, who, "user.update", f"user:{user_id}", shown)


async def _use_invitation(connection: AsyncConnection, shared: Shared, invitation: str, user_id: str) -> str:
    """Take an invitation, once; the group it leads to."""
    from sqlalchemy import or_, update

    from gateway.store.sql.tables import invitations

    now_ms, table = shared.now_ms(), invitations
    is_good = (table.c.digest == shared.digester.digest(invitation)) & table.c.used_at_ms.is_(None)
    in_time = or_(table.c.expires_at_ms.is_(None), table.c.expires_at_ms > now_ms)
    taken = update(table).where(is_good, in_time).values(used_by=user_id, used_at_ms=now_ms)
    group: str | None = (await connection.execute(taken.returning(table.c.group_id))).scalar()
    if group is None:
        raise texts.wrong("invitation", "is unknown, used or expired", "invitation_invalid")
    return group


def _not_them() -> GatewayError:
    return GatewayError(Kind.INVALID_KEY, "Wrong email or password.", code="invalid_credentials")


def no_user() -> GatewayError:
    """There is no such user."""
    return GatewayError(Kind.NOT_FOUND, "There is no such user.", code="user_not_found")
