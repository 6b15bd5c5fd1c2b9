"""Limits, money and people of three services as processes of their own, on one Valkey and one PostgreSQL: as of one.

Rules: calls go to every service, over HTTP through a frontend and over gRPC; each test has a key or user of its own.
Not here: outages of the stores (tests/chaos); the arithmetic (tests/unit/quota).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.client import AsyncClient, accounts, v1
from gateway.client import GatewayError as ClientError
from tests.support.cluster import Cluster, cluster
from tests.support.databases import url_of
from tests.support.place import key_record
from tests.support.raw import Answer, ask
from tests.support.simulated import unique
from tests.support.stored import stored
from tests.support.waiting import eventually

COUNT = 3
HELLO = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 10}
LIMITS: dict[str, dict[str, int]] = {
    "alone": {"requests_per_minute": 100},
    "shared": {"requests_per_minute": 100},
    "places": {"concurrency": 5},
    "tokens": {"tokens_per_minute": 150},
    "daily": {"requests_per_day": 3},
    "headers": {"requests_per_minute": 1000, "tokens_per_minute": 1_000_000, "output_tokens_per_minute": 500_000},
}
KEYS = {name: f"gw-{name}.secret-of-{name}" for name in LIMITS}
LAYER = {
    "store": {"replicas": COUNT},
    "accounts": {"is_charged": True, "key_cache_s": 1},
    "keys": {name: key_record(KEYS[name], limits=limits) for name, limits in LIMITS.items()},
    "models": {
        "paid": {
            "names": ["sim*"],
            "pricing": {"input_usd_per_million": "0", "output_usd_per_million": "0", "call_usd": "0.01"},
            "candidates": [{"provider": "simulator"}],
        }
    },
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three of them."""
    folder: Path = tmp_path_factory.mktemp("cluster")
    with stored() as store:
        environ = {"GATEWAY_STORE__URL": store.url, "GATEWAY_DATABASE__URL": url_of("postgres", folder)}
        with cluster(LAYER, COUNT, environ) as running:
            yield running


class Callers:
    """Clients of each service, all with one key."""

    def __init__(self, services: Cluster, key: str, clients: list[AsyncClient]) -> None:
        self._services = services
        self._key = key
        self.clients = clients

    async def http(self, model: str = "sim", path: str = "/v1/chat/completions", **members: Any) -> Answer:
        """Through the frontend."""
        return await ask(f"{self._services.url}{path}", {"model": model, **HELLO, **members}, self._key)

    async def grpc(self, at: int, model: str = "sim", max_tokens: int = 10) -> str:
        """At one service: `ok`, or the limit that refused it."""
        try:
            await self.clients[at].chat(model=model, messages="hello", max_tokens=max_tokens)
        except ClientError as error:
            return str(error.limit or error.kind)
        return "ok"

    async def outcome(self, at: int) -> str:
        """Of a call over HTTP for every fourth number, else at the service of that number."""
        if at % (COUNT + 1) < COUNT:
            return await self.grpc(at % (COUNT + 1))
        answer = await self.http()
        return "ok" if answer.status == 200 else str(answer.body["error"]["code"])


@pytest.fixture
async def calling(services: Cluster) -> AsyncIterator[Any]:
    """Makes callers."""
    async with AsyncExitStack() as stack:

        async def make(key: str) -> Callers:
            made = [AsyncClient(at, key=key, max_retries=0, timeout_s=30) for at in services.grpc]
            return Callers(services, key, [await stack.enter_async_context(client) for client in made])

        yield make


async def new_user(admin: AsyncClient, usd_micros: int) -> tuple[str, str]:
    """A user with that much, and a key: made at the first service."""
    email = f"u{next(_numbers)}@example.org"
    user = await admin.call(accounts.CREATE_USER, v1.CreateUserRequest(email=email, password="correct horse battery"))
    await top_up(admin, user.id, usd_micros)
    key = await admin.call(accounts.CREATE_KEY, v1.CreateKeyRequest(name="k", user_id=user.id))
    return user.id, key.key


async def top_up(admin: AsyncClient, user_id: str, usd_micros: int) -> None:
    """Money comes in."""
    name = f"t{next(_numbers)}"
    change = v1.ChangeWalletRequest(
        user_id=user_id, kind="top_up", amount_usd_micros=usd_micros, idempotency_key=name, note="test"
    )
    await admin.call(accounts.CHANGE_WALLET, change)


@pytest.mark.parametrize("key", ["alone", "shared"])
async def test_two_hundred_calls_on_a_key_with_hundred_left(calling: Any, key: str) -> None:
    """Exactly a hundred pass, at one service and at three and a frontend."""
    callers = await calling(KEYS[key])
    if key == "alone":
        found = Counter(await asyncio.gather(*(callers.grpc(0) for _ in range(200))))
    else:
        found = Counter(await asyncio.gather(*(callers.outcome(at) for at in range(200))))
    assert found.pop("ok") == 100, found
    assert sum(found.values()) == 100
    assert set(found) <= {"requests", "rate_limit_exceeded"}


