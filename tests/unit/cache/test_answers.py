"""Where answers are kept: bounds of memory, and a real store behind it that may be gone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.cache.answers import ENTRY_OVERHEAD_BYTES, Answers
from gateway.cache.recording import Recording
from gateway.core.clock import ManualClock
from gateway.store.valkey import Valkey
from tests.support.stored import Stored, connected, hasty, stored
from tests.support.waiting import PATIENCE_S

KEY, OTHER = b"k" * 32, b"o" * 32


def answer(clock: ManualClock, ttl_s: float = 100, text: str = "hello") -> bytes:
    """A recorded answer that is over in `ttl_s`."""
    made = Recording(1_000_000, has_tool_calls=False)
    made.add([text])
    return made.whole(clock.wall_s() + ttl_s, ())


async def keep(answers: Answers, key: bytes, data: bytes, ttl_s: float) -> None:
    """Keep an answer, in the store too."""
    rest = answers.keep(key, data, ttl_s)
    if rest is not None:
        await rest


@pytest.fixture(scope="module")
def server() -> Iterator[Stored]:
    """One real server for this file."""
    with stored() as running:
        yield running


@pytest.fixture
async def store(server: Stored) -> AsyncIterator[Valkey]:
    """A connected client."""
    async with connected(server) as made:
        server.command("FLUSHALL")
        yield made


async def test_an_answer_is_there_until_its_time() -> None:
    """Kept, given, over; another key has nothing."""
    clock = ManualClock()
    answers = Answers(clock=clock)
    data = answer(clock)
    await keep(answers, KEY, data, 100)
    assert await answers.find(KEY) == data
    assert await answers.find(OTHER) is None
    clock.advance(99)
    assert await answers.find(KEY) == data
    clock.advance(2)
    assert await answers.find(KEY) is None


async def test_memory_is_bounded_in_bytes() -> None:
    """Whatever comes, the bound holds; the least recently used go; what alone is too large is not taken."""
    clock = ManualClock()
    size = len(answer(clock)) + ENTRY_OVERHEAD_BYTES
    answers = Answers(10 * size, clock)
    for number in range(1000):
        await keep(answers, number.to_bytes(32, "big"), answer(clock), 100)
        assert answers.memory_bytes <= 10 * size
    assert len(answers) == 10
    assert await answers.find((999).to_bytes(32, "big")) is not None
    await keep(answers, KEY, answer(clock, text="x" * 20 * size), 100)
    assert await answers.find(KEY) is None


async def test_services_share_through_the_store(store: Valkey) -> None:
    """What one service kept another finds, for the rest of its time and no longer, also from its own memory then."""
    clock = ManualClock()
    first, second = (Answers(clock=clock, store=store, prefix="t:") for _ in range(2))
    stranger = Answers(clock=clock, store=store, prefix="u:")
    data = answer(clock)
    await keep(first, KEY, data, 100)
    clock.advance(60)
    assert await second.find(KEY) == data
    assert await stranger.find(KEY) is None
    clock.advance(41)
    assert await second.find(KEY) is None


@pytest.mark.parametrize("value", [b"", b"nonsense", b"gwc1", b"gwc1" + b"\xff" * 40])
async def test_nonsense_in_the_store_is_a_miss(store: Valkey, value: bytes) -> None:
    """Somebody else's bytes under our key."""
    clock = ManualClock()
    await store.set(f"t:cache:{KEY.hex()}", value, 60_000)
    found = await Answers(clock=clock, store=store, prefix="t:").find(KEY)
    assert found is None or found == value  # what has our mark is read, and refused, by its reader


async def test_without_the_store_memory_serves(store: Valkey, server: Stored) -> None:
    """Killed and hung: looking and keeping take a bounded time, nothing is raised, memory goes on."""
    clock = ManualClock()
    answers = Answers(clock=clock, store=store)
    data = answer(clock)
    await keep(answers, KEY, data, 100)
    for harm in (server.hang, server.kill):
        harm()
        began_s = time.monotonic()
        with hasty(store):
            for _ in range(200):
                assert await answers.find(KEY) == data
                assert await answers.find(OTHER) is None
                await keep(answers, KEY, data, 100)
        assert time.monotonic() - began_s < PATIENCE_S, "each waited"  # 400 times a tenth of a second
        server.revive()
