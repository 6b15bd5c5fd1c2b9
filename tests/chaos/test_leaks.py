"""2,000 requests, every fifth aborted at a random moment: afterwards everything is where it was before.

Rules:
    - The seed is fixed and printed with a failure; moments are drawn over all phases of a call.
    - Counts are compared after a warm-up of the same kind: pools and caches fill once.
Not here: 50,000 requests with resident memory (loadtests).
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.callers import WAYS, Callers, Ending, callers
from tests.chaos.settled import metrics, open_counts, settled, tasks
from tests.support.place import key_record
from tests.support.served import served
from tests.support.single import InProcess, single
from tests.support.waiting import eventually

SEED = 20_260_105
REQUESTS, AT_ONCE = 2000, 40
ABORTED_SHARE = 0.2
LIMITED_KEY = "gw-leaky.secret"
MODELS = (
    "sim-chunks-5",
    "sim-chunks-10-pace-5",
    "sim-first-30-chunks-5",
    "sim-slow-headers-30",
    "sim-wait-30",
    "sim-status-500",
    "sim-chunks-10-cut-5",
    "sim-reset-before-headers",
    "sim-hangup",
)
LAYER = {
    "observe": {"log_level": "error"},
    "policies": {"retry": {"attempts_max": 2, "backoff_base_s": 0.01, "backoff_max_s": 0.02, "budget_percent": 1000}},
    "keys": {"leaky": key_record(LIMITED_KEY, limits={"concurrency": 10_000, "tokens_per_minute": 100_000_000})},
}


@pytest.fixture
async def gateway() -> AsyncIterator[InProcess]:
    """A gateway here, asked with a key whose limits are counted."""
    async with single(LAYER) as running:
        running.key = LIMITED_KEY
        yield running


async def visit(made: Callers, draw: random.Random) -> str:
    """One call; every fifth leaves after 0 to 80 ms."""
    call = asyncio.create_task(made.ask(draw.choice(WAYS), draw.choice(MODELS)))
    if draw.random() < ABORTED_SHARE:
        await asyncio.wait({call}, timeout=draw.random() * 0.08)
        call.cancel()
    result = (await asyncio.gather(call, return_exceptions=True))[0]
    if not isinstance(result, Ending):
        assert isinstance(result, asyncio.CancelledError), result
        return "aborted"
    assert not result.faults, result
    assert result.state in ("complete", "error"), result
    return result.state


async def visits(made: Callers, count: int, draw: random.Random) -> Counter[str]:
    """That many calls, `AT_ONCE` at a time."""
    seen: Counter[str] = Counter()

    async def one_after_the_other() -> None:
        for _ in range(count // AT_ONCE):
            seen[await visit(made, draw)] += 1

    await asyncio.gather(*[one_after_the_other() for _ in range(AT_ONCE)])
    return seen


def file_descriptors() -> int:
    """Open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


@pytest.mark.slow
async def test_nothing_leaks(gateway: InProcess) -> None:
    """Reservations, replies, link calls, tasks, descriptors and connections return to where they were."""
    draw = random.Random(SEED)
    idle_tasks = tasks()
    async with callers(gateway) as made:
        await visits(made, 200, draw)
    await _at_rest(gateway)
    before = file_descriptors()
    async with callers(gateway) as made:
        seen = await visits(made, REQUESTS, draw)
    assert sum(seen.values()) == REQUESTS
    assert seen["aborted"] > REQUESTS * ABORTED_SHARE / 4, (SEED, seen)
    assert seen["complete"] > REQUESTS / 4, (SEED, seen)
    await _at_rest(gateway)
    quota = gateway.quota
    assert quota.in_flight("leaky") == 0, "a place of the key's concurrency was not given back"
    assert not any(open_counts(gateway).values()), open_counts(gateway)
    await eventually(lambda: not tasks() - idle_tasks, "no task is left")
    await eventually(lambda: file_descriptors() <= before + 5, f"{before} descriptors again")


@pytest.mark.slow
async def test_nothing_leaks_over_the_link() -> None:
    """The same with real processes: service and frontend hold as many descriptors and tasks as after the warm-up."""
    draw = random.Random(SEED)
    layer = {**LAYER, "process": {"frontends": 1, "drain_s": 1}, "observe": {"log_level": "info", "log_format": "json"}}
    with served(layer, key=LIMITED_KEY) as running:
        processes = [psutil.Process(running.pids()[name]) for name in ("service", "frontend-1")]
        before = []
        for count in (200, REQUESTS // 2):
            async with callers(running) as made:
                seen = await visits(made, count, draw)
            assert sum(seen.values()) == count
            await settled(running)
            before.append([process.num_fds() for process in processes])
        # connections to the upstream are kept for a while: at most one for each caller
        assert all(late <= early + AT_ONCE for early, late in zip(*before, strict=True)), before
        assert set(running.pids()) == {"supervisor", "service", "frontend-1", "simulator"}

        async def has_few_tasks() -> bool:
            found = await metrics(running)
            return 0 < found['gateway_asyncio_tasks{role="service"}'] < AT_ONCE

        await eventually(has_few_tasks, "no task of a call is left", every_s=0.2)
        assert not [line for line in running.logs() if line.get("event") == "bug" or "traceback" in line]


async def _at_rest(gateway: InProcess) -> None:
    """No call runs, no client is connected, and the pool's connections are closed."""
    await settled(gateway)
    await gateway.half.kit.transport.retire([])
    await eventually(lambda: gateway.whole.http.connection_count == 0, "no client is connected")
    gc.collect()
