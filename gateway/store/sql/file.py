"""SQLite's file without SQLAlchemy: a connection for each kind of work, each in a thread of its own.

Rules:
    - Work is a plain function of a `Prepared`, in one transaction: committed when it returns, rolled back when it
      raises. Who stops waiting for it interrupts it: it is rolled back, unless it was being committed already.
    - A write takes the file's lock when it begins. What may take long does not hold up short questions.
    - A file that is gone is not made anew.
Not here:
    - Making the file, its schema, what failures mean (database, migrate).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from gateway.store.sql.prepared import Prepared, SqlitePrepared

T = TypeVar("T")
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
_VERSION = "SELECT version_num FROM alembic_version"


class Work(Enum):
    """What a piece of work is: a short question, a long one, or a change."""

    READ = "read"
    LONG = "long"
    WRITE = "write"


_BEGIN = {Work.WRITE: "BEGIN IMMEDIATE"}


def pragmas(timeout_s: float) -> tuple[str, ...]:
    """What every connection is told. The wait for a lock is bounded here, too: a thread that waits is not cancelled."""
    return tuple(f"PRAGMA {pragma}" for pragma in (*PRAGMAS, f"busy_timeout={int(timeout_s * 1000)}"))


@dataclass(slots=True, eq=False)
class _Wanted:
    """Whether somebody waits for a piece of work."""

    is_still: bool = True

    def check(self) -> None:
        """Raises sqlite3.OperationalError when nobody does any more."""
        if not self.is_still:
            raise sqlite3.OperationalError("nobody waits for it any more")


class Line:
    """One connection and its thread; opened at first use. `begin` is the statement a transaction begins with."""

    def __init__(self, path: Path, timeout_s: float, begin: str) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._begin = begin
        self._thread = ThreadPoolExecutor(1, "gateway-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # of `_running`: an interrupt never meets the next work
        self._running: _Wanted | None = None

    async def run(self, work: Callable[[Prepared], T]) -> T:
        """The result of `work`. Raises what it raises, and sqlite3.Error; cancelled: see the module's rules."""
        wanted = _Wanted()
        job = asyncio.get_running_loop().run_in_executor(self._thread, self._run, work, wanted)
        try:
            return await asyncio.shield(job)
        finally:
            if not job.done():
                wanted.is_still = False
                job.cancel()  # of what has not begun
                with self._lock:
                    if self._running is wanted and self._connection is not None:
                        self._connection.interrupt()

    async def close(self) -> None:
        """Close the connection, once what runs has ended."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _run(self, work: Callable[[Prepared], T], wanted: _Wanted) -> T:
        with self._lock:
            self._running = wanted
        try:
            connection = self._connection or self._open()
            connection.execute(self._begin)
            try:
                result = work(SqlitePrepared(connection))
                wanted.check()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result
        finally:
            with self._lock:
                self._running = None

    def _open(self) -> sqlite3.Connection:
        where = f"{self._path.absolute().as_uri()}?mode=rw"
        made = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False)
        try:
            for pragma in pragmas(self._timeout_s):
                made.execute(pragma)
        except BaseException:
            made.close()
            raise
        self._connection = made
        return made

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class File:
    """A SQLite database that exists and has the schema of this version."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._lines = {kind: Line(path, timeout_s, _BEGIN.get(kind, "BEGIN")) for kind in Work}

    async def run(self, work: Callable[[Prepared], T], kind: Work) -> T:
        """See Line.run."""
        return await self._lines[kind].run(work)

    async def close(self) -> None:
        """Close every connection."""
        for line in self._lines.values():
            await line.close()


def version_of(path: Path) -> str:
    """The version of a file's schema; empty for one that has none yet. Blocks. Raises sqlite3.Error."""
    connection = sqlite3.connect(path)
    try:
        row = connection.execute(_VERSION).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return ""
        raise
    finally:
        connection.close()
    return str(row[0]) if row else ""
