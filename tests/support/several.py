"""Three services on one Valkey and one PostgreSQL behind a frontend, with accounts and limits as a service holds them.

Rules: keys are asked for at every call (`key_cache_s` 0), so that a change is seen by all services at once; accounts
    and quota here are a fourth hand on the same database and store, started like a service's and without its calls.
Not here: the processes (cluster); what listens where, and who may do what (personalities).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.accounts.book import Accounts
from gateway.app.books import accounts_of, quota_of
from gateway.app.state import pepper_of
from gateway.app.stores import store_of
from gateway.config.load import Loaded, load
from gateway.core.clock import SystemClock
from gateway.observe.log import Log
from gateway.quota.shared import SharedQuota
from tests.support.cluster import Cluster, cluster
from tests.support.databases import url_of
from tests.support.place import Layer, patience, variables
from tests.support.stored import stored
from tests.support.waiting import PATIENCE_S, free_port

COUNT = 3
SETTINGS = {
    "observe": {"log_format": "json", "log_level": "info"},  # a cluster is ready when its log says so
    "store": {"replicas": COUNT},
}


@dataclass(frozen=True, slots=True)
class Several:
    """The cluster. `urls` are those of its listeners by profile."""

    running: Cluster
    urls: dict[str, str]
    accounts: Accounts
    quota: SharedQuota

    @property
    def url(self) -> str:
        """Of the frontend's main listener, without path."""
        return self.running.url

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes as base_url."""
        return f"{self.url}/v1"

    @property
    def key(self) -> str:
        """An administrator's."""
        return self.running.key

    @property
    def grpc_address(self) -> str:
        """HOST:PORT of the first service."""
        return self.running.grpc[0]


@asynccontextmanager
async def several(layer: Layer, files: Mapping[str, Layer], environ: Mapping[str, str]) -> AsyncIterator[Several]:
    """Run it until the block ends; the listeners of `layer` get ports."""
    listeners = {name: {**each, "port": free_port()} for name, each in layer["http"]["listeners"].items()}
    accounts = {**layer["accounts"], "key_cache_s": 0}
    whole = {**layer, **SETTINGS, "http": {"listeners": listeners}, "accounts": accounts}
    urls = {name: f"http://127.0.0.1:{each['port']}" for name, each in listeners.items()}
    with stored() as store:
        places = {"GATEWAY_STORE__URL": store.url, "GATEWAY_DATABASE__URL": url_of("postgres", Path())}
        known = {"GATEWAY_ENV": "test", **places, **environ}
        starting = cluster(whole, COUNT, known, files)
        running = await asyncio.to_thread(starting.__enter__)
        try:
            environ = variables(running.root, "test", {**patience(whole), **known})
            loaded = load(running.root, environment="test", environ=environ)
            async with _hand(loaded) as (book, quota):
                yield Several(running, urls, book, quota)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


@asynccontextmanager
async def _hand(loaded: Loaded) -> AsyncIterator[tuple[Accounts, SharedQuota]]:
    """Accounts and limits of that configuration, as a service holds them."""
    config, state_dir, clock, log = loaded.config, loaded.sources.state_dir, SystemClock(), Log("error")
    store = store_of(config, log)
    assert store is not None
    quota = quota_of(config, clock, store)
    book = accounts_of(lambda: config, state_dir, pepper_of(config, state_dir), clock, log)
    assert isinstance(quota, SharedQuota)
    assert book is not None
    store.start()
    quota.start()
    try:
        assert await store.ready(PATIENCE_S)
        book.tell(quota.add, quota.balance_usd_micros)
        book.start()
        yield book, quota
    finally:
        await book.stop()
        await quota.stop()
        await store.close()
