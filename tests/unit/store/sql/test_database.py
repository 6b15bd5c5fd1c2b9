"""One database, two kinds: migrated once, transactions whole or not at all, one kind of failure."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.core.errors import GatewayError, Kind
from gateway.store.sql import migrate, tables
from gateway.store.sql.database import Database, make_engine
from gateway.store.sql.urls import HEAD, place_of
from tests.support.databases import KINDS, fresh
from tests.support.waiting import PATIENCE_S


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database of each kind."""
    made = Database(fresh(request.param, tmp_path), timeout_s=PATIENCE_S)
    yield made
    await made.close()


async def test_tables_are_what_the_migrations_make(database: Database) -> None:
    """The schema that code asks for is the schema a deployed database has."""
    await database.open()
    async with database.read() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), tables.metadata)
        )
    assert found == []


def test_head_is_alembics() -> None:
    """The version that a start compares with is the newest step."""
    assert ScriptDirectory.from_config(migrate.alembic_config()).get_current_head() == HEAD


async def test_two_that_open_at_once_migrate_once(database: Database) -> None:
    """Two processes of one database start together: both work, the steps ran once."""
    other = Database(database.place, timeout_s=PATIENCE_S)
    await asyncio.gather(database.open(), other.open())
    for each in (database, other):
        async with each.read() as connection:
            assert (await connection.execute(select(func.count()).select_from(tables.groups))).scalar() == 1
    await other.close()


async def test_a_database_of_the_step_before_keeps_what_it_has(database: Database) -> None:
    """What an older gateway wrote is there after the upgrade, without what it did not know."""

    def first_step(connection: Connection) -> None:
        command.upgrade(migrate.alembic_config(connection), "0001")

    engine = make_engine(database.place)
    entry = "INSERT INTO audit_log (at_ms, actor, action, subject, details, peer, request_id)"
    async with engine.connect() as connection:
        await connection.run_sync(first_step)
        await connection.execute(text(f"{entry} VALUES (1, 'system', 'user.create', 'user:1', '{{}}', '', '')"))
        await connection.commit()
    await engine.dispose()
    await database.open()
    async with database.read() as connection:
        (row,) = (await connection.execute(select(tables.audit_log))).mappings().all()
    assert (row["actor"], row["generation"]) == ("system", None)


async def test_a_newer_database_is_refused(database: Database) -> None:
    """A gateway does not guess what a later version meant."""
    await database.open()
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(GatewayError, match="cannot answer") as refused:
        await Database(database.place, timeout_s=PATIENCE_S).open()
    assert "another version" in refused.value.cause


async def test_a_block_that_raises_changes_nothing(database: Database) -> None:
    """A transaction is whole or not at all."""
    with pytest.raises(RuntimeError):
        async with database.write() as connection:
            await connection.execute(update(tables.groups).values(name="changed"))
            raise RuntimeError
    async with database.read() as connection:
        assert (await connection.execute(select(tables.groups.c.name))).scalar() == "Everybody"


async def test_a_cancelled_block_changes_nothing_and_frees_the_database(database: Database) -> None:
    """Who leaves in the middle leaves nothing behind, and holds nobody up."""
    is_inside = asyncio.Event()

    async def stay() -> None:
        async with database.write() as connection:
            await connection.execute(update(tables.groups).values(name="changed"))
            is_inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(stay())
    await is_inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.write() as connection:
        assert (await connection.execute(select(tables.groups.c.name))).scalar() == "Everybody"


async def test_concurrent_writers_lose_nothing(database: Database) -> None:
    """Fifty at once add one each: the sum is fifty."""

    async def add() -> None:
        async with database.write() as connection:
            await connection.execute(update(tables.groups).values(ratio_ppm=tables.groups.c.ratio_ppm + 1))

    await asyncio.gather(*(add() for _ in range(50)))
    async with database.read() as connection:
        assert (await connection.execute(select(tables.groups.c.ratio_ppm))).scalar() == 1_000_050


