"""Waiting for a place: bounded, interactive first, nobody loses a place that was given, nobody keeps one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.config.schema.routing import Concurrency
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.gate import Door, Gate
from gateway.routing.breaker import Verdict
from tests.support.waiting import PATIENCE_S
from tests.unit.pipeline.kits import deployment_of

FOREVER_S = 1e9


def door(**rules: Any) -> Door:
    """One with a single place, unless the rules say otherwise."""
    made = Concurrency(**{"limit_min": 1, "limit_first": 1, "wait_max_s": PATIENCE_S, **rules})
    return Door(deployment_of(), made, 0.0)


async def enters(made: Door, *, is_batch: bool = False) -> asyncio.Task[None]:
    """A call that has begun to wait, or is in."""
    task = asyncio.create_task(made.enter(FOREVER_S, is_batch=is_batch))
    await asyncio.sleep(0)
    return task


async def shed(made: Door, *, is_batch: bool = False) -> GatewayError:
    """The refusal of a call."""
    with pytest.raises(GatewayError) as caught:
        await made.enter(FOREVER_S, is_batch=is_batch)
    return caught.value


async def test_interactive_calls_go_before_batch_calls_that_came_earlier() -> None:
    """Within a kind, who came first."""
    made, order = door(), []
    await made.enter(FOREVER_S, is_batch=False)

    async def one(name: str) -> None:
        await made.enter(FOREVER_S, is_batch=name.startswith("batch"))
        order.append(name)

    async with asyncio.TaskGroup() as calls:
        for name in ("batch 1", "batch 2", "first", "second"):
            calls.create_task(one(name))
            await asyncio.sleep(0)
        for _ in range(4):
            made.leave(0.01, Verdict.OK)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert order == ["first", "second", "batch 1", "batch 2"]
    made.leave(0.01, Verdict.OK)
    assert (made.in_flight, made.waiting) == (0, 0)


async def test_a_full_queue_sheds_with_a_time_to_come_back() -> None:
    """At once, as OVERLOADED: nobody is kept waiting for nothing."""
    made = door(queue_max=1)
    await made.enter(FOREVER_S, is_batch=False)
    waiting = await enters(made)
    failure = await shed(made)
    assert (failure.kind, failure.retry_after_s) == (Kind.OVERLOADED, 1.0)
    assert (made.waiting, made.shed_calls) == (1, [1, 0])
    made.leave(0.01, Verdict.OK)
    await waiting


async def test_an_interactive_call_takes_the_place_of_the_latest_batch_call_in_a_full_queue() -> None:
    """The batch call is shed; another interactive one is never."""
    made = door(queue_max=2)
    await made.enter(FOREVER_S, is_batch=False)
    early, late = await enters(made, is_batch=True), await enters(made, is_batch=True)
    interactive = await enters(made)
    with pytest.raises(GatewayError, match="Too many calls"):
        await late
    assert (early.done(), interactive.done(), made.waiting) == (False, False, 2)
    for task in (interactive, early):
        made.leave(0.01, Verdict.OK)
        await task


async def test_nobody_waits_longer_than_allowed() -> None:
    """After `wait_max_s` it is shed, and holds no place in the queue."""
    made = door(wait_max_s=0.02)
    await made.enter(FOREVER_S, is_batch=False)
    assert (await shed(made)).kind is Kind.OVERLOADED
    assert (made.in_flight, made.waiting) == (1, 0)


async def test_who_cannot_make_it_is_shed_at_once() -> None:
    """When places are held for a minute each, a wait of half of that is no use; nor is a deadline that has passed."""
    made = door()
    await made.enter(FOREVER_S, is_batch=False)
    made.leave(60.0, Verdict.OK)
    await made.enter(FOREVER_S, is_batch=False)
    failure = await shed(made)
    assert failure.retry_after_s is not None
    assert failure.retry_after_s >= 60
    with pytest.raises(GatewayError):
        await made.enter(-1.0, is_batch=False)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """Before it was given a place, and in the moment it was."""
    made = door()
    await made.enter(FOREVER_S, is_batch=False)
    waiting = await enters(made)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (made.in_flight, made.waiting) == (1, 0)
    given, following = await enters(made), await enters(made)
    made.leave(0.01, Verdict.OK)
    given.cancel()  # it was given the place, and does not know yet
    await asyncio.gather(given, return_exceptions=True)
    await following
    assert (made.in_flight, made.waiting) == (1, 0)


async def test_a_reload_keeps_those_inside_and_counts_anew() -> None:
    """New rules, a new limit, the same door."""
    gate, deployment = Gate(), deployment_of()
    first = Concurrency(limit_min=1, limit_first=1)
    made = gate.door(deployment, first)
    await made.enter(FOREVER_S, is_batch=False)
    again = gate.door(deployment, Concurrency(limit_min=2, limit_first=2))
    assert again is made
    assert (again.in_flight, again.limit.calls) == (1, 2)


async def test_refused_calls_shrink_the_limit() -> None:
    """A provider that says it is too much is believed, once a window."""
    made = door(limit_first=100, limit_max=200)
    for at in range(10):
        await made.enter(FOREVER_S, is_batch=False)
        made.leave(0.1, Verdict.THROTTLED)
        made.limit.took(1.0 + at, 0.1, is_stream=True)
    assert made.limit.calls == 90
