"""The journal's files of one process: lines appended, closed now and then, deleted when the database has them.

Rules:
    - Lines of one turn of the event loop go out in one write, before any answer of that turn reaches its caller;
      without a loop at once. What was written survives the process.
    - The folder belongs to who holds its lock; one without a holder is of a dead process and may be taken over.
    - A write that fails (a full disk) keeps its lines, at most `WAITING_MAX_BYTES`, and tries again with the next;
      what is beyond is counted as dropped.
Not here:
    - What a line says (record); reading them into the database (flush).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gateway.accounts.journal.record import Row, Running, Used, used_of, used_row_of
from gateway.accounts.journal.slots import Meter, Slots, left_in

T = TypeVar("T")
WAITING_MAX_BYTES = 16 * 2**20
LINE_MAX_BYTES = 64 * 1024
_SLOTS = "running"
_LOCK = "lock"
_SUFFIX = ".jsonl"


class Journal:
    """The journal of this process in a folder of its own under `root`, named `instance`.

    `trouble` is told, once per outage, what the disk said. Raises OSError when the folder cannot be made.
    """

    def __init__(self, root: Path, instance: str, trouble: Callable[[OSError], None] = lambda _error: None) -> None:
        self.folder = root / instance
        for above in (root.parent, root):  # `parents=True` would let others look into what it makes
            above.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700)
        self._lock = _locked(self.folder)
        self._slots = Slots(self.folder / _SLOTS)
        self._number = 0
        self._fd = self._open_next()
        self._waiting = bytearray()
        self._freed: list[Meter] = []
        self._is_called = False
        self._is_in_trouble = False
        self._trouble = trouble
        self._calls = 0
        self.written = 0  # lines in the open segment
        self.dropped_bytes = 0

    def new_id(self) -> str:
        """An id for a call, unique over all processes."""
        self._calls += 1
        return f"{self.folder.name}-{self._calls}"

    def began(self, running: Running) -> Meter | None:
        """A stream was promised to its caller; the meter takes what is delivered. None when there is no room for it."""
        return self._slots.take(running)

    def ended(self, used: Used, meter: Meter | None = None) -> None:
        """A call was settled."""
        line = used.line()
        if len(self._waiting) + len(line) > WAITING_MAX_BYTES:
            self.dropped_bytes += len(line)
        else:
            self._waiting += line
        if meter is not None:
            self._freed.append(meter)
        self._write_soon()

    @property
    def has_lines(self) -> bool:
        """Whether there is anything that the database has not taken."""
        return bool(self.written or self._waiting) or len(segments_of(self.folder)) > 1

    def write(self) -> None:
        """Write what waits."""
        self._is_called = False
        waiting = self._waiting
        while waiting:
            try:
                count = os.write(self._fd, waiting)
            except OSError as error:
                if not self._is_in_trouble:
                    self._is_in_trouble = True
                    self._trouble(error)
                return
            self.written += waiting.count(b"\n", 0, count)
            del waiting[:count]
        self._is_in_trouble = False
        for meter in self._freed:
            self._slots.give_back(meter)
        self._freed.clear()

    def turn(self) -> list[Path]:
        """Close the open segment, if it has lines, and begin another; the closed ones, oldest first."""
        self.write()
        if self.written and not self._waiting:
            os.close(self._fd)
            self._fd = self._open_next()
            self.written = 0
        return segments_of(self.folder)[:-1]

    def close(self) -> None:
        """Write what waits and let go of the folder; its segments stay until somebody has taken them over."""
        self.write()
        os.close(self._fd)
        self._slots.close()
        os.close(self._lock)

    def _write_soon(self) -> None:
        if self._is_called:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.write()
            return
        self._is_called = True
        loop.call_soon(self.write)

    def _open_next(self) -> int:
        self._number += 1
        path = self.folder / f"{self._number:08}{_SUFFIX}"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)


class Orphan:
    """The folder of a process that is gone, held until `close`."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def records(self) -> Iterator[Used]:
        """Every call that ended, then what was delivered of streams that nobody settled."""
        seen: set[str] = set()
        for segment in segments_of(self.folder):
            for used in lines_of(segment):
                seen.add(used.id)
                yield used
        for running, chars in left_in(self.folder / _SLOTS):
            if running.id not in seen:
                yield running.lost(chars)

    def close(self, *, is_done: bool) -> None:
        """Let go of it; `is_done`: the database has everything, the folder goes."""
        if is_done:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def orphans_of(root: Path) -> Iterator[Orphan]:
    """Take over what dead processes left under `root`."""
    if not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        with suppress(OSError):
            yield Orphan(folder, _locked(folder))


def segments_of(folder: Path) -> list[Path]:
    """The segments of a folder, oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def lines_of(segment: Path) -> Iterator[Used]:
    """The records of a segment; a line that is none is left out."""
    return _read(segment, used_of)


def rows_of(segment: Path) -> Iterator[Row]:
    """The same as rows, as the database takes them."""
    return _read(segment, used_row_of)


def _read(segment: Path, record_of: Callable[[bytes], T | None]) -> Iterator[T]:
    with segment.open("rb") as file:
        while line := file.readline(LINE_MAX_BYTES):
            record = record_of(line)
            if record is not None:
                yield record


def _locked(folder: Path) -> int:
    """Hold a folder. Raises OSError when somebody does."""
    fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd
