"""Bringing a database to the schema of this version, once, whoever starts first.

Rules:
    - A lock is held while it happens: a file beside SQLite's, an advisory lock in PostgreSQL.
    - A database that is current is only asked for its version: alembic is not imported for it.
    - A database of a newer gateway is refused, not guessed at.
Not here:
    - The steps (migrations/versions); what tables hold (tables).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from gateway.store.sql.urls import HEAD, Place

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

FOLDER = Path(__file__).parent / "migrations"
LOCK_ID = 0x6761746577617901  # any number nobody else uses in that database
LOCK_WAIT_S = 60.0
_upgrading: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class WrongVersion(ValueError):
    """The database is of a gateway that this one does not know."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands. `version` is empty before the first migration."""

    place: str
    version: str
    newest: str

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.version == self.newest


async def status(engine: AsyncEngine, place: Place) -> Status:
    """Where it stands; nothing is changed."""
    async with engine.connect() as connection:
        return Status(place.shown, await _version(connection), HEAD)


async def upgrade(engine: AsyncEngine, place: Place) -> bool:
    """Bring it to HEAD; whether anything was to be done. Raises WrongVersion."""
    if (await status(engine, place)).is_current:
        return False
    async with _one_at_a_time(), _alone(engine, place), engine.connect() as connection:
        version = await _version(connection)
        await connection.rollback()
        if version == HEAD:
            return False
        await asyncio.to_thread(import_module, "alembic.command")
        await connection.run_sync(_run)
        await connection.commit()
    return True


def _one_at_a_time() -> asyncio.Lock:
    """Of this process: alembic keeps what it works on in its modules."""
    return _upgrading.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _version(connection: AsyncConnection) -> str:
    from sqlalchemy import inspect, text

    def read(sync: Connection) -> str:
        if not inspect(sync).has_table("alembic_version"):
            return ""
        return str(sync.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")

    return await connection.run_sync(read)


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.util.exc import CommandError

    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise WrongVersion(f"this database is of another version of the gateway: {error}") from error


def alembic_config(connection: Connection | None = None) -> Any:
    """Alembic's settings; there is no ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@asynccontextmanager
async def _alone(engine: AsyncEngine, place: Place) -> AsyncGenerator[None, None]:
    if place.file is None:
        async with _advisory(engine):
            yield
        return
    lock = place.file.with_name(f"{place.file.name}.lock")
    with _file_lock(lock) as fd:
        async with asyncio.timeout(LOCK_WAIT_S):
            await asyncio.to_thread(fcntl.flock, fd, fcntl.LOCK_EX)
        yield


@contextmanager
def _file_lock(path: Path) -> Generator[int, None, None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@asynccontextmanager
async def _advisory(engine: AsyncEngine) -> AsyncGenerator[None, None]:
    """The lock is its connection's: one that dies lets go of it."""
    from sqlalchemy import text

    async with engine.connect() as connection:
        async with asyncio.timeout(LOCK_WAIT_S):
            await connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": LOCK_ID})
        try:
            yield
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": LOCK_ID})


def backup(place: Place, target: Path) -> int:
    """Copy a SQLite database that may be in use, whole; the size of the copy in bytes.

    Raises ValueError for PostgreSQL, which has its own tools, and FileExistsError, FileNotFoundError.
    """
    import sqlite3

    if place.file is None:
        raise ValueError("PostgreSQL has its own tools: pg_dump --format=custom")
    if not place.file.exists():
        raise FileNotFoundError(place.file)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source, copy = sqlite3.connect(place.file), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
    return target.stat().st_size
