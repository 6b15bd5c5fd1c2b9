"""Prepared statements on one connection, asked by name: of SQLite without SQLAlchemy, of PostgreSQL through it.

Rules:
    - What uses them is a plain function of a `Prepared`; it runs in one transaction, off the event loop.
    - Both kinds give the same rows: members by name, JSON read; a flag of SQLite is 0 or 1.
Not here:
    - The statements (statements); whose transaction, time-outs, threads (database, file).
"""

from __future__ import annotations

import re
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway.wire import json

if TYPE_CHECKING:
    from sqlalchemy import Connection

TEXTS = Path(__file__).with_name("sqlite.sql")
JSON_COLUMNS = frozenset({"models", "allowed_ips", "limits", "user_limits", "group_models", "group_limits"})
_NAME = "-- name: "
_PARAMETER = re.compile(r":(\w+)")

sqlite3.register_adapter(bool, int)  # what SQLite does anyway, without looking for another way at each flag


class Prepared(Protocol):
    """Runs statements by their names. Raises what the driver raises."""

    def rows(self, name: str, **values: Any) -> list[Any]:
        """The rows of a question; members by name."""
        ...

    def change(self, name: str, **values: Any) -> int:
        """Run a change; how many rows it met."""
        ...

    def change_each(self, name: str, values: Sequence[Mapping[str, Any]]) -> None:
        """Run a change once for each of the values."""
        ...

    def enter_usage(self, records: Sequence[Mapping[str, Any]]) -> set[str]:
        """Insert the usage records whose id is not there yet; the ids of those. No id may be in `records` twice.

        A record has the columns of the table, `created_at_ms` as `at_ms`; what else it has is not looked at.
        """
        ...


class SqlitePrepared:
    """On a connection of sqlite3, within a transaction that somebody else begins and ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, name: str, **values: Any) -> list[Any]:
        """See Prepared."""
        cursor = self._connection.execute(texts()[name], values)
        make = _row_of(tuple(column[0] for column in cursor.description))
        return [make(row) for row in cursor]

    def change(self, name: str, **values: Any) -> int:
        """See Prepared."""
        return self._connection.execute(texts()[name], values).rowcount

    def change_each(self, name: str, values: Sequence[Mapping[str, Any]]) -> None:
        """See Prepared."""
        self._connection.executemany(texts()[name], values)

    def enter_usage(self, records: Sequence[Mapping[str, Any]]) -> set[str]:
        """See Prepared. What is there already is looked for only when something is."""
        ids = {record["id"] for record in records}
        statement, values_of = _enter_usage()
        run = self._connection.execute
        run("SAVEPOINT usage")
        try:
            self._connection.executemany(statement, map(values_of, records))
        except sqlite3.IntegrityError:
            run("ROLLBACK TO usage")  # nobody else writes meanwhile: who looks first has looked well enough
            ids.difference_update(row[0] for row in run(texts()["known_usage"], {"ids": json.text(list(ids))}))
            self._connection.executemany(statement, [values_of(record) for record in records if record["id"] in ids])
        run("RELEASE usage")
        return ids


class CorePrepared:
    """On a connection of SQLAlchemy, within a transaction that somebody else begins and ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, name: str, **values: Any) -> list[Any]:
        """See Prepared."""
        return list(self._run(name, values).all())

    def change(self, name: str, **values: Any) -> int:
        """See Prepared."""
        return int(self._run(name, values).rowcount)

    def change_each(self, name: str, values: Sequence[Mapping[str, Any]]) -> None:
        """See Prepared."""
        self._run(name, list(values))

    def enter_usage(self, records: Sequence[Mapping[str, Any]]) -> set[str]:
        """See Prepared."""
        from sqlalchemy.dialects.postgresql import insert

        from gateway.store.sql.statements import USAGE_NAMES
        from gateway.store.sql.tables import usage_records

        new = insert(usage_records).on_conflict_do_nothing(index_elements=["id"]).returning(usage_records.c.id)
        names = {column.name: USAGE_NAMES.get(column.name, column.name) for column in usage_records.c}
        rows = [{column: record[name] for column, name in names.items()} for record in records]
        return {str(row[0]) for row in self._connection.execute(new, rows)}

    def _run(self, name: str, values: Any) -> Any:
        from gateway.store.sql.statements import statement

        return self._connection.execute(statement(name), values)


@cache
def texts() -> Mapping[str, str]:
    """SQLite's text of each statement."""
    blocks = TEXTS.read_text(encoding="utf-8").split(_NAME)[1:]
    found = (block.split("\n", 1) for block in blocks)
    return {name: text.strip().removesuffix(";") for name, text in found}


@cache
def _enter_usage() -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
    """The statement by places instead of names, and what takes a record's values in that order: a third faster."""
    text = texts()["enter_usage"]
    return _PARAMETER.sub("?", text), itemgetter(*_PARAMETER.findall(text))


@cache
def _row_of(columns: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """Makes a row with these members of what sqlite3 gives."""
    kind = namedtuple("Row", columns)  # type: ignore[misc]  # noqa: PYI024 - its members are known only here
    documents = [at for at, column in enumerate(columns) if column in JSON_COLUMNS]
    if not documents:
        return kind._make

    def read(given: Sequence[Any]) -> Any:
        values = list(given)
        for at in documents:
            values[at] = json.loads(values[at].encode())
        return kind._make(values)

    return read
