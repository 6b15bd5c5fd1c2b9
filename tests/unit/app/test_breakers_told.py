"""What a service tells of its breakers and queues: each change once, in metrics and log, and nothing of who is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from gateway.app.breakers import Breakers
from gateway.core.errors import GatewayError
from gateway.routing.breaker import Verdict
from tests.unit.pipeline.kits import Bench, bench, config_of, model, provider

URL = "http://127.0.0.1:9/v1"
LIMITED = {"concurrency": {"limit_min": 1, "limit_first": 1, "queue_max": 0}}


@pytest.fixture
async def made() -> AsyncIterator[Bench]:
    """A kit whose one model has two deployments and a limit."""
    blocks = {name: provider(URL) for name in ("told-a", "told-b")}
    async with bench(config_of(blocks, {"m": model("told-a", "told-b", routing=LIMITED)})) as found:
        yield found


def sample(name: str, **labels: str) -> float | None:
    """A metric's value; None while it was never set."""
    return REGISTRY.get_sample_value(name, labels)


def fails(made: Bench, times: int) -> Any:
    """The first deployment, after so many failures."""
    deployment = made.kit.runtime.catalogue.entries[0].candidates[0]
    now_s = made.kit.transport.loop.time()
    for _ in range(times):
        made.kit.board.began(deployment, now_s)
        made.kit.board.ended(deployment, now_s, Verdict.FAULT, 0.0)
    return deployment


async def test_an_opening_is_told_once(made: Bench) -> None:
    """State 2, one opening, one record with the reason, however often it is looked at."""
    watching = Breakers(made.log)
    watching.look(made.kit)
    fails(made, 5)
    for _ in range(3):
        watching.look(made.kit)
    assert sample("gateway_breaker_state", deployment="told-a/*") == 2
    assert sample("gateway_breaker_openings_total", deployment="told-a/*") == 1
    (record,) = made.log.records("breaker")
    assert (record["deployment"], record["state"], record["reason"]) == ("told-a/*", "open", "5 failures in a row")


async def test_what_closed_between_two_looks_is_still_counted(made: Bench) -> None:
    """The counter tells of it, the state does not."""
    watching, before = Breakers(made.log), sample("gateway_breaker_openings_total", deployment="told-a/*") or 0
    deployment, now_s = fails(made, 5), made.kit.transport.loop.time()
    made.kit.board.began(deployment, now_s)
    made.kit.board.ended(deployment, now_s, Verdict.OK, 0.0)
    watching.look(made.kit)
    assert sample("gateway_breaker_openings_total", deployment="told-a/*") == before + 1
    assert sample("gateway_breaker_state", deployment="told-a/*") == 0


async def test_places_and_shed_calls_are_told(made: Bench) -> None:
    """By deployment and priority."""
    deployment = made.kit.runtime.catalogue.entries[0].candidates[1]
    assert deployment.concurrency is not None
    door = made.kit.gate.door(deployment, deployment.concurrency)
    await door.enter(1e9, is_batch=False)
    with pytest.raises(GatewayError):
        await door.enter(1e9, is_batch=True)
    Breakers(made.log).look(made.kit)
    assert sample("gateway_concurrency_limit_calls", deployment="told-b/*") == 1
    assert sample("gateway_shed_calls_total", deployment="told-b/*", priority="batch") == 1
    assert sample("gateway_shed_calls_total", deployment="told-b/*", priority="interactive") is None
