"""Prepared statements: the same on both databases, without SQLAlchemy on SQLite, one transaction each."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from gateway.core.errors import GatewayError, Kind
from gateway.store.sql import statements
from gateway.store.sql.database import Database
from gateway.store.sql.file import Work
from gateway.store.sql.prepared import JSON_COLUMNS, Prepared
from gateway.store.sql.tables import api_keys, groups, key_secrets, metadata, usage_records, users, wallets
from tests.support.databases import KINDS, fresh, migrated
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[4]


def usage(call: str, **members: Any) -> dict[str, Any]:
    """A usage record."""
    return {
        "id": call, "request_id": "r", "user_id": "u", "key_id": "k", "model": "m", "provider": "p",
        "outcome": "complete", "prompt_tokens": 1, "completion_tokens": 2, "cached_tokens": 0,
        "cost_usd_micros": 3, "latency_ms": 4, "is_cached": False, "is_estimate": True, "at_ms": 5,
        "other": 6, **members,
    }  # fmt: skip


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database of each kind with a user, a key and two secrets."""
    made = Database(await migrated(request.param, tmp_path), timeout_s=PATIENCE_S)
    async with made.write() as connection:
        await connection.execute(
            insert(groups).values(
                id="g", name="", ratio_ppm=5, models=["a*"], limits={"concurrency": 3}, created_at_ms=1
            )
        )
        await connection.execute(
            insert(users).values(
                id="u", email="u@example.org", username="U", password_hash="", role="user", group_id="g",
                is_blocked=False, limits={"concurrency": 2}, tokens_from_ms=0, created_at_ms=1,
            )
        )  # fmt: skip
        await connection.execute(insert(wallets).values(user_id="u", balance_usd_micros=100))
        await connection.execute(
            insert(api_keys).values(
                id="k", user_id="u", name="n", shown_prefix="", models=["sim*", "ü"], allowed_ips=["10.0.0.0/8"],
                limits={}, spent_usd_micros=0, is_blocked=True, created_at_ms=1,
            )
        )  # fmt: skip
        for number in (1, 2):
            await connection.execute(
                insert(key_secrets).values(digest=f"d{number}", key_id="k", created_at_ms=1, expires_at_ms=None)
            )
    yield made
    await made.close()


def test_the_text_for_sqlite_is_what_the_statements_say() -> None:
    """`python -m gateway.store.sql.statements` would change nothing."""
    assert statements.SQLITE_FILE.read_text(encoding="utf-8") == statements.sqlite_text()


def test_every_column_of_json_is_read_as_json() -> None:
    """Columns of documents that a statement may give, under their names or labels."""
    documents = {column.name for table in metadata.tables.values() for column in table.c if "JSON" in str(column.type)}
    given = {"details", "value"}  # of tables no prepared statement asks
    assert documents - given == {name for name in JSON_COLUMNS if "_" not in name or name == "allowed_ips"}


async def test_a_key_with_everything_a_call_must_know(database: Database) -> None:
    """A row per secret, its documents read."""
    rows = await database.run(lambda prepared: prepared.rows("key_facts", key_id="k"))
    assert sorted(row.digest for row in rows) == ["d1", "d2"]
    row = rows[0]
    assert (row.models, row.allowed_ips, row.limits) == (["sim*", "ü"], ["10.0.0.0/8"], {})
    assert (row.group, row.group_models, row.group_limits, row.ratio_ppm) == ("g", ["a*"], {"concurrency": 3}, 5)
    assert (row.user_limits, row.own_group_id) == ({"concurrency": 2}, "g")
    assert row.is_blocked
    assert not row.is_user_blocked
    assert await database.run(lambda prepared: prepared.rows("key_facts", key_id="' OR 1=1 --")) == []


async def test_records_are_entered_once(database: Database) -> None:
    """Told again beside new ones, only the new ones are new; what is stored is what was told."""

    def enter(*calls: str) -> Any:
        return lambda prepared: prepared.enter_usage([usage(call) for call in calls])

    assert await database.run(enter("a", "b"), Work.WRITE) == {"a", "b"}
    assert await database.run(enter("b", "c"), Work.WRITE) == {"c"}
    assert await database.run(enter("a", "b", "c"), Work.WRITE) == set()
    async with database.read() as connection:
        rows = (await connection.execute(select(usage_records).order_by(usage_records.c.id))).mappings().all()
    for row, call in zip(rows, "abc", strict=True):
        told = usage(call)
        assert dict(row) == {name: told["at_ms" if name == "created_at_ms" else name] for name in row}


async def test_work_that_fails_leaves_nothing(database: Database) -> None:
    """One transaction: what was changed before the failure is undone."""

    def work(prepared: Prepared) -> None:
        assert [row.balance_usd_micros for row in prepared.rows("charge_wallet", of_user="u", amount=30)] == [70]
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await database.run(work, Work.WRITE)
    rows = await database.run(lambda prepared: prepared.rows("wallet", user_id="u"))
    assert [tuple(row) for row in rows] == [(100, None)]


async def test_changes_say_what_they_met(database: Database) -> None:
    """The number of rows; many at once are one transaction."""
    met = await database.run(lambda prepared: prepared.change("charge_key", of_key="k", amount=7, at_ms=9), Work.WRITE)
    assert met == 1
    assert await database.run(lambda p: p.change("charge_key", of_key="no", amount=7, at_ms=9), Work.WRITE) == 0
    each = [{"of_key": "k", "at_ms": 11}, {"of_key": "no", "at_ms": 12}]
    await database.run(lambda prepared: prepared.change_each("note_used", each), Work.WRITE)
    rows = await database.run(lambda prepared: prepared.rows("key_facts", key_id="k"))
    assert {(row.spent_usd_micros, row.last_used_at_ms) for row in rows} == {(7, 11)}


