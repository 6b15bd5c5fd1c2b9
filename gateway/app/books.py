"""The accounts of a service, built from the configuration.

Rules:
    - Nothing is opened and nothing heavy imported here; whether the database can be opened is found out later.
Not here:
    - What they do (accounts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from gateway.accounts.book import Accounts
from gateway.accounts.history import History, Spent
from gateway.accounts.journal.keeper import Keeper
from gateway.app.heap import grown
from gateway.config.schema import Config
from gateway.core.clock import Clock
from gateway.core.limits import Amounts
from gateway.observe.log import Log
from gateway.quota.memory import MemoryQuota
from gateway.quota.reservation import Quota
from gateway.quota.shared import SharedQuota
from gateway.store.sql.database import Database
from gateway.store.sql.urls import Place, place_of
from gateway.store.valkey import Valkey

BESIDE = ("jwt", "argon2")  # what accounts need once there are any


def database_of(config: Config, state_dir: Path) -> Place:
    """Where the accounts of a configuration are. Raises ValueError for a place that cannot be."""
    url = config.database.url
    place = place_of(url.reveal() if url is not None and url.is_set else None, state_dir)
    if not place.is_sqlite and find_spec("asyncpg") is None:
        raise ValueError("PostgreSQL (database.url) needs its driver: pip install 'one-gateway[postgres]'")
    return place


def accounts_of(
    current: Callable[[], Config], state_dir: Path, pepper: bytes, clock: Clock, log: Log, store: Valkey | None = None
) -> Accounts | None:
    """The accounts, not opened yet; None when they are off. Raises ValueError."""
    config = current()
    if not config.accounts.enabled:
        return None
    settings = config.database
    place = database_of(config, state_dir)
    database = Database(place, timeout_s=settings.timeout_s, pool_max=settings.pool_max, beside=BESIDE, opened=grown)

    return Accounts(database, current, pepper, clock, _say(log, place), store)


def keeper_of(accounts: Accounts, config: Config, state_dir: Path, instance: str, log: Log) -> Keeper | None:
    """The journal of this process; None when usage is not written down. Raises OSError for a folder that cannot be."""
    if not config.accounts.is_usage_recorded:
        return None
    keeper = Keeper(state_dir / "journal", instance, accounts.database, _say(log, accounts.database.place))
    accounts.purses.keeper = keeper
    return keeper


def history_of(accounts: Accounts, clock: Clock, quota: Quota) -> History | None:
    """What a restart would forget of limits per day; None where the counts outlive the process."""
    if not isinstance(quota, MemoryQuota):
        return None

    def recalled(subject: str, day: Sequence[Spent]) -> None:
        for spent in day:
            quota.recall(subject, spent.age_s, Amounts(spent.input_tokens, spent.output_tokens), spent.requests)

    history = History(accounts.database, clock, recalled)
    quota.began_day = history.ask
    return history


def quota_of(config: Config, clock: Clock, store: Valkey | None) -> Quota:
    """Where limits are counted: in the shared store, if there is one."""
    local = MemoryQuota(clock)
    if store is None:
        return local
    settings = config.store
    return SharedQuota(
        store, local, on_loss=settings.on_limits_loss, replicas=settings.replicas, prefix=settings.prefix
    )


def _say(log: Log, place: Place) -> Callable[[str, str], None]:
    def say(event: str, cause: str) -> None:
        log.write("error" if cause else "info", event, database=place.shown, **({"cause": cause} if cause else {}))

    return say
