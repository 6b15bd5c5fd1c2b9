"""The client of the shared store against a real server: answers, deadlines, outages of every kind.

Rules: bounds on time are ten times what they have to be; what is asserted exactly is who was asked.
Not here: what a caller does without a store (tests of the cache).
"""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from gateway.observe.tally import flush
from gateway.store.valkey import StoreUnavailable, Valkey
from tests.support.stored import Stored, hasty
from tests.support.waiting import PATIENCE_S, eventually, free_port

BOUND_S = 15.0  # far more than a machine stands still; MANY deadlines of a tenth of a second in a row would be more
MANY = 200

TAKE = """
local left = redis.call('INCRBY', KEYS[1], -ARGV[1])
return {left, redis.call('EXISTS', KEYS[2])}
"""


def asked(operation: str, outcome: str) -> float:
    """How many questions ended so."""
    flush()
    labels = {"operation": operation, "outcome": outcome}
    return REGISTRY.get_sample_value("gateway_store_operations_total", labels) or 0


async def refused(store: Valkey, key: str = "k") -> float:
    """Ask and be refused; seconds it took."""
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.get(key)
    return time.monotonic() - began_s


async def test_values_live_as_long_as_they_are_told(store: Valkey) -> None:
    """Bytes come back as they were; a key that is unknown, deleted or past its time is None."""
    value = bytes(range(256)) * 40
    assert await store.get("unknown") is None
    await store.set("a", value, 60_000)
    assert await store.get("a") == value
    assert await store.delete("a", "unknown") == 1
    assert await store.get("a") is None
    await store.set("b", b"1", 20)
    await eventually(lambda: is_gone(store, "b"), "its time is over")


async def is_gone(store: Valkey, key: str) -> bool:
    """Whether a key is unknown."""
    return await store.get(key) is None


async def test_scripts_run_atomically_also_after_the_server_forgot_them(store: Valkey, server: Stored) -> None:
    """The same script by its digest, and again where the server does not know it; a wrong one is refused, not down."""
    assert await store.script(TAKE, ["{t}level", "{t}other"], [3]) == [-3, 0]
    assert await store.script(TAKE, ["{t}level", "{t}other"], [4]) == [-7, 0]
    server.command("SCRIPT", "FLUSH")
    assert await store.script(TAKE, ["{t}level", "{t}other"], [1]) == [-8, 0]
    with pytest.raises(StoreUnavailable, match="refused"):
        await store.script("return nonsense(", [])
    assert store.is_up
    takes = await asyncio.gather(*(store.script(TAKE, ["{t}many", "x"], [1]) for _ in range(200)))
    assert sorted(left for left, _ in takes) == list(range(-200, 0))


async def test_a_server_that_hangs_costs_one_deadline_and_no_reply_is_mixed_up(store: Valkey, server: Stored) -> None:
    """While nothing answers, each call is refused in time; afterwards every key has its own value again."""
    for name in ("a", "b"):
        await store.set(name, name.encode(), 60_000)
    server.hang()
    with hasty(store):
        began_s = time.monotonic()
        answers = await asyncio.gather(*(store.get("a") for _ in range(MANY)), return_exceptions=True)
        assert time.monotonic() - began_s < BOUND_S
        assert all(isinstance(answer, StoreUnavailable) for answer in answers), answers
        assert not store.is_up
        sent = asked("get", "timeout")
        waits = [await refused(store) for _ in range(MANY)]
        assert sum(waits) < BOUND_S, "calls wait for a store that is known to hang"
        assert asked("get", "timeout") == sent, "a store that is down was asked"
    server.wake()
    await eventually(lambda: store.is_up, "it is found again")
    for name in ("b", "a") * 20:
        assert await store.get(name) == name.encode()


async def test_a_cancelled_question_leaves_no_reply_for_the_next(store: Valkey, server: Stored) -> None:
    """A caller that leaves between question and answer closes the connection: the next caller gets its own answer."""
    for name in ("a", "b"):
        await store.set(name, name.encode(), 60_000)
    for _ in range(20):
        server.hang()
        asking = asyncio.create_task(store.get("a"))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        server.wake()
        assert store.is_up
        assert await store.get("b") == b"b"


async def test_a_killed_server_is_found_again(store: Valkey, server: Stored) -> None:
    """Killed: refused at once, one probe at a time; back with an empty memory: used again by itself."""
    await store.set("a", b"1", 60_000)
    server.kill()
    waits = [await refused(store) for _ in range(MANY)]
    assert sum(waits) < BOUND_S
    assert "down" in repr(store)
    server.revive()
    await eventually(lambda: store.is_up, "it is found again")
    assert await store.get("a") is None


async def test_a_flapping_server_never_holds_a_caller(store: Valkey, server: Stored) -> None:
    """Ten lives in a row under load: each question ends within the bound, with the right value or a refusal."""
    is_over = asyncio.Event()
    longest_s: list[float] = []
    wrong: list[object] = []

    async def keep_asking(name: str) -> None:
        while not is_over.is_set():
            began_s = time.monotonic()
            try:
                await store.set(name, name.encode(), 60_000)
                if (found := await store.get(name)) not in (name.encode(), None):
                    wrong.append(found)
            except StoreUnavailable:
                pass
            longest_s.append(time.monotonic() - began_s)
            await asyncio.sleep(0.001)

    with hasty(store):
        asking = [asyncio.create_task(keep_asking(f"key-{number}")) for number in range(20)]
        for number in range(10):
            if number % 2:
                server.hang()
                await asyncio.sleep(0.15)
                server.wake()
            else:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            await asyncio.sleep(0.1)
        is_over.set()
        await asyncio.gather(*asking)
    assert not wrong
    assert max(longest_s) < 2 * BOUND_S
    await eventually(lambda: store.is_up, "it settles")


async def test_nobody_there_from_the_beginning() -> None:
    """A store that never answered refuses at once and does not keep the process from stopping."""
    store = Valkey(f"redis://127.0.0.1:{free_port()}", backoff_s=(0.01, 0.02))
    store.start()
    assert await refused(store) < BOUND_S
    assert not await store.ready(0.05)
    await store.close()


async def test_more_questions_than_connections_wait_their_turn(server: Stored) -> None:
    """Connections are bounded; a question that finds none free waits within its deadline."""
    server.revive()
    store = Valkey(server.url, timeout_s=PATIENCE_S, connect_timeout_s=PATIENCE_S, connections_max=2)
    store.start()
    assert await store.ready(PATIENCE_S)
    await asyncio.gather(*(store.set(f"n{number}", b"%d" % number, 60_000) for number in range(300)))
    found = await asyncio.gather(*(store.get(f"n{number}") for number in range(300)))
    assert found == [b"%d" % number for number in range(300)]
    clients = server.command("CLIENT", "LIST").splitlines()
    mine = [line for line in clients if b"cmd=get" in line or b"cmd=set" in line]
    assert len(mine) == 2, mine
    await store.close()
