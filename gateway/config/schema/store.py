"""The section about a store that several services share: store.

Rules:
    - No call depends on it: what a call does without it is said where it is used.

Not here: what is kept in it (schema/caching.py); asking it (store).
"""

from typing import Literal

from gateway.config.schema.base import SecretValue, Section, setting
from gateway.config.schema.edge import Backoff


class Store(Section):
    """A Valkey or Redis server that several services share. Needs the extra `redis`."""

    url: SecretValue | None = setting(
        None,
        "`valkey://`, `redis://` (plain), `valkeys://`, `rediss://` (TLS) or `unix://` with user, password, host, port "
        "and database, as a secret; unset = no shared store.",
        reloads=False,
    )
    prefix: str = setting(
        "gateway:", "What every key in it begins with.", reloads=False, pattern=r"^[A-Za-z0-9_:.-]{0,64}$"
    )
    timeout_ms: int = setting(
        100,
        "Longest wait for one answer; what a call can lose when the store fails.",
        unit="milliseconds",
        reloads=False,
        ge=1,
        le=60_000,
    )
    connect_timeout_ms: int = setting(
        1000, "Longest try to reach a store that was lost; no call waits for it.", unit="milliseconds", reloads=False,
        ge=1, le=60_000,
    )  # fmt: skip
    connections_max: int = setting(
        32, "Open connections of one service.", unit="connections", reloads=False, ge=1, le=10_000
    )
    on_limits_loss: Literal["local", "deny", "allow"] = setting(
        "local",
        "Limits while the store is away: `local` counts in each service with its share, `deny` refuses calls that have "
        "limits, `allow` lets them in.",
        reloads=False,
    )
    replicas: int = setting(
        1,
        "Services that share the store: the share of each limit one of them may use alone. More than one need "
        "`store.url`, and `database.url` of a PostgreSQL server for accounts.",
        unit="services",
        reloads=False,
        ge=1,
        le=10_000,
    )
    reconnect: Backoff = setting(Backoff, "Waits between tries to reach a lost store.", reloads=False)