async def test_a_file_that_is_locked_is_unavailable_and_recovers(tmp_path: Path) -> None:
    """Another program holds the file's lock: bounded, and afterwards everything is as before."""
    place = await migrated("sqlite", tmp_path)
    database = Database(place, timeout_s=0.3)
    await database.run(lambda prepared: prepared.rows("wallet", user_id="u"))
    assert place.file is not None
    with sqlite3.connect(place.file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GatewayError) as caught:
            await database.run(lambda prepared: prepared.enter_usage([usage("a")]), Work.WRITE)
        assert caught.value.kind is Kind.UNAVAILABLE
        assert await database.run(lambda prepared: prepared.rows("wallet", user_id="u")) == []
        other.execute("ROLLBACK")
    other.close()
    assert await database.run(lambda prepared: prepared.enter_usage([usage("a")]), Work.WRITE) == {"a"}
    await database.close()


async def test_work_that_nobody_waits_for_is_rolled_back(tmp_path: Path) -> None:
    """The caller is cancelled between two statements: the second is interrupted, or the first undone."""
    database = Database(await migrated("sqlite", tmp_path), timeout_s=PATIENCE_S)
    has_begun, may_go_on = threading.Event(), threading.Event()

    def work(prepared: Prepared) -> None:
        prepared.enter_usage([usage("a")])
        has_begun.set()
        may_go_on.wait(PATIENCE_S)
        prepared.enter_usage([usage(str(number)) for number in range(100_000)])

    task = asyncio.create_task(database.run(work, Work.WRITE))
    await asyncio.to_thread(has_begun.wait, PATIENCE_S)
    task.cancel()
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    known = await database.run(lambda prepared: prepared.enter_usage([usage("a")]), Work.WRITE)
    assert known == {"a"}
    await database.close()


async def test_a_long_question_holds_up_no_short_one(tmp_path: Path) -> None:
    """A day's history is read while keys are looked up and usage is written."""
    database = Database(await migrated("sqlite", tmp_path), timeout_s=PATIENCE_S)
    may_end = threading.Event()
    task = asyncio.create_task(database.run(lambda _prepared: may_end.wait(PATIENCE_S), Work.LONG))
    assert await database.run(lambda prepared: prepared.rows("wallet", user_id="u")) == []
    assert await database.run(lambda prepared: prepared.enter_usage([usage("a")]), Work.WRITE) == {"a"}
    assert not task.done()
    may_end.set()
    assert await task
    await database.close()


async def test_who_waits_when_it_is_closed_is_told(tmp_path: Path) -> None:
    """A change that stands in line finds the database closed: UNAVAILABLE, and nothing of it is done."""
    place = await migrated("sqlite", tmp_path)
    database, may_end = Database(place, timeout_s=PATIENCE_S), threading.Event()
    first = asyncio.create_task(database.run(lambda _prepared: may_end.wait(PATIENCE_S), Work.WRITE))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(database.run(lambda prepared: prepared.enter_usage([usage("a")]), Work.WRITE))
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0.05)
    may_end.set()
    assert await first
    with pytest.raises(GatewayError) as caught:
        await second
    assert caught.value.kind is Kind.UNAVAILABLE
    await closing
    assert place.file is not None
    with sqlite3.connect(place.file) as read:
        assert read.execute("SELECT count(*) FROM usage_records").fetchone() == (0,)
    read.close()


async def test_a_file_that_went_away_is_not_made_anew(tmp_path: Path) -> None:
    """An empty database would look like one without users."""
    place = await migrated("sqlite", tmp_path)
    database = Database(place, timeout_s=PATIENCE_S)
    await database.open()
    assert place.file is not None
    place.file.unlink()
    with pytest.raises(GatewayError) as caught:
        await database.run(lambda prepared: prepared.rows("wallet", user_id="u"))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert not place.file.exists()
    await database.close()


async def test_running_calls_need_no_sqlalchemy(tmp_path: Path) -> None:
    """A process that only answers calls of an existing file never imports it."""
    place = await migrated("sqlite", tmp_path)
    program = """
import asyncio, sys
from pathlib import Path
from gateway.accounts.book import Accounts
from gateway.accounts.journal.keeper import Keeper
from gateway.accounts.journal.record import Used
from gateway.config.schema import Config
from gateway.core.clock import SystemClock
from gateway.store.sql.database import Database
from gateway.store.sql.urls import place_of

async def main():
    database = Database(place_of("sqlite:///" + sys.argv[1], Path(".")))
    book = Accounts(database, Config, b"pepper", SystemClock())
    book.start()
    keeper = Keeper(Path(sys.argv[2]), "one", database)
    keeper.start()
    assert await book.read("key:none") is None
    assert await book.read("session:none") is None
    assert await book.purses.balance("wallet:none") == (0, 0)
    keeper.journal.ended(Used("1", 1, "", "k", "m", "p", "complete", 1, 1))
    await keeper.stop()
    await book.stop()
    print(sorted(name for name in sys.modules if name.startswith(("sqlalchemy", "alembic"))))

asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, str(place.file), str(tmp_path / "journal")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stdout + done.stderr
    assert place.file is not None
    with sqlite3.connect(place.file) as read:
        assert read.execute("SELECT id, key_id FROM usage_records").fetchall() == [("1", "k")]
    read.close()


async def test_a_new_file_is_migrated_first(tmp_path: Path) -> None:
    """Prepared statements find the tables, whoever opens the database first."""
    database = Database(fresh("sqlite", tmp_path), timeout_s=PATIENCE_S)
    assert await database.run(lambda prepared: prepared.rows("wallet", user_id="u")) == []
    await database.close()
