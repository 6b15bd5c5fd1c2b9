"""What was used, and what was changed: usage records and the audit log, written once and read in pages or sums.

Rules:
    - A usage record is named by its call: written twice, it is counted once.
    - Records are deleted some at a time, so that nobody waits for it.
    - Sums are integers; a call without a known price adds to the calls and not to the cost.
Not here:
    - When a record is written (the journal); money (wallets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.accounts import texts
from gateway.accounts.shared import Page, Shared, page_of, page_size, read_token
from gateway.store.sql.file import Work

Record = Mapping[str, Any]
DAY_MS = 86_400_000
ROWS_MAX = 1000
FORGOTTEN_AT_ONCE = 1000
BY = ("model", "provider", "user", "key", "day")


class Reports:
    """See the module's rules."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def add(self, records: Sequence[Record]) -> None:
        """Write usage records (the columns of `usage_records`); those that are there already are left as they are."""
        if not records:
            return
        from sqlalchemy.dialects import postgresql, sqlite

        from gateway.store.sql.tables import usage_records

        insert = sqlite.insert if self._shared.database.place.is_sqlite else postgresql.insert
        async with self._shared.database.write() as connection:
            await connection.execute(insert(usage_records).on_conflict_do_nothing(), list(records))

    async def usage(
        self, by: str, user_id: str | None, from_ms: int | None = None, until_ms: int | None = None
    ) -> Sequence[Record]:
        """Sums by model, provider, user, key or day (unix ms of its start); the largest first, ROWS_MAX at most."""
        from sqlalchemy import func, select

        from gateway.store.sql.tables import usage_records as table

        if by not in BY:
            raise texts.wrong("by", f"must be one of {', '.join(BY)}")
        columns = {
            "model": table.c.model, "provider": table.c.provider, "user": table.c.user_id, "key": table.c.key_id,
            "day": table.c.created_at_ms - table.c.created_at_ms % DAY_MS,
        }  # fmt: skip
        of = columns[by].label("of")
        question = select(
            of,
            func.count().label("calls"),
            func.sum(table.c.prompt_tokens).label("prompt_tokens"),
            func.sum(table.c.completion_tokens).label("completion_tokens"),
            func.coalesce(func.sum(table.c.cost_usd_micros), 0).label("cost_usd_micros"),
        )
        if user_id is not None:
            question = question.where(table.c.user_id == user_id)
        if from_ms is not None:
            question = question.where(table.c.created_at_ms >= from_ms)
        if until_ms is not None:
            question = question.where(table.c.created_at_ms < until_ms)
        order = of.desc() if by == "day" else func.count().desc()
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question.group_by(of).order_by(order).limit(ROWS_MAX))).mappings().all()
        numbers = ("calls", "prompt_tokens", "completion_tokens", "cost_usd_micros")
        return [{"of": str(row["of"]), **{name: int(row[name]) for name in numbers}} for row in rows]

    async def forget(self, until_ms: int) -> int:
        """Delete some of the records before that time, the oldest first; how many. Raises GatewayError UNAVAILABLE."""
        old = {"until_ms": until_ms, "count": FORGOTTEN_AT_ONCE}
        return await self._shared.database.run(lambda prepared: prepared.change("forget_usage", **old), Work.WRITE)

    async def audit(self, subject: str, size: int, token: str) -> Page[Record]:
        """Audit entries, newest first; of one subject (`user:ID`, `key:ID`, `group:ID`) or of all."""
        from sqlalchemy import select

        from gateway.store.sql.tables import audit_log as table

        size, after = page_size(size), read_token(token)
        question = select(table).order_by(table.c.id.desc()).limit(size + 1)
        if subject:
            question = question.where(table.c.subject == subject)
        if after:
            question = question.where(table.c.id < texts.number(after))
        async with self._shared.database.read() as connection:
            rows = (await connection.execute(question)).mappings().all()
        return page_of([dict(row) for row in rows], size, lambda row: str(row["id"]))
