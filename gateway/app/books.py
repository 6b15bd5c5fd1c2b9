"""The accounts of a service, built from the configuration.

Rules:
    - Nothing is opened and nothing heavy imported here; whether the database can be opened is found out later.
Not here:
    - What they do (accounts).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from gateway.accounts.book import Accounts
from gateway.config.schema import Config
from gateway.core.clock import Clock
from gateway.observe.log import Log
from gateway.store.sql.database import Database
from gateway.store.sql.urls import Place, place_of


def database_of(config: Config, state_dir: Path) -> Place:
    """Where the accounts of a configuration are. Raises ValueError for a place that cannot be."""
    url = config.database.url
    place = place_of(url.reveal() if url is not None and url.is_set else None, state_dir)
    if not place.is_sqlite and find_spec("asyncpg") is None:
        raise ValueError("PostgreSQL (database.url) needs its driver: pip install 'one-gateway[postgres]'")
    return place


def accounts_of(
    current: Callable[[], Config], state_dir: Path, pepper: bytes, clock: Clock, log: Log
) -> Accounts | None:
    """The accounts, not opened yet; None when they are off. Raises ValueError."""
    config = current()
    if not config.accounts.enabled:
        return None
    settings = config.database
    place = database_of(config, state_dir)
    database = Database(place, timeout_s=settings.timeout_s, pool_max=settings.pool_max)

    def say(event: str, cause: str) -> None:
        log.write("error" if cause else "info", event, database=place.shown, **({"cause": cause} if cause else {}))

    return Accounts(database, current, pepper, clock, say)
