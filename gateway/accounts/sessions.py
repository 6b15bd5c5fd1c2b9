"""Sessions: what a login makes, an access token for an hour and a refresh token for a month.

Rules:
    - A refresh token works once and makes the next; shown again, its session ends: somebody has a copy.
    - Ending a session is seen by the next call in this process, by others within `accounts.key_cache_s`.
Not here:
    - The tokens' form (tokens); passwords (users).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.accounts.keys import refused
from gateway.accounts.secrets_made import REFRESH_PREFIX, new_id, new_token
from gateway.accounts.shared import Actor, Shared
from gateway.core.errors import GatewayError, Kind

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """What the client gets. `expires_at_s` is the access token's end, unix seconds."""

    token: str
    refresh_token: str
    expires_at_s: int
    user: Record


class Sessions:
    """See the module's rules."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def begin(self, user: Record, who: Actor) -> Opened:
        """A new session of somebody who proved who they are."""
        from sqlalchemy import insert, update

        from gateway.store.sql.tables import sessions, users

        shared, now_ms = self._shared, self._shared.now_ms()
        session_id, refresh = new_id(), new_token(REFRESH_PREFIX)
        row = {
            "id": session_id, "user_id": user["id"], "refresh_digest": shared.digester.digest(refresh),
            "created_at_ms": now_ms, "expires_at_ms": now_ms + shared.config().accounts.refresh_token_s * 1000,
        }  # fmt: skip
        async with shared.database.write() as connection:
            await connection.execute(insert(sessions).values(**row))
            logged_in = update(users).where(users.c.id == user["id"]).values(last_login_at_ms=now_ms)
            await connection.execute(logged_in)
            await shared.note(connection, who, "session.begin", f"user:{user['id']}")
        return self._opened(user, session_id, refresh)

    async def refresh(self, refresh: str, who: Actor) -> Opened:
        """The next pair of tokens. Raises GatewayError INVALID_KEY, and PERMISSION_DENIED for a blocked user."""
        from sqlalchemy import select, update

        from gateway.store.sql.tables import sessions, users

        shared, now_ms = self._shared, self._shared.now_ms()
        old, fresh = shared.digester.digest(refresh[:256]), new_token(REFRESH_PREFIX)
        renewed = (
            update(sessions)
            .where(
                sessions.c.refresh_digest == old, sessions.c.ended_at_ms.is_(None), sessions.c.expires_at_ms > now_ms
            )
            .values(refresh_digest=shared.digester.digest(fresh), spent_digest=old)
            .returning(sessions.c.id, sessions.c.user_id)
        )
        async with shared.database.write() as connection:
            row = (await connection.execute(renewed)).first()
            question = select(users).where(users.c.id == (row.user_id if row else ""))
            user = (await connection.execute(question)).mappings().first()
        if row is None or user is None:
            await self._end("spent_digest", old, "session.copied", who)
            raise refused("refresh token: unknown, used or expired")
        if user["is_blocked"]:
            raise GatewayError(Kind.PERMISSION_DENIED, "This account is blocked.", code="account_blocked")
        return self._opened(dict(user), row.id, fresh)

    async def end_session(self, access_token: str, who: Actor) -> None:
        """Log out: the session of this access token ends."""
        claims = self._shared.tokens().check(access_token, self._shared.clock.wall_s())
        await self._end("id", claims.session_id, "session.end", who)

    async def _end(self, column: str, value: str, action: str, who: Actor) -> None:
        from sqlalchemy import update

        from gateway.store.sql.tables import sessions

        shared = self._shared
        running = (sessions.c[column] == value) & sessions.c.ended_at_ms.is_(None)
        ended = update(sessions).where(running).values(ended_at_ms=shared.now_ms())
        async with shared.database.write() as connection:
            rows = (await connection.execute(ended.returning(sessions.c.id, sessions.c.user_id))).all()
            for row in rows:
                await shared.note(connection, who, action, f"user:{row.user_id}")
        for row in rows:
            shared.directory.forget(f"session:{row.id}")

    def _opened(self, user: Record, session_id: str, refresh: str) -> Opened:
        shared, now_s = self._shared, self._shared.clock.wall_s()
        shown = {"email": str(user["email"]), "role": str(user["role"])}
        token = shared.tokens().sign(str(user["id"]), session_id, now_s, shown)
        return Opened(token, refresh, int(now_s) + shared.config().accounts.access_token_s, user)
