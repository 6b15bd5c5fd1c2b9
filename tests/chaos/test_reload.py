"""Fifty reloads (1,000 with --full) under load: no call fails, each runs on one snapshot, no broken file is taken."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.chaos.callers import WAYS, Callers, callers
from tests.chaos.settled import metrics, settled
from tests.support.served import Served, served
from tests.support.waiting import PATIENCE_S, eventually

RELOADS, RELOADS_FULL = 50, 1000
GENERATION = "x-gateway-generation"


def layer(number: int, **more: Any) -> dict[str, Any]:
    """A layer in which reload `number` can be seen: a model of its own, another timeout, another pool size."""
    return {
        "process": {"drain_s": 2},
        "observe": {"log_format": "json", "log_level": "info"},
        "policies": {"retry": {"attempts_max": 1}, "deadline_default_s": 100 + number},
        "providers": {
            "extra": {
                "dialect": "openai",
                "base_url": "http://127.0.0.1:9/v1",
                "auth": "none",
                "is_local": True,
                "connections_max": 10 + number,
            }
        },
        "models": {
            "extra": {"names": [f"extra-{number}"], "candidates": [{"provider": "extra"}]},
            "flipping": {"names": ["flipping"], **flipped(number)},
        },
        **more,
    }


def flipped(number: int) -> dict[str, Any]:
    """Candidates, weights and fallback of one configuration: with one half of two of them, calls fail."""
    name = f"sim-chunks-5-tag-flip{number % 100}"  # the simulator counts a thousand names apart
    good = {"provider": "simulator", "upstream_model": name, "weight": 1}
    bad = {"provider": "extra", "upstream_model": name, "weight": 0}
    return {"candidates": [good, bad] if number % 2 else [bad, good], "has_fallback": False}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Served]:
    """A gateway whose configuration this file changes."""
    with served(layer(0)) as running:
        yield running


@pytest.fixture
async def made(gateway: Served) -> AsyncIterator[Callers]:
    """Clients of it."""
    async with callers(gateway) as ready:
        yield ready


async def generation(made: Callers) -> int:
    """The generation a new call is admitted under."""
    ending = await made.ask("json", "sim")
    assert ending.is_complete, ending
    return int(ending.headers[GENERATION])


async def until_generation(gateway: Served, made: Callers, least: int) -> int:
    """Wait until new calls see at least that generation; a refused configuration is said."""

    async def is_there() -> int:
        found = await generation(made)
        return found if found >= least else 0

    try:
        return int(await eventually(is_there, f"generation {least}"))
    except AssertionError as error:
        refused = [line["problems"] for line in gateway.logs() if "last good one stays" in str(line.get("event"))]
        raise AssertionError(f"{error}; refused: {refused[-1:]}") from error


@pytest.mark.timeout(900)
@pytest.mark.parametrize("reloads", [RELOADS, pytest.param(RELOADS_FULL, marks=pytest.mark.full)])
async def test_reloads_under_load(gateway: Served, made: Callers, reloads: int) -> None:
    """Every file change is taken by SIGHUP while calls of every way run: none fails, the generation only grows."""
    is_over = asyncio.Event()
    seen: list[int] = []

    async def keep_asking(way: str, model: str) -> int:
        count = 0
        while not is_over.is_set():
            ending = await made.ask(way, model, "count")
            assert ending.is_complete, ending
            assert not ending.faults, ending
            if GENERATION in ending.headers:
                seen.append(int(ending.headers[GENERATION]))
            count += 1
        return count

    models = ("sim-chunks-5", "sim-chunks-20-pace-20", "flipping")
    began_s = time.monotonic()
    asking = [asyncio.create_task(keep_asking(*pair)) for pair in itertools.product(WAYS, models)]
    long_stream = asyncio.create_task(made.ask("sse", "sim-chunks-200-pace-50"))
    before = await generation(made)
    last_number = 2000 + reloads if reloads > RELOADS else reloads  # numbers of its own
    for number in range(last_number - reloads + 1, last_number + 1):
        gateway.write_layer(layer(number))
        gateway.signal(signal.SIGHUP)
        await until_generation(gateway, made, before + number - last_number + reloads)
    is_over.set()
    counts = await asyncio.wait_for(asyncio.gather(*asking), PATIENCE_S)
    assert all(counts), counts
    assert (await asyncio.wait_for(long_stream, PATIENCE_S)).is_complete
    print(f"{reloads} reloads under {sum(counts)} calls in {time.monotonic() - began_s:.0f} s, none failed")
    assert len(set(seen)) > reloads // 2, "calls hardly saw the reloads"
    assert await generation(made) >= before + reloads
    last = await made.ask("json", f"extra-{last_number}")
    assert last.kind in ("provider_error", "unavailable"), last  # known, though its provider is not there
    assert (await made.ask("json", "extra-1")).kind == "model_not_found"
    await settled(gateway)


async def test_broken_file_keeps_the_last_good_one(gateway: Served, made: Callers) -> None:
    """What cannot be read changes nothing, is said with its place and counted; the next good file is taken."""
    gateway.write_layer(layer(100))
    gateway.signal(signal.SIGHUP)
    await eventually(lambda: _knows(made, "extra-100"), "the last good file")
    good = await generation(made)
    path = gateway.root / "config" / "local.yaml"
    for broken in ("http: [", "http: {prot: 1}\n", "models: {a: {names: [x], candidates: [{provider: nobody}]}}\n"):
        kept = (await metrics(gateway)).get('gateway_config_reloads_total{outcome="kept"}', 0)
        path.write_text(broken)
        gateway.signal(signal.SIGHUP)

        async def is_counted(least: float = kept + 1) -> bool:
            return (await metrics(gateway)).get('gateway_config_reloads_total{outcome="kept"}', 0) >= least

        await eventually(is_counted, f"{broken!r} is refused")
        assert await generation(made) == good
        assert await _knows(made, "extra-100")
    said = [line for line in gateway.logs() if "last good one stays" in str(line.get("event"))]
    assert any("prot" in str(line["problems"]) and "local.yaml" in str(line["problems"]) for line in said), said
    gateway.write_layer(layer(101))
    gateway.signal(signal.SIGHUP)
    await eventually(lambda: _knows(made, "extra-101"), "the next good file")
    assert await generation(made) > good


async def _knows(made: Callers, model: str) -> bool:
    return (await made.ask("json", model)).kind != "model_not_found"


async def test_a_removed_model_drains(gateway: Served, made: Callers) -> None:
    """A stream of a model that a reload removes goes on to its end; new calls are refused."""
    simulated = {
        "dialect": "openai",
        "base_url": f"{gateway.simulator.url}/v1",
        "auth": "none",
        "is_local": True,
    }
    with_model = layer(200)
    with_model["providers"]["leaving"] = simulated
    with_model["models"]["leaving"] = {
        "names": ["leaving"],
        "candidates": [{"provider": "leaving", "upstream_model": "sim-chunks-70-pace-100"}],
    }
    gateway.write_layer(with_model)
    gateway.signal(signal.SIGHUP)
    await eventually(lambda: _knows(made, "extra-200"), "the model is there")
    streams = [asyncio.create_task(made.ask(way, "leaving")) for way in ("sse", "stream")]
    await gateway.simulator.until("sim-chunks-70-pace-100", streams_open=2)
    gateway.write_layer(layer(201))
    gateway.signal(signal.SIGHUP)
    await eventually(lambda: _knows(made, "extra-201"), "the model is gone")
    assert (await made.ask("json", "leaving")).kind == "model_not_found"
    assert not any(stream.done() for stream in streams)
    endings = await asyncio.wait_for(asyncio.gather(*streams), PATIENCE_S)
    assert all(ending.is_complete and len(ending.texts) == 70 for ending in endings), endings
    await settled(gateway)
