"""Log records: one JSON object per line (or readable text on a terminal), on standard error.

Rules:
    - A record is named fields; nothing formats a message from untrusted text, so nothing can be injected.
    - Writing never waits: lines are gathered and written at most 50 ms later, in one system call. What a full pipe
      does not take is tried again; when more than `PENDING_MAX` lines wait, further ones are dropped and counted
      (`dropped_count`, and in the next record).
    - A `Secret` prints as `***`; objects JSON does not know print as their `str`.
Not here:
    - The descriptor (sink.py).
    - What is worth a record (whoever calls `write`); bodies, of which only pipeline.said shows some, at level debug.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from gateway.observe.sink import Sink

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
FLUSH_AFTER_S = 0.05
PENDING_MAX = 10_000
LAST_WORDS_S = 1.0  # for a full output at the end of a process


class Log:
    """Where records of one process go.

    `schedule(delay_s, function)` runs a function later (an event loop's `call_later`); until one is
    given by `attach`, every record is written at once.
    """

    def __init__(self, level: str = "info", *, is_json: bool = True, role: str = "", fd: int = 2) -> None:
        self.level = LEVELS[level]
        self.is_json = is_json
        self.generation = 0
        self._role = role
        self._sink = Sink(fd)
        self._pending: list[bytes] = []
        self._rest = b""  # begun, or not taken by a full output
        self._dropped = 0
        self.dropped_count = 0  # since the process began
        self._schedule: Callable[[float, Callable[[], None]], object] | None = None
        self._is_scheduled = False

    def attach(self, schedule: Callable[[float, Callable[[], None]], object]) -> None:
        """Gather lines from now on, flushing by `schedule`."""
        self._schedule = schedule

    def detach(self) -> None:
        """Write what waits, and every further record at once."""
        self._schedule = None
        self.flush()
        if self._rest:
            self._sink.wait(LAST_WORDS_S)
            self.flush()

    def write(self, level: str, event: str, **fields: Any) -> None:
        """Write one record. Never raises and never waits."""
        self.write_record(level, event, fields)

    def write_record(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """`write`, for who has the fields in a dictionary already."""
        if LEVELS[level] < self.level:
            return
        if len(self._pending) >= PENDING_MAX:
            self._dropped += 1
            self.dropped_count += 1
            return
        self._pending.append(self._line(level, event, fields))
        if self._schedule is None:
            self.flush()
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Write what waits and can be taken. A closed output loses the lines, a full one is tried again."""
        self._is_scheduled = False
        if self._rest:
            self._rest = self._sink.write(self._rest)
        if self._rest:
            self._try_again()
            return
        if self._dropped:
            self._pending.append(self._line("warning", "log lines dropped", {"count": self._dropped}))
            self._dropped = 0
        data, self._pending = b"".join(self._pending), []
        self._rest = self._sink.write(data)
        if self._rest:
            self._try_again()

    def _try_again(self) -> None:
        if self._schedule is not None and not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(FLUSH_AFTER_S, self.flush)

    def _line(self, level: str, event: str, fields: dict[str, Any]) -> bytes:
        if not self.is_json:
            return _console_line(level, event, fields)
        head = f'{{"ts":"{_timestamp()}","level":"{level}","role":"{self._role}","generation":{self.generation}'
        rest = _json(fields)
        return b'%b,"event":%b%b%b\n' % (head.encode(), _name(event), b"," if fields else b"", rest[1:])


def make_log(level: str, log_format: str, role: str) -> Log:
    """The log of a process: `log_format` is auto, json or console."""
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    return Log(level, is_json=is_json, role=role)


def _timestamp() -> str:
    """UTC to the millisecond, as ISO 8601."""
    second, millis = divmod(int(time.time() * 1000), 1000)
    return f"{_second(second)}.{millis:03d}Z"


@lru_cache(maxsize=256)
def _name(event: str) -> bytes:
    return orjson.dumps(event)


@lru_cache(maxsize=2)
def _second(unix_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s))


def _json(value: Any) -> bytes:
    """JSON of anything: what JSON cannot hold (half a surrogate pair, an integer over 64 bits) is shown as text."""
    try:
        return orjson.dumps(value, default=str)
    except TypeError:
        if isinstance(value, dict):
            return orjson.dumps({_text(name): orjson.Fragment(_json(member)) for name, member in value.items()})
        return orjson.dumps(_text(value))


def _text(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def _console_line(level: str, event: str, fields: dict[str, Any]) -> bytes:
    shown = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value not in (None, "", {}))
    return f"{time.strftime('%H:%M:%S')} {level:<7} {event:<22} {shown}\n".encode("utf-8", "replace")


def _plain(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float) else _json(value).decode()
    return text.encode("unicode_escape").decode() if not text.isprintable() else text
