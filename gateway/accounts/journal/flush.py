"""From the journal into the database: usage, wallets, ledger and what keys spent, in one transaction a batch.

Rules:
    - A record the database has already adds nothing: only rows that are new are charged, so a batch may be told
      again after any crash, by anybody.
    - A batch's charges of one user are one ledger entry; its wallet is that much lower, and the sum holds.
    - A segment is deleted after its last batch was committed. A database that is away costs nothing but room.
    - A record that the database cannot hold is left out alone and told of with all it says; the others go on.
    - A user who is gone, or whose calls are not charged, pays nothing; the usage is kept.
Not here:
    - Writing the journal (segments); balances that calls are checked against (quota.purses).
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from gateway.accounts.journal.record import Row, row_of
from gateway.accounts.journal.segments import Journal, orphans_of, rows_of
from gateway.core.errors import GatewayError, Kind
from gateway.store.sql.database import Database
from gateway.store.sql.file import Work
from gateway.store.sql.prepared import Prepared

BATCH_MAX = 500
USAGE = "usage"


LeftOut = Callable[[Row, Exception], None]


def _ignore(_row: Row, _why: Exception) -> None:
    """Nobody is told."""


async def flush(journal: Journal, database: Database, left_out: LeftOut = _ignore) -> int:
    """Bring every closed segment of this process into the database; how many records it did not have.

    `left_out` is told of each record that cannot be stored, and why. Raises GatewayError UNAVAILABLE; what was
    committed until then stays.
    """
    count = 0
    for segment in journal.turn():
        count += await _bring(rows_of(segment), database, left_out)
        segment.unlink()
    return count


async def adopt(root: Path, database: Database, left_out: LeftOut = _ignore) -> tuple[int, int]:
    """Bring in what dead processes left under `root`: (records that were new, of them streams nobody settled).

    Raises GatewayError UNAVAILABLE; what was not brought in stays where it is.
    """
    count = lost = 0
    for orphan in orphans_of(root):
        is_done = False
        try:
            records = list(orphan.records())
            new = await _bring((row_of(record) for record in records), database, left_out)
            count += new
            lost += sum(record.outcome == "lost" for record in records) if new else 0
            is_done = True
        finally:
            orphan.close(is_done=is_done)
    return count, lost


async def _bring(rows: Iterator[Row], database: Database, left_out: LeftOut) -> int:
    count = 0
    while batch := list(islice(rows, BATCH_MAX)):
        count += await _bring_batch(batch, database, left_out)
    return count


async def _bring_batch(batch: list[Row], database: Database, left_out: LeftOut) -> int:
    """One batch; where the database cannot hold it, its halves, down to the records that are at fault."""
    try:
        return await database.run(partial(_enter, batch=batch), Work.WRITE)
    except Exception as error:
        if not _is_of_values(error):
            raise
        if len(batch) == 1:
            left_out(batch[0], error)
            return 0
    half = len(batch) // 2
    first = await _bring_batch(batch[:half], database, left_out)
    return first + await _bring_batch(batch[half:], database, left_out)


def _is_of_values(error: Exception) -> bool:
    """Whether it says that a value cannot be stored: too large, not of its type, against a constraint."""
    if isinstance(error, GatewayError):
        return error.kind is Kind.INVALID_REQUEST
    if isinstance(error, ArithmeticError | ValueError | sqlite3.IntegrityError | sqlite3.DataError):
        return True
    if "sqlalchemy" not in sys.modules:
        return False
    from sqlalchemy import exc

    return isinstance(error, exc.IntegrityError | exc.DataError)


def _enter(prepared: Prepared, batch: list[Row]) -> int:
    """One batch; how many of its records were new."""
    known = {row["id"]: row for row in batch}
    new = prepared.enter_usage(list(known.values()))
    fresh = known.values() if len(new) == len(known) else [row for row in known.values() if row["id"] in new]
    charged = [row for row in fresh if row["cost_usd_micros"]]
    _charge_wallets(prepared, [row for row in charged if row["is_charged"]])
    _charge_keys(prepared, charged)
    return len(new)


def _charge_wallets(prepared: Prepared, charged: list[Row]) -> None:
    """Take each user's sum from the wallet, with one entry in the ledger."""
    for user_id, rows in _by(charged, "user_id"):
        amount = sum(row["cost_usd_micros"] for row in rows)
        for wallet in prepared.rows("charge_wallet", of_user=user_id, amount=amount):
            entry = {
                "user_id": user_id, "kind": USAGE, "amount_usd_micros": -amount,
                "balance_usd_micros": wallet.balance_usd_micros, "idempotency_key": _name(rows), "key_id": None,
                "note": f"{len(rows)} calls", "actor": "system", "created_at_ms": max(row["at_ms"] for row in rows),
            }  # fmt: skip
            prepared.change("enter_ledger", **entry)


def _charge_keys(prepared: Prepared, charged: list[Row]) -> None:
    for key_id, rows in _by(charged, "key_id"):
        amount = sum(row["cost_usd_micros"] for row in rows)
        prepared.change("charge_key", of_key=key_id, amount=amount, at_ms=max(row["at_ms"] for row in rows))


def _by(rows: list[Row], member: str) -> list[tuple[str, list[Row]]]:
    """By user or key, in one order for everybody, so that two services never wait for each other's rows."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[member]].append(row)
    return sorted(found.items())


def _name(rows: list[Row]) -> str:
    """What the entry is known by: the calls it sums."""
    ids = ",".join(sorted(row["id"] for row in rows))
    return f"{USAGE}:{hashlib.sha256(ids.encode()).hexdigest()}"
