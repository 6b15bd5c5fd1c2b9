"""One database: opened at first use, one transaction per block, one kind of failure.

Rules:
    - What running calls ask goes by prepared statements (`run`): on SQLite without SQLAlchemy, which costs some 20 MB
      and most of a second. Whoever manages accounts reads and writes through it (`read`, `write`); it is imported
      then, in a thread, for calls are running.
    - Opening migrates, with a lock, so that two processes that start together do it once.
    - A database that cannot answer in `timeout_s` is GatewayError UNAVAILABLE with code `store_unavailable`, whatever
      its driver calls it; a broken constraint stays sqlalchemy.exc.IntegrityError: the caller knows what it means.
    - A write on SQLite takes the file's lock when it begins, one after the other in this process: never a deadlock.
Not here:
    - What is asked (accounts); how a schema changes (migrate).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.core.errors import GatewayError, Kind
from gateway.store.sql.file import File, Work, pragmas, version_of
from gateway.store.sql.prepared import CorePrepared, Prepared
from gateway.store.sql.urls import HEAD, Place

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")
RETRY_AFTER_S = 1.0
_HEAVY = ("sqlalchemy.ext.asyncio", "gateway.store.sql.tables")
_IS_WRITE = "gateway_is_write"
_CLASS_OF_BAD_VALUES = "22"  # of SQLSTATE: data exception


class Database:
    """A database at a place. `timeout_s` bounds every transaction, `pool_max` its connections.

    `beside` are modules that are needed once it is open: they are imported with its own, off the event loop.
    `opened` is called each time it was opened.
    """

    def __init__(
        self,
        place: Place,
        *,
        timeout_s: float = 5.0,
        pool_max: int = 10,
        beside: tuple[str, ...] = (),
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        self.place = place
        self.timeout_s = timeout_s
        self._pool_max = pool_max
        self._beside = beside
        self._opened = opened
        self._file: File | None = None
        self._engine: AsyncEngine | None = None
        self._opening = asyncio.Lock()
        self._writing: Any = asyncio.Lock() if place.is_sqlite else nullcontext()

    @property
    def is_open(self) -> bool:
        """Whether it was opened in this process."""
        return self._file is not None or self._engine is not None

    @property
    def has_data(self) -> bool:
        """Whether there may be anything in it: SQLite without a file has nothing, and is not asked."""
        return self.place.file is None or self.place.file.exists()

    async def open(self) -> None:
        """Make it ready and migrate. Again: nothing. Raises GatewayError UNAVAILABLE."""
        if self.is_open:
            return
        async with self._opening:
            if not self.is_open:
                await self._open()

    async def _open(self) -> None:
        path = self.place.file
        if path is None or not await self._is_current(path):
            await self._open_engine()
        if path is not None:
            self._file = File(path, self.timeout_s)
        self._opened()

    async def _is_current(self, path: Path) -> bool:
        """Whether SQLite's file has the schema of this version; makes the file."""
        with _said():
            await asyncio.to_thread(_make_file, self.place)
            return await asyncio.to_thread(version_of, path) == HEAD

    async def _open_engine(self) -> None:
        from gateway.store.sql.migrate import WrongVersion, upgrade

        await asyncio.to_thread(_import, (*_HEAVY, *self._beside))
        engine = make_engine(self.place, self._pool_max, self.timeout_s)
        try:
            with _said():
                await upgrade(engine, self.place)
        except BaseException as error:
            await engine.dispose()
            if isinstance(error, WrongVersion):
                raise unavailable(error) from error
            raise
        self._engine = engine

    async def close(self) -> None:
        """Close every connection."""
        file, self._file = self._file, None
        engine, self._engine = self._engine, None
        if file is not None:
            await file.close()
        if engine is not None:
            await engine.dispose()

    async def run(self, work: Callable[[Prepared], T], kind: Work = Work.READ) -> T:
        """The result of `work`, a plain function that runs in one transaction, off the event loop.

        Raises what it raises (of SQLite: sqlite3's own), GatewayError UNAVAILABLE. Cancelled, it is rolled back unless
        it was being committed: work is told again, and has to bear that.
        """
        await self.open()
        is_write, file = kind is Work.WRITE, self._file
        if file is None:
            async with self.write() if is_write else self.read() as connection:
                return await connection.run_sync(lambda sync: work(CorePrepared(sync)))
        with _said():
            async with asyncio.timeout(self.timeout_s), self._writing if is_write else nullcontext():
                if file is not self._file:
                    raise unavailable(RuntimeError("the database was closed"))
                return await file.run(work, kind)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection, None]:
        """A connection to read with. Raises GatewayError UNAVAILABLE."""
        engine = await self._ready()
        with _said():
            async with asyncio.timeout(self.timeout_s), engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection, None]:
        """A transaction: committed when the block ends, rolled back when it raises or is cancelled."""
        engine = await self._ready()
        with _said():
            async with asyncio.timeout(self.timeout_s), self._writing, engine.connect() as connection:
                _ = await connection.execution_options(**{_IS_WRITE: True})
                async with connection.begin():
                    yield connection

    async def _ready(self) -> AsyncEngine:
        """SQLAlchemy's engine, made when somebody needs it. Raises GatewayError UNAVAILABLE."""
        await self.open()
        if self._engine is None:
            async with self._opening:
                if self._engine is None:
                    await self._open_engine()
                    self._opened()
        if self._engine is None:
            raise RuntimeError("the database was closed")
        return self._engine


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        import_module(name)