async def test_a_broken_constraint_is_no_outage(database: Database) -> None:
    """A duplicate is the caller's to explain."""
    row = {"id": "default", "name": "", "ratio_ppm": 1, "models": [], "limits": {}, "created_at_ms": 0}
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(insert(tables.groups).values(**row))


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """Cannot tell is 503, with a time to come back."""
    database = Database(place_of("postgresql://nobody:pass-never-shown@127.0.0.1:1/none", tmp_path))
    with pytest.raises(GatewayError) as refused:
        async with database.read():
            pass
    assert refused.value.kind is Kind.UNAVAILABLE
    assert refused.value.code == "store_unavailable"
    assert "pass-never-shown" not in refused.value.message + refused.value.cause


async def test_a_database_that_hangs_is_unavailable_in_time(tmp_path: Path) -> None:
    """Another process holds the file's lock: the wait ends at the timeout, and works again afterwards."""
    database = Database(fresh("sqlite", tmp_path), timeout_s=0.3)
    await database.open()
    holder = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(GatewayError) as refused:
        async with database.write():
            pass
    assert refused.value.kind is Kind.UNAVAILABLE
    holder.execute("ROLLBACK")
    holder.close()
    async with database.write() as connection:
        await connection.execute(update(tables.groups).values(name="later"))
    await database.close()


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else reads the digests of keys."""
    database = Database(place_of(None, tmp_path / "state"))
    await database.open()
    await database.close()
    assert stat.S_IMODE((tmp_path / "state" / "gateway.db").stat().st_mode) == 0o600


async def test_a_backup_is_whole(tmp_path: Path) -> None:
    """A copy made while the database is open has what was committed; an existing file is not overwritten."""
    database = Database(fresh("sqlite", tmp_path), timeout_s=PATIENCE_S)
    async with database.write() as connection:
        await connection.execute(update(tables.groups).values(name="kept"))
    size = migrate.backup(database.place, tmp_path / "copy.db")
    await database.close()
    assert size == (tmp_path / "copy.db").stat().st_size
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT name FROM groups").fetchall() == [("kept",)]
    copy.close()
    with pytest.raises(FileExistsError):
        migrate.backup(database.place, tmp_path / "copy.db")


async def test_status_changes_nothing(database: Database) -> None:
    """Asking where a database stands is no migration."""
    engine = make_engine(database.place)
    assert (await migrate.status(engine, database.place)).version == ""
    assert not (await migrate.status(engine, database.place)).is_current
    assert await migrate.upgrade(engine, database.place)
    assert (await migrate.status(engine, database.place)).is_current
    assert not await migrate.upgrade(engine, database.place)
    await engine.dispose()


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://h/db", "postgresql+asyncpg://h/db"),
        ("postgresql://u:p@h:1/db?ssl=require", "postgresql+asyncpg://u:p@h:1/db?ssl=require"),
        ("sqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db"),
        (None, "sqlite+aiosqlite:////state/gateway.db"),
    ],
)
def test_urls(url: str | None, driver: str) -> None:
    """The driver is ours to choose; without a setting it is the file in the state directory."""
    assert place_of(url, Path("/state")).url == driver


@pytest.mark.parametrize(
    "url", ["mysql://h/db", "sqlite://", "sqlite:///:memory:", "nonsense", "postgresql+psycopg://h/d"]
)
def test_urls_that_lead_nowhere(url: str) -> None:
    """What cannot be opened is said at once."""
    with pytest.raises(ValueError, match=r"database\.url"):
        place_of(url, Path("/state"))


def test_no_password_is_shown() -> None:
    """What goes into logs and tables names the database, not how to enter it."""
    assert "secret" not in place_of("postgresql://user:secret@host/db", Path("/")).shown


def test_nothing_heavy_before_the_first_use() -> None:
    """A gateway that never asks its database does not carry SQLAlchemy."""
    code = (
        "import sys, gateway.store.sql.database as d, gateway.store.sql.urls; "
        "sys.exit(any(m.split('.')[0] in ('sqlalchemy', 'alembic', 'aiosqlite', 'asyncpg') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_who_wants_to_know_is_told_when_it_is_open(tmp_path: Path) -> None:
    """Once for each time it was opened, not for each use."""
    told: list[bool] = []
    mine = Database(fresh("sqlite", tmp_path), opened=lambda: told.append(mine.is_open))
    for _ in range(3):
        async with mine.read():
            assert told == [True]
    await mine.close()
    await mine.open()
    assert told == [True, True]
    await mine.close()
