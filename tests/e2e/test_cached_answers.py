"""Answers given again, over HTTP JSON, SSE, gRPC unary and gRPC stream: same bytes, one upstream call, one tenant.

Rules: a model's name is its test's own, so that the simulator's counters say what reached a provider.
Not here: keys, bytes and sharing by themselves (tests/unit/cache); the shared store (test_cache_store).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest

from gateway.core.clock import ManualClock
from gateway.wire.openai import chat
from tests.chaos.callers import Callers, body_of, callers
from tests.chaos.settled import settled
from tests.support.place import key_record
from tests.support.simulated import unique
from tests.support.single import InProcess, single
from tests.support.waiting import eventually

WAYS = ("json", "sse", "unary", "stream")
OTHER_KEY = "gw-tenant2.another-secret"
LIMITED_KEY = "gw-limited9.another-secret"
EVERYTHING = ["chat", "completion", "embedding", "function_calling"]


def model(name: str, **cache: Any) -> dict[str, Any]:
    """A model of these names, with these cache settings."""
    return {"names": [name], "capabilities": EVERYTHING, "candidates": [{"provider": "openai"}], "cache": cache}


LAYER = {
    "policies": {"retry": {"attempts_max": 1}, "breaker": {"is_enabled": False}},
    "models": {
        "kept": {**model("kept/*", enabled=True), "pricing": {"input_usd_per_million": "1000"}},
        "brief": model("brief/*", enabled=True, ttl_s=10),
        "small": model("small/*", enabled=True, entry_max_bytes=1024),
        "tools": model("tools/*", enabled=True, has_tool_calls=True),
        "shared": model("shared/*", share_in_flight=True),
        "both": model("both/*", share_in_flight=True, enabled=True),
        "plain": model("plain/*"),
    },
    "keys": {
        "second": key_record(OTHER_KEY),
        "limited": key_record(LIMITED_KEY, limits={"requests_per_minute": 3, "tokens_per_minute": 100_000}),
    },
}


class Given(NamedTuple):
    """What a caller got: the header, and everything of the answer as text."""

    cache: str | None
    answer: str
    headers: dict[str, str]


class Tenant:
    """Calls of one key."""

    def __init__(self, made: Callers) -> None:
        self._made = made

    async def ask(self, way: str, name: str, words: str = "hi", **headers: str) -> Given:
        """One call to its good end; members of the request may follow a `?` in the words."""
        if way in ("json", "sse"):
            return await self._http(body_of(name, words, is_stream=way == "sse"), headers)
        return await self._grpc(body_of(name, words, is_stream=way == "stream"), headers)

    async def _http(self, body: dict[str, Any], headers: dict[str, str]) -> Given:
        url = f"{self._made.url}/v1/chat/completions"
        async with self._made.http.post(url, json=body, headers={**self._made.headers, **dashed(headers)}) as response:
            text = await response.text()
            assert response.status == 200, text
            return Given(response.headers.get("x-gateway-cache"), text, dict(response.headers))

    async def _grpc(self, body: dict[str, Any], headers: dict[str, str]) -> Given:
        metadata = tuple({**self._made.headers, **dashed(headers)}.items())
        method = self._made.stub.StreamChat if body["stream"] else self._made.stub.Chat
        call = method(chat.decode_request(body), metadata=metadata, timeout=30)
        messages = [message async for message in call] if body["stream"] else [await call]
        told = {str(name): str(value) for name, value in await call.initial_metadata()}
        return Given(told.get("x-gateway-cache"), "".join(map(str, messages)), told)


def dashed(headers: dict[str, str]) -> dict[str, str]:
    """Names as they are sent."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    """The gateway's time."""
    return ManualClock()


@pytest.fixture(scope="module")
async def gateway(clock: ManualClock) -> AsyncIterator[InProcess]:
    """One gateway for all of these."""
    async with single(LAYER, clock=clock) as running:
        yield running


@pytest.fixture(scope="module")
async def tenant(gateway: InProcess) -> AsyncIterator[Tenant]:
    """The usual caller."""
    async with callers(gateway) as made:
        yield Tenant(made)


