"""What keeps things beyond one call, built from the configuration: the shared store, and the answers given again.

Rules:
    - Nothing is built, and no library loaded, for what is not configured.
Not here:
    - What they do (store, cache).
"""

from __future__ import annotations

from gateway.cache.answers import Answers
from gateway.config.schema import Config
from gateway.core.clock import Clock
from gateway.observe.log import Log
from gateway.store.valkey import Valkey


def store_of(config: Config, log: Log) -> Valkey | None:
    """The shared store, not connected yet; None when there is none. Raises ImportError without the extra `redis`."""
    settings = config.store
    if settings.url is None or not settings.url.is_set:
        return None
    return Valkey(
        settings.url.reveal(),
        timeout_s=settings.timeout_ms / 1000,
        connect_timeout_s=settings.connect_timeout_ms / 1000,
        connections_max=settings.connections_max,
        backoff_s=(settings.reconnect.base_s, settings.reconnect.max_s),
        log=log,
    )


def answers_of(config: Config, clock: Clock, store: Valkey | None) -> Answers:
    """Where answers are kept: in memory, and in the store where both are wanted."""
    cache = config.cache
    return Answers(cache.memory_max_bytes, clock, store if cache.is_in_store else None, config.store.prefix)
