"""Two services share a store that is killed, hangs and flaps: calls go on, each within a bound.

Rules: bounds on time are many times what they have to be; answers are compared exactly.
Not here: the client of the store (tests/unit/store), what is kept (tests/unit/cache).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.chaos.callers import WAYS, Callers, callers
from tests.chaos.settled import settled
from tests.support.recorder import Recorder, recording
from tests.support.simulated import unique
from tests.support.single import InProcess, single
from tests.support.stored import Stored, stored
from tests.support.waiting import eventually

BOUND_S = 9.0  # of one call in an outage, on a machine that stands still as well; the store may take 0.1 s of it
HANG_S = 10.0  # longer than any call may take
STORE = {"timeout_ms": 100, "connect_timeout_ms": 1000}


@pytest.fixture(scope="module")
def server() -> Iterator[Stored]:
    """The store."""
    with stored() as running:
        yield running


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Recorder]:
    """One provider of both services."""
    async with recording() as running:
        yield running


@pytest.fixture
async def services(server: Stored, provider: Recorder) -> AsyncIterator[list[InProcess]]:
    """Two services with the same configuration, connected to the store: answers and limits are in it."""
    server.revive()
    layer = {
        "store": STORE,
        "limits": {"requests_per_minute": 100_000, "tokens_per_minute": 10_000_000, "concurrency": 1000},
        "providers": {"one": {"dialect": "openai", "base_url": f"{provider.url}/v1", "auth": "none", "is_local": True}},
        "models": {
            "kept": {"names": ["kept/*"], "candidates": [{"provider": "one"}], "cache": {"enabled": True}},
            "sim": {"names": ["sim*"], "candidates": [{"provider": "simulator"}], "cache": {"enabled": True}},
        },
    }
    environ = {"GATEWAY_STORE__URL": server.url}
    async with single(layer, environ=environ) as first, single(layer, environ=environ) as second:
        both = [first, second]
        for each in both:
            await eventually(lambda each=each: each.half.store_is_up, "the store answers")
        yield both
        server.revive()


@pytest.fixture
async def made(services: list[InProcess]) -> AsyncIterator[list[Callers]]:
    """Callers of each."""
    async with callers(services[0]) as first, callers(services[1]) as second:
        yield [first, second]


async def test_services_give_each_others_answers(provider: Recorder, made: list[Callers]) -> None:
    """What one service was answered the other gives again; the provider was asked once."""
    name = f"kept/{unique('x')}"
    asked = len(provider.seen)
    first = await made[0].ask("json", name)
    assert first.headers["x-gateway-cache"] == "miss"
    assert first.headers["x-ratelimit-limit-requests"] == "100000"

    async def is_hit() -> bool:
        return (await made[1].ask("json", name)).headers["x-gateway-cache"] == "hit"

    await eventually(is_hit, "the store has it")
    assert (await made[1].ask("unary", name)).texts == first.texts
    assert len(provider.seen) - asked <= 2


@pytest.mark.parametrize("harm", ["kill", "hang", "flap"])
async def test_calls_go_on_without_the_store(
    server: Stored, services: list[InProcess], made: list[Callers], harm: str
) -> None:
    """Hits from memory and misses of every way complete within the bound all through the outage, limits counted."""
    is_over = asyncio.Event()
    longest_s: list[float] = []
    known = unique("sim-chunks-3")
    for way in WAYS:
        await made[0].ask(way, known)

    async def keep_asking(way: str) -> int:
        count = 0
        while not is_over.is_set():
            for name in (known, unique("sim-chunks-3")):
                began_s = time.monotonic()
                ending = await made[0].ask(way, name)
                longest_s.append(time.monotonic() - began_s)
                assert ending.is_complete, ending
                count += 1
        return count

    asking = [asyncio.create_task(keep_asking(way)) for way in WAYS for _ in range(2)]
    await asyncio.sleep(0.2)
    await do_harm(server, harm)
    is_over.set()
    assert all(await asyncio.gather(*asking))
    assert max(longest_s) < BOUND_S, max(longest_s)
    server.revive()
    for each in services:
        await eventually(lambda each=each: each.half.store_is_up, "it is found again")
        await settled(each)


async def do_harm(server: Stored, harm: str) -> None:
    """For as long as a call may be seen to wait."""
    if harm == "kill":
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(HANG_S)
    elif harm == "hang":
        server.hang()
        await asyncio.sleep(HANG_S)
        server.wake()
    else:
        for _ in range(4):
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.start)
            await asyncio.sleep(0.1)


async def test_a_gateway_starts_and_stops_without_its_store(server: Stored) -> None:
    """Nobody there from the beginning: ready, answers, stops."""
    await asyncio.to_thread(server.kill)
    layer = {
        "store": STORE,
        "models": {"sim": {"names": ["sim*"], "candidates": [{"provider": "simulator"}], "cache": {"enabled": True}}},
    }
    async with single(layer, environ={"GATEWAY_STORE__URL": server.url}) as running, callers(running) as made:
        name = unique("sim")
        results = [(await made.ask("sse", name)).headers["x-gateway-cache"] for _ in range(2)]
        assert results == ["miss", "hit"]
        assert not running.half.store_is_up
