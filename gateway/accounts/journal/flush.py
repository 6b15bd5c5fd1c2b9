"""From the journal into the database: usage, wallets, ledger and what keys spent, in one transaction a batch.

Rules:
    - A record the database has already adds nothing: only rows that are new are charged, so a batch may be told
      again after any crash, by anybody.
    - A batch's charges of one user are one ledger entry; its wallet is that much lower, and the sum holds.
    - A segment is deleted after its last batch was committed. A database that is away costs nothing but room.
    - A user who is gone, or whose calls are not charged, pays nothing; the usage is kept.
Not here:
    - Writing the journal (segments); balances that calls are checked against (quota.purses).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.accounts.journal.record import Used, row_of
from gateway.accounts.journal.segments import Journal, lines_of, orphans_of
from gateway.store.sql.database import Database

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH_MAX = 500
USAGE = "usage"


async def flush(journal: Journal, database: Database) -> int:
    """Bring every closed segment of this process into the database; how many records it did not have.

    Raises GatewayError UNAVAILABLE; what was committed until then stays.
    """
    count = 0
    for segment in journal.turn():
        count += await _bring(lines_of(segment), database)
        segment.unlink()
    return count


async def adopt(root: Path, database: Database) -> tuple[int, int]:
    """Bring in what dead processes left under `root`: (records that were new, of them streams nobody settled).

    Raises GatewayError UNAVAILABLE; what was not brought in stays where it is.
    """
    count = lost = 0
    for orphan in orphans_of(root):
        is_done = False
        try:
            records = list(orphan.records())
            new = await _bring(iter(records), database)
            count += new
            lost += sum(record.outcome == "lost" for record in records) if new else 0
            is_done = True
        finally:
            orphan.close(is_done=is_done)
    return count, lost


async def _bring(records: Iterator[Used], database: Database) -> int:
    count = 0
    while batch := list(islice(records, BATCH_MAX)):
        async with database.write() as connection:
            count += await _insert(connection, batch)
    return count


async def _insert(connection: AsyncConnection, batch: list[Used]) -> int:
    """One batch; how many of its records were new."""
    from gateway.store.sql.tables import usage_records

    new = set(await _insert_new(connection, usage_records, [_row(used) for used in batch]))
    fresh = {used.id: used for used in batch if used.id in new}.values()
    charged = [used for used in fresh if used.cost_usd_micros]
    await _charge_wallets(connection, [used for used in charged if used.is_charged])
    await _charge_keys(connection, charged)
    return len(new)


def _row(used: Used) -> dict[str, Any]:
    row = row_of(used)
    row["created_at_ms"] = row.pop("at_ms")
    del row["is_charged"]
    return row


async def _insert_new(connection: AsyncConnection, table: Any, rows: list[dict[str, Any]]) -> Iterable[str]:
    """Insert the rows whose id is not there; their ids."""
    insert: Any
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    unique = list({row["id"]: row for row in rows}.values())
    statement = insert(table).on_conflict_do_nothing(index_elements=["id"]).returning(table.c.id)
    result = await connection.execute(statement, unique)
    return [str(row[0]) for row in result]


async def _charge_wallets(connection: AsyncConnection, charged: list[Used]) -> None:
    """Take each user's sum from the wallet, with one entry in the ledger."""
    from sqlalchemy import insert, update

    from gateway.store.sql.tables import ledger_entries, wallets

    for user_id, records in _by(charged, "user_id").items():
        amount = sum(used.cost_usd_micros or 0 for used in records)
        new_balance = wallets.c.balance_usd_micros - amount
        statement = update(wallets).where(wallets.c.user_id == user_id).values(balance_usd_micros=new_balance)
        balance = (await connection.execute(statement.returning(wallets.c.balance_usd_micros))).scalar()
        if balance is None:
            continue
        entry = {
            "user_id": user_id, "kind": USAGE, "amount_usd_micros": -amount, "balance_usd_micros": balance,
            "idempotency_key": _name(records), "key_id": None, "note": f"{len(records)} calls", "actor": "system",
            "created_at_ms": max(used.at_ms for used in records),
        }  # fmt: skip
        await connection.execute(insert(ledger_entries).values(entry))


async def _charge_keys(connection: AsyncConnection, charged: list[Used]) -> None:
    from sqlalchemy import update

    from gateway.store.sql.tables import api_keys

    for key_id, records in _by(charged, "key_id").items():
        spent = api_keys.c.spent_usd_micros + sum(used.cost_usd_micros or 0 for used in records)
        last_ms = max(used.at_ms for used in records)
        statement = update(api_keys).where(api_keys.c.id == key_id)
        await connection.execute(statement.values(spent_usd_micros=spent, last_used_at_ms=last_ms))


def _by(records: list[Used], member: str) -> dict[str, list[Used]]:
    """By user or key, in one order for everybody, so that two services never wait for each other's rows."""
    found: defaultdict[str, list[Used]] = defaultdict(list)
    for used in records:
        found[getattr(used, member)].append(used)
    return dict(sorted(found.items()))


def _name(records: list[Used]) -> str:
    """What the entry is known by: the calls it sums."""
    ids = ",".join(sorted(used.id for used in records))
    return f"{USAGE}:{hashlib.sha256(ids.encode()).hexdigest()}"
