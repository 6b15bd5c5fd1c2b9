"""What profiles promise about limits and money, with three services on one Valkey and one PostgreSQL behind a frontend.

Ids are those of the acceptance lists; each is tested in full against one service (test_inferxgate.py and the others).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.databases import url_of
from tests.support.personalities import PASSWORD, PROFILES
from tests.support.raw import Answer, ask
from tests.support.simulated import unique
from tests.support.stored import stored
from tests.support.waiting import eventually, free_port

COUNT = 3
SIMULATED = [{"provider": "simulator"}]
_numbers = itertools.count(1)


def _priced(name: str, usd_a_call: str, **members: Any) -> dict[str, Any]:
    pricing = {"input_usd_per_million": "0", "call_usd": usd_a_call}
    return {"names": [name], "pricing": pricing, "candidates": SIMULATED, **members}


@dataclass(frozen=True, slots=True)
class Spent:
    """A key at a limit of its own, and the call that is one too many for it until `over_s` on the monotonic clock."""

    key: str
    call: dict[str, Any]
    over_s: float


@dataclass(frozen=True, slots=True)
class Town:
    """A listener for every profile, and an administrator's key for the main one."""

    services: Cluster
    urls: dict[str, str]
    spent: dict[str, Spent] = field(default_factory=dict)

    async def admin(self, path: str, body: Any, method: str = "POST") -> Any:
        """What an administrator does."""
        return (await ask(self.services.url + path, body, self.services.key, method=method)).ok().body

    async def user(self, usd: float) -> str:
        """Somebody new with so much: the id."""
        body = {"email": f"s{next(_numbers)}@example.org", "password": PASSWORD}
        user_id: str = (await self.admin("/admin/users", body))["id"]
        if usd:
            await self.admin(f"/admin/users/{user_id}/top-up", {"amount_usd": usd, "idempotency_key": "first"})
        return user_id

    async def key(self, profile: str, user_id: str, **wanted: Any) -> str:
        """A key as that profile makes them."""
        body = {"name": "k", "profile": profile, **wanted}
        key: str = (await self.admin(f"/admin/users/{user_id}/keys", body))["key"]
        return key

    async def chat(self, profile: str, key: str, model: str = "free", **more: Any) -> Answer:
        """One chat at a profile's listener."""
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, **more}
        return await ask(f"{self.urls[profile]}/v1/chat/completions", body, key)

    async def spend(self) -> None:
        """Bring a key to its requests per minute and one to its tokens, once; each is refused with a time to wait."""
        words = {"messages": [{"role": "user", "content": "word " * 40}], "max_tokens": 5}
        for limit, calls, call in (
            ({"requests_per_minute": 3}, 3, {"max_tokens": 5}),
            ({"tokens_per_minute": 170}, 3, words),
        ):
            (name,) = limit
            if name in self.spent:
                continue
            key = await self.key("apikeyhub", await self.user(0), limits=limit)
            for _ in range(calls):
                (await self.chat("apikeyhub", key, **call)).ok()
            refused = await self.chat("apikeyhub", key, **call)
            refused.error(429, "rate_limit_exceeded")
            wait_s = int(refused.headers["retry-after"])
            assert 1 <= wait_s <= 60
            self.spent[name] = Spent(key, call, time.monotonic() + wait_s)

    async def outcomes(self, count: int, profile: str, key: str, model: str = "free") -> Counter[int]:
        """Statuses of that many chats at once."""
        return Counter(answer.status for answer in await asyncio.gather(
            *(self.chat(profile, key, model) for _ in range(count))
        ))  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Three services, one frontend."""
    ports = {name: free_port() for name in PROFILES}
    layer = {
        "http": {"listeners": {name: {"port": port, "profile": name} for name, port in ports.items()}},
        "store": {"replicas": COUNT},
        "accounts": {"is_charged": True, "key_cache_s": 1},
        "models": {
            "free": _priced("free", "0"),
            "capped": _priced(
                "capped", "0", limits={"concurrency": 2},
                candidates=[{"provider": "simulator", "upstream_model": "sim-wait-4000"}],
            ),
            "cent": _priced("sim*", "0.01"),
        },
    }  # fmt: skip
    with stored() as store:
        folder = tmp_path_factory.mktemp("town")
        environ = {"GATEWAY_STORE__URL": store.url, "GATEWAY_DATABASE__URL": url_of("postgres", folder)}
        with cluster(layer, COUNT, environ) as running:
            yield Town(running, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()})


async def test_K17_requests_and_tokens_a_minute_over_all(town: Town) -> None:
    """Calls at three services count for one key: each kind of limit is 429 with whole seconds to wait."""
    await town.spend()
    assert set(town.spent) == {"requests_per_minute", "tokens_per_minute"}


async def test_I19_and_I20_sixty_a_minute_over_all(town: Town) -> None:
    """Of seventy at once at three services sixty pass, another key is not touched; the header counts for all."""
    user_id = await town.user(0)
    one, other = await town.key("inferxgate", user_id), await town.key("inferxgate", user_id)
    assert await town.outcomes(70, "inferxgate", one) == {200: 60, 429: 10}
    left = [int((await town.chat("inferxgate", other)).ok().headers["x-ratelimit-remaining"]) for _ in range(4)]
    assert left == [59, 58, 57, 56]


async def test_I23_a_budget_over_all(town: Town) -> None:
    """Budget for four calls: exactly four of twelve pass."""
    key = await town.key("inferxgate", await town.user(1), max_budget=0.04)
    assert await town.outcomes(12, "inferxgate", key, "sim") == {200: 4, 402: 8}


async def test_N10_and_N13_a_wallet_over_all(town: Town) -> None:
    """Money for five calls: five of fifteen pass, the others are 402; what a provider failed costs nothing."""
    user_id = await town.user(0.05)
    key = await town.key("newapi", user_id)
    failed = await town.chat("newapi", key, unique("sim-status-503"))
    failed.error(503)
    assert await town.outcomes(15, "newapi", key, "sim") == {200: 5, 402: 10}
    (await town.chat("newapi", key, "sim")).error(402, "insufficient_user_quota")


async def test_N12_and_K18_windows_of_keys_over_all(town: Town) -> None:
    """Three a minute are three over all services, for each key of its own."""
    user_id = await town.user(0)
    for profile in ("newapi", "apikeyhub"):
        keys = [await town.key(profile, user_id, limits={"requests_per_minute": 3}) for _ in range(2)]
        for key in keys:
            assert await town.outcomes(9, profile, key) == {200: 3, 429: 6}


async def test_N29_bills_add_up_over_all(town: Town) -> None:
    """What was left and used is what came in, once every service has written its calls down."""
    user_id = await town.user(1)
    key = await town.key("newapi", user_id)
    assert await town.outcomes(9, "newapi", key, "sim") == {200: 9}
    billing = f"{town.urls['newapi']}/v1/dashboard/billing"

    async def is_billed() -> bool:
        return bool((await ask(f"{billing}/usage", key=key)).ok().body["total_usage"] == 9)

    await eventually(is_billed, "nine cents", every_s=0.2)
    assert (await ask(f"{billing}/subscription", key=key)).ok().body["hard_limit_usd"] == 1


async def test_S15_logins_are_counted_over_all(town: Town) -> None:
    """Ten wrong passwords at three services; then the right one is refused as well, and another account is not."""
    emails = [f"s15-{at}@example.org" for at in range(2)]
    for email in emails:
        await town.admin("/admin/users", {"email": email, "password": PASSWORD})

    async def log_in(email: str, password: str) -> Answer:
        return await ask(f"{town.services.url}/auth/login", {"email": email, "password": password})

    tries = await asyncio.gather(*(log_in(emails[0], "wrong horse battery") for _ in range(16)))
    assert Counter(answer.status for answer in tries) == {401: 10, 429: 6}
    refused = await log_in(emails[0], PASSWORD)
    refused.error(429)
    assert 1 <= int(refused.headers["retry-after"]) <= 6
    (await log_in(emails[1], PASSWORD)).ok()


async def test_K17_and_M9_places_over_all(town: Town) -> None:
    """Two calls at a time of a free model are two over all services; nobody is charged."""
    key = await town.key("maxapi", await town.user(0))
    found = await town.outcomes(9, "maxapi", key, "capped")
    assert found == {200: 2, 429: 7}


async def test_K17_keys_work_again_after_the_wait(town: Town) -> None:
    """Not five seconds before `retry-after` is over, and at every service when it is; the file's first test spent them.

    A minute is a minute on the store's clock, which no test moves: what other tests take of it is not waited for.
    """
    await town.spend()
    soonest_s = min(spent.over_s for spent in town.spent.values())
    if (early_s := soonest_s - 5 - time.monotonic()) > 0:
        await asyncio.sleep(early_s)
        for spent in town.spent.values():
            (await town.chat("apikeyhub", spent.key, **spent.call)).error(429)
    for spent in town.spent.values():
        await asyncio.sleep(max(0.0, spent.over_s - time.monotonic()))
        (await town.chat("apikeyhub", spent.key, **spent.call)).ok()