async def upstream(gateway: InProcess, name: str) -> int:
    """How many requests for a model reached the provider."""
    return (await gateway.simulator.counts(name)).attempts


@pytest.mark.parametrize("way", WAYS)
async def test_the_same_call_is_answered_again(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """Miss, then hit: the answer is the same to the last byte, ids and usage included; the provider was asked once."""
    name = f"kept/{unique('sim-chunks-20')}"
    first = await tenant.ask(way, name)
    again = [await tenant.ask(way, name) for _ in range(3)]
    assert first.cache == "miss"
    assert {given.cache for given in again} == {"hit"}
    assert {given.answer for given in again} == {first.answer}
    assert await upstream(gateway, name) == 1
    await settled(gateway)


@pytest.mark.parametrize(
    ("first", "second"), [("json", "unary"), ("unary", "json"), ("sse", "stream"), ("stream", "sse")]
)
async def test_both_protocols_share_their_answers(gateway: InProcess, tenant: Tenant, first: str, second: str) -> None:
    """What was kept over one protocol is given over the other, as that one says it."""
    name = f"kept/{unique('sim-chunks-5')}"
    await tenant.ask(first, name)
    given = await tenant.ask(second, name)
    assert given.cache == "hit"
    fresh = await tenant.ask(second, f"plain/{name.partition('/')[2]}")
    assert fresh.cache is None
    words = [word for word in fresh.answer.replace('"', " ").split() if word.isalpha()]
    assert words, fresh
    assert all(word in given.answer for word in words)


async def test_streams_and_whole_answers_are_kept_apart(gateway: InProcess, tenant: Tenant) -> None:
    """A stream is replayed as a stream with its chunks; a whole call does not get it, nor the other way round."""
    name = f"kept/{unique('sim-chunks-7')}"
    streamed, whole = await tenant.ask("sse", name), await tenant.ask("json", name)
    assert (streamed.cache, whole.cache) == ("miss", "miss")
    assert streamed.answer.count("data: ") == (await tenant.ask("sse", name)).answer.count("data: ") > 7
    assert await upstream(gateway, name) == 2


@pytest.mark.parametrize("way", ["json", "stream"])
async def test_tenants_never_see_each_other(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """The same request with another key is a miss, whatever the request says of itself."""
    name = f"kept/{unique('sim')}"
    await tenant.ask(way, name)
    async with callers(gateway) as made:
        made.headers = {"authorization": f"Bearer {OTHER_KEY}"}
        assert (await Tenant(made).ask(way, name)).cache == "miss"
        assert (await Tenant(made).ask(way, name)).cache == "hit"
    assert await upstream(gateway, name) == 2


async def test_any_difference_of_the_request_is_another_answer(gateway: InProcess, tenant: Tenant) -> None:
    """Each member counts, the order of members does not; a request in other order is the same."""
    name = f"tools/{unique('sim')}"
    base = body_of(name, is_stream=False)
    others = [
        {**base, "temperature": 0.5},
        {**base, "seed": 1},
        {**base, "user": "somebody"},
        {**base, "top_k": 3},
        {**base, "top_k": 4},
        {**base, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {**base, "messages": [{"role": "system", "content": "hi"}, *base["messages"]]},
        {**base, "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {**base, "max_tokens": 64},
    ]
    for body in [base, *others]:
        assert (await tenant._http(body, {})).cache == "miss", body
    for body in [base, *others]:
        reordered = dict(reversed(body.items()))
        assert (await tenant._http(reordered, {})).cache == "hit", body
    assert await upstream(gateway, name) == 1 + len(others)


@pytest.mark.parametrize("way", WAYS)
async def test_callers_can_leave_it_out_or_renew_it(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """`off` neither looks nor keeps; `refresh` keeps a new answer; cache-control says the same."""
    name = f"kept/{unique('sim')}"
    for headers in ({"x_gateway_cache": "off"}, {"cache_control": "no-store"}, {"x_gateway_cache": "OFF"}):
        assert (await tenant.ask(way, name, **headers)).cache is None
    assert (await tenant.ask(way, name)).cache == "miss"
    for headers in ({"x_gateway_cache": "refresh"}, {"cache_control": "max-age=0, no-cache"}):
        new = await tenant.ask(way, name, **headers)
        assert new.cache == "miss"
        assert (await tenant.ask(way, name)).answer == new.answer
    assert await upstream(gateway, name) == 6


@pytest.mark.parametrize("way", ["json", "unary"])
async def test_a_mistyped_wish_is_refused(gateway: InProcess, way: str) -> None:
    """Who wanted no cache and wrote it wrong is told so, over both protocols."""
    async with callers(gateway) as made:
        made.headers["x-gateway-cache"] = "of"
        ending = await made.ask(way, "kept/sim")
    assert ending.status in (400, "INVALID_ARGUMENT")


async def test_a_hit_costs_a_request_and_no_tokens(gateway: InProcess, tenant: Tenant, clock: ManualClock) -> None:
    """Limits of requests count hits, limits of tokens do not; the body shows the usage of the first answer."""
    name = f"kept/{unique('sim-chunks-30')}"
    async with callers(gateway) as made:
        made.headers = {"authorization": f"Bearer {LIMITED_KEY}"}
        limited = Tenant(made)
        first = await limited.ask("json", name)
        second = await limited.ask("json", name)
        assert json.loads(second.answer)["usage"] == json.loads(first.answer)["usage"]
        assert json.loads(first.answer)["usage"]["total_tokens"] > 0
        left = [int(given.headers["x-ratelimit-remaining-tokens"]) for given in (first, second)]
        third = await limited.ask("stream", f"{name}")
        assert third.cache == "miss"
        used = gateway.quota
        assert used.open_count == 0
        assert (await made.ask("json", name)).status == 429
    assert left[1] >= 100_000 - json.loads(first.answer)["usage"]["total_tokens"]
    clock.advance(61)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["sim-cut-2", "sim-status-500", "sim-error-2", "sim-malformed-2"])
async def test_failures_are_never_kept(gateway: InProcess, tenant: Tenant, way: str, fault: str) -> None:
    """An answer that failed once is asked for again, and only the whole one is kept."""
    name = f"kept/{unique(f'{fault}-times-1-chunks-5')}"
    async with callers(gateway) as made:
        ending = await made.ask(way, name)
    if not ending.is_complete:
        assert (await tenant.ask(way, name)).cache == "miss"
    assert (await tenant.ask(way, name)).cache == "hit"
    assert '"error"' not in (await tenant.ask(way, name)).answer


@pytest.mark.parametrize("way", ["sse", "stream"])
async def test_who_leaves_leaves_nothing_half(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """A stream whose caller left is not kept."""
    name = f"kept/{unique('sim-chunks-10-pace-250')}"
    asking = asyncio.create_task(tenant.ask(way, name))
    await gateway.simulator.until(name, streams_open=1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await settled(gateway)
    assert (await tenant.ask(way, name)).cache == "miss"


async def test_time_and_size_bound_what_is_kept(gateway: InProcess, tenant: Tenant, clock: ManualClock) -> None:
    """An answer is over after its time; one that is too long was never kept; what calls tools only where allowed."""
    name = f"brief/{unique('sim')}"
    await tenant.ask("json", name)
    clock.advance(9)
    assert (await tenant.ask("json", name)).cache == "hit"
    clock.advance(2)
    assert (await tenant.ask("json", name)).cache == "miss"
    long = f"small/{unique('sim-chunks-400')}"
    calling = {prefix: f"{prefix}/{unique('sim-tools-1')}" for prefix in ("kept", "tools")}
    for way in WAYS:
        assert [(await tenant.ask(way, long)).cache for _ in range(2)] == ["miss", "miss"]
        assert [(await tenant.ask(way, calling["kept"])).cache for _ in range(2)] == ["miss", "miss"]
    assert [(await tenant.ask("sse", calling["tools"])).cache for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize("way", WAYS)
async def test_calls_at_the_same_time_share_one_answer(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """Twenty callers, one upstream stream: one miss, the others shared, the same bytes for all, settled once."""
    name = f"shared/{unique('sim-chunks-10-pace-30-wait-2000')}"
    given = await asyncio.gather(*(tenant.ask(way, name) for _ in range(20)))
    assert sorted(each.cache or "" for each in given) == ["miss", *["shared"] * 19]
    assert len({each.answer for each in given}) == 1
    assert await upstream(gateway, name) == 1
    assert (await tenant.ask(way, name)).cache == "miss", "nothing is kept where only sharing is on"
    await settled(gateway)


@pytest.mark.parametrize("way", ["sse", "stream"])
async def test_who_joins_late_sees_the_beginning(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """A reader that comes in the middle gets the whole answer; afterwards it is a hit."""
    name = f"both/{unique('sim-chunks-20-pace-100')}"
    first = asyncio.create_task(tenant.ask(way, name))
    await gateway.simulator.until(name, streams_open=1)
    await asyncio.sleep(0.2)
    second = await tenant.ask(way, name)
    assert second.cache == "shared"
    assert second.answer == (await first).answer
    assert (await tenant.ask(way, name)).cache == "hit"


@pytest.mark.parametrize("way", ["sse", "stream", "json", "unary"])
async def test_a_leader_that_leaves_ends_nothing(gateway: InProcess, tenant: Tenant, way: str) -> None:
    """The first caller goes, the second gets everything; when all go, the provider sees it."""
    name = f"shared/{unique('sim-chunks-30-pace-10-wait-1500')}"
    leader = asyncio.create_task(tenant.ask(way, name))
    await eventually(lambda: gateway.half.kit.answers.flights, "it is under way")
    follower = asyncio.create_task(tenant.ask(way, name))
    await eventually(lambda: gateway.half.kit.in_flight == 2, "both run")
    await asyncio.sleep(0.1)
    leader.cancel()
    assert (await follower).cache == "shared"
    assert (await gateway.simulator.counts(name)).completed == 1
    name = f"shared/{unique('sim-chunks-30-pace-1000-wait-1000')}"
    both = [asyncio.create_task(tenant.ask(way, name)) for _ in range(2)]
    await eventually(lambda: gateway.half.kit.in_flight == 2, "both run")
    await asyncio.sleep(0.1)
    for each in both:
        each.cancel()
    await gateway.simulator.until(name, aborted=1)
    await settled(gateway)


@pytest.mark.parametrize("way", WAYS)
async def test_a_failure_is_everybodys(gateway: InProcess, way: str) -> None:
    """When the shared upstream fails, each reader gets the same explicit error, and nothing stays open."""
    name = f"shared/{unique('sim-cut-3-pace-50-chunks-9')}"
    async with callers(gateway) as made:
        endings = await asyncio.gather(*(made.ask(way, name) for _ in range(5)))
    assert all(ending.state == "error" and not ending.faults for ending in endings), endings
    assert len({ending.kind for ending in endings}) == 1
    await settled(gateway)


async def test_each_reader_has_its_own_deadline(gateway: InProcess, tenant: Tenant) -> None:
    """A reader in a hurry is told DEADLINE_EXCEEDED; the others read on."""
    name = f"shared/{unique('sim-chunks-20-pace-50')}"
    patient = asyncio.create_task(tenant.ask("stream", name))
    await gateway.simulator.until(name, streams_open=1)
    async with callers(gateway) as made:
        made.headers["x-request-timeout"] = "0.3"
        hasty = await made.ask("sse", name)
    assert hasty.kind == "deadline_exceeded", hasty
    assert (await patient).answer
    await settled(gateway)


async def test_a_model_without_cache_says_nothing(gateway: InProcess, tenant: Tenant) -> None:
    """Off is the default: no header, every call reaches the provider."""
    name = f"plain/{unique('sim')}"
    assert [(await tenant.ask("json", name)).cache for _ in range(3)] == [None] * 3
    assert await upstream(gateway, name) == 3


async def test_what_the_operator_sees(gateway: InProcess, tenant: Tenant) -> None:
    """Results are counted by model, and memory is shown."""
    name = f"kept/{unique('sim')}"
    for _ in range(2):
        await tenant.ask("json", name)
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.url}/metrics") as response:
        text = await response.text()
    for result in ("hit", "miss"):
        assert f'gateway_cache_calls_total{{model="kept",result="{result}"}}' in text
    assert gateway.half.kit.answers.memory_bytes > 0
