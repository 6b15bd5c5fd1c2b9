"""Which database: the setting `database.url` as SQLAlchemy takes it.

Rules:
    - Imports nothing heavy: it is asked at every start, also of a gateway that never opens its database.
    - A URL is shown without its password, always.
Not here:
    - Opening it (database); the setting (config.schema.accounts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "gateway.db"
HEAD = "0002"  # the newest step of the migrations; a test compares
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)")


@dataclass(frozen=True, slots=True)
class Place:
    """A database. `file` is set for SQLite only; `shown` holds no password."""

    url: str
    file: Path | None
    shown: str

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.file is not None


def place_of(url: str | None, state_dir: Path) -> Place:
    """The database at `url`; without one, the file in the state directory.

    Raises ValueError for a scheme that is not sqlite or postgresql, and for SQLite in memory (every connection
    would have its own).
    """
    if not url:
        return _file(state_dir / FILE_NAME)
    scheme, found, rest = url.partition("://")
    driver = _DRIVERS.get(scheme.lower())
    if not found or driver is None:
        raise ValueError("database.url begins with none of sqlite:///, postgresql://")
    if driver.startswith("sqlite"):
        path = rest.partition("?")[0].removeprefix("/")
        if path in ("", ":memory:"):
            raise ValueError("database.url: SQLite needs a file, e.g. sqlite:////var/lib/gateway/gateway.db")
        return _file(Path(path))
    return Place(f"{driver}://{rest}", None, f"postgresql://{_PASSWORD.sub('***', rest)}")


def _file(path: Path) -> Place:
    return Place(f"sqlite+aiosqlite:///{path}", path, str(path))