class _said:  # noqa: N801 - it reads as a statement
    """Turn what drivers raise when a database cannot answer into the one failure of the module's rules."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith(_CLASS_OF_BAD_VALUES):
            text = "A value holds characters or numbers that cannot be stored."
            raise GatewayError(Kind.INVALID_REQUEST, text) from error
        if _is_outage(error):
            raise unavailable(error) from error


def unavailable(error: BaseException) -> GatewayError:
    """The failure of a store that cannot answer; the log has its cause."""
    return GatewayError(
        Kind.UNAVAILABLE,
        "The account database cannot answer now.",
        code="store_unavailable",
        retry_after_s=RETRY_AFTER_S,
        cause=f"{type(error).__name__}: {error}"[:500],
    )


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, TimeoutError | OSError):
        return True
    if isinstance(error, sqlite3.Error):
        return not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError)
    if "sqlalchemy" not in sys.modules:
        return False
    from sqlalchemy import exc

    if isinstance(error, exc.IntegrityError | exc.ProgrammingError | exc.DataError):
        return False
    return isinstance(error, exc.DBAPIError | exc.TimeoutError) or type(error).__module__.startswith("asyncpg")


def make_engine(place: Place, pool_max: int = 10, timeout_s: float = 5.0) -> AsyncEngine:
    """The engine of a place. Raises ValueError when PostgreSQL is asked for without its driver."""
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine

    if place.file is not None:
        _make_file(place)
        engine = create_async_engine(place.url, pool_size=pool_max, max_overflow=0)
        event.listen(engine.sync_engine, "connect", partial(_prepare, timeout_s))
        event.listen(engine.sync_engine, "begin", _begin)
        return engine
    try:
        return create_async_engine(
            place.url, pool_size=pool_max, max_overflow=0, pool_pre_ping=True, connect_args={"timeout": 5}
        )
    except ModuleNotFoundError as error:
        raise ValueError("PostgreSQL needs its driver: pip install 'one-gateway[postgres]'") from error


def _make_file(place: Place) -> None:
    """The file is its owner's alone, as everything in the state directory."""
    if place.file is not None:
        place.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(place.file, os.O_RDWR | os.O_CREAT, 0o600))


def _prepare(timeout_s: float, connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in pragmas(timeout_s):
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Any) -> None:
    is_write = connection.get_execution_options().get(_IS_WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")