async def test_money_for_ten_calls(services: Cluster, calling: Any) -> None:
    """Of forty calls at once at three services exactly ten pass; the wallet ends at nothing, and so does the ledger."""
    admin = (await calling(services.key)).clients[0]
    user_id, key = await new_user(admin, 100_000)
    callers = await calling(key)
    found = Counter(await asyncio.gather(*(callers.outcome(at) for at in range(40))))
    assert found.pop("ok") == 10, found
    assert sum(found.values()) == 30

    wallet = await admin.call(accounts.GET_WALLET, v1.GetWalletRequest(user_id=user_id))
    assert (wallet.balance_usd_micros, wallet.held_usd_micros) == (0, 0)  # as calls see it, before the books have it

    async def is_charged() -> bool:
        ledger = await admin.call(accounts.LIST_LEDGER, v1.ListLedgerRequest(user_id=user_id))
        return bool(sum(entry.amount_usd_micros for entry in ledger.entries) == 0)

    await eventually(is_charged, "the charges", every_s=0.1)


async def test_places_are_counted_over_all(services: Cluster, calling: Any) -> None:
    """Five streams at three services are five of five; a sixth is refused everywhere; one that ends makes room."""
    callers = await calling(KEYS["places"])
    model = unique("sim-chunks-500-pace-50")
    async with AsyncExitStack() as stack:
        streams = [callers.clients[at % COUNT].stream_chat(model=model, messages="hello") for at in range(5)]
        for stream in streams:
            stack.push_async_callback(stream.aclose)
            await anext(aiter(stream))
        assert await asyncio.gather(*(callers.grpc(at) for at in range(COUNT))) == ["concurrency"] * COUNT
        (await callers.http()).error(429, "rate_limit_exceeded")
        await streams[0].aclose()

        async def has_room() -> bool:
            return bool(await callers.grpc(2) == "ok")

        await eventually(has_room, "a place")
    await services.simulator.until(model, streams_open=0)


async def test_tokens_are_counted_over_all(calling: Any) -> None:
    """What all answers together used stays within the limit, though each service saw a third of them."""
    callers = await calling(KEYS["tokens"])
    answers = [await callers.http(unique("sim"), max_tokens=40) for _ in range(40)]
    passed = [answer for answer in answers if answer.status == 200]
    assert 0 < len(passed) < 40
    assert sum(answer.body["usage"]["total_tokens"] for answer in passed) <= 150
    left = [int(answer.headers["x-ratelimit-remaining-tokens"]) for answer in passed]
    assert left[-1] < left[0] < 150
    assert [await callers.grpc(at, max_tokens=150) for at in range(COUNT)] == ["tokens"] * COUNT


async def test_a_day_is_counted_over_all(calling: Any) -> None:
    """One call at each service is three of three; the refusal tells how long a day is."""
    callers = await calling(KEYS["daily"])
    assert [await callers.grpc(at) for at in range(COUNT)] == ["ok"] * COUNT
    assert [await callers.grpc(at) for at in range(COUNT)] == ["requests"] * COUNT
    refused = await callers.http()
    refused.error(429, "rate_limit_exceeded")
    assert 80_000 < int(refused.headers["retry-after"]) <= 86_400
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"


async def test_headers_tell_of_all(calling: Any) -> None:
    """Whole answers and streams, in OpenAI's and Anthropic's names: each call sees what all before it left."""
    callers = await calling(KEYS["headers"])
    left = []
    for at in range(6):
        answer = (await callers.http(stream=bool(at % 2))).ok()
        assert answer.headers["x-ratelimit-limit-requests"] == "1000"
        assert answer.headers["x-ratelimit-limit-tokens"] == "1000000"
        left.append(int(answer.headers["x-ratelimit-remaining-requests"]))
        await callers.grpc(at % COUNT)
    assert left == [999 - 2 * at for at in range(6)]
    for stream in (False, True):
        anthropic = (await callers.http(path="/v1/messages", stream=stream)).ok().headers
        for what, limit in (("requests", "1000"), ("tokens", "1000000"), ("output-tokens", "500000")):
            assert anthropic[f"anthropic-ratelimit-{what}-limit"] == limit
            assert anthropic[f"anthropic-ratelimit-{what}-reset"].endswith("Z")
        assert not [name for name in anthropic if name.startswith("x-ratelimit")]


async def test_a_top_up_and_a_revocation_reach_every_service(services: Cluster, calling: Any) -> None:
    """Money put in at one is there for the next call at the others; a key revoked at one is refused in seconds."""
    admin = (await calling(services.key)).clients
    user_id, key = await new_user(admin[0], 1)
    callers = await calling(key)
    assert [await callers.grpc(at) for at in range(COUNT)] == ["wallet"] * COUNT
    await top_up(admin[1], user_id, 1_000_000)
    assert [await callers.grpc(at) for at in range(COUNT)] == ["ok"] * COUNT
    keys = await admin[2].call(accounts.LIST_KEYS, v1.ListKeysRequest(user_id=user_id))
    await admin[2].call(accounts.REVOKE_KEY, v1.RevokeKeyRequest(id=keys.keys[0].id))
    for at in range(COUNT):

        async def is_refused(at: int = at) -> bool:
            return await callers.grpc(at) not in ("ok", "wallet")

        await eventually(is_refused, f"the refusal at service {at}", every_s=0.1)
    (await callers.http()).error(401, "invalid_api_key")


def test_services_without_a_store_are_refused() -> None:
    """A frontend of two services that would count limits each on their own ends with 78, and says how to mend it."""
    said = r"several services share no store.*set store.url of the services"
    with pytest.raises(AssertionError, match=said), cluster({}, 2, {}):
        pytest.fail("it started")
