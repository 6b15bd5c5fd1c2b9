"""Single calls as the database has them, and what they add up to: logs, billing, statistics.

Rules:
    - Newest first; pages continue behind the last call shown, whatever came meanwhile.
    - What the journal has not brought in yet is not there: seconds, not more.
    - What everybody may ask for costs the database one question a second, however many ask (`once`).
Not here:
    - Sums by model, provider, user, key or day (reports); writing records (journal).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.accounts import texts
from gateway.accounts.shared import Page, Shared, page_of, page_size, read_token

Record = Mapping[str, Any]
COMPLETE = "complete"
ONCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which calls: of a user (None = everybody), key, model and time; empty and None = all. Unix milliseconds."""

    user_id: str | None = None
    key_id: str = ""
    model: str = ""
    from_ms: int | None = None
    until_ms: int | None = None


class Calls:
    """See the module's rules."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._made: dict[str, tuple[float, Any]] = {}
        self._making: dict[str, asyncio.Task[Any]] = {}

    async def once(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """What `make` gives, at most ONCE_S old; all who ask meanwhile share it, a failure too. Names are few."""
        loop = asyncio.get_running_loop()
        made_at_s, value = self._made.get(name, (-ONCE_S, None))
        if loop.time() - made_at_s < ONCE_S:
            return value
        if name not in self._making:

            async def run() -> Any:
                try:
                    made = await make()
                    self._made[name] = (loop.time(), made)
                    return made
                finally:
                    del self._making[name]

            self._making[name] = asyncio.create_task(run())
            self._making[name].add_done_callback(_retrieve)
        return await asyncio.shield(self._making[name])

    async def list(self, asked: Asked, size: int, token: str) -> Page[Record]:
        """Calls, newest first. Raises GatewayError INVALID_REQUEST."""
        from sqlalchemy import select, tuple_

        from gateway.store.sql.tables import usage_records as table

        size, after = page_size(size), read_token(token)
        newest = (table.c.created_at_ms.desc(), table.c.id.desc())
        question = select(table).where(*_conditions(asked)).order_by(*newest).limit(size + 1)
        if after:
            at_ms, _, last_id = after.partition(":")
            if not at_ms.isdigit() or len(at_ms) > 15:
                raise texts.wrong("page_token", "is not a token of an earlier page")
            question = question.where(tuple_(table.c.created_at_ms, table.c.id) < (int(at_ms), last_id))
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: f"{row['created_at_ms']}:{row['id']}")

    async def totals(self, asked: Asked) -> dict[str, int]:
        """calls, prompt_tokens, completion_tokens, cost_usd_micros, latency_ms and cached (calls), added up."""
        from sqlalchemy import select

        async with self._shared.database.read() as connection:
            row = (await connection.execute(select(*_sums()).where(*_conditions(asked)))).mappings().one()
        return {name: int(value or 0) for name, value in row.items()}

    async def health(self, from_ms: int) -> Sequence[Record]:
        """By provider: completed and failed calls, and the milliseconds of all."""
        from sqlalchemy import case, func, select

        from gateway.store.sql.tables import usage_records as table

        completed = func.sum(case((table.c.outcome == COMPLETE, 1), else_=0)).label("completed")
        question = (
            select(table.c.provider, completed, func.count().label("calls"), func.sum(table.c.latency_ms).label("ms"))
            .where(table.c.created_at_ms >= from_ms)
            .group_by(table.c.provider)
        )
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return [
            {
                "provider": row["provider"],
                "completed": int(row["completed"]),
                "failed": int(row["calls"]) - int(row["completed"]),
                "milliseconds": int(row["ms"]),
            }
            for row in rows
        ]


def _retrieve(task: asyncio.Task[Any]) -> None:
    """A failure that nobody waits for any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()


def _conditions(asked: Asked) -> list[Any]:
    from gateway.store.sql.tables import usage_records as table

    found: list[Any] = [] if asked.user_id is None else [table.c.user_id == asked.user_id]
    found += [table.c.key_id == asked.key_id] if asked.key_id else []
    found += [table.c.model == asked.model] if asked.model else []
    found += [] if asked.from_ms is None else [table.c.created_at_ms >= asked.from_ms]
    return found + ([] if asked.until_ms is None else [table.c.created_at_ms < asked.until_ms])


def _sums() -> list[Any]:
    from sqlalchemy import case, func

    from gateway.store.sql.tables import usage_records as table

    added = ("prompt_tokens", "completion_tokens", "cost_usd_micros", "latency_ms")
    cached = func.sum(case((table.c.is_cached.is_(True), 1), else_=0)).label("cached")
    return [func.count().label("calls"), cached, *(func.sum(table.c[name]).label(name) for name in added)]
