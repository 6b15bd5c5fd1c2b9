"""A client that leaves is seen by the upstream within 250 ms, in every phase, over every way; all is settled then.

Rules:
    - The delay is the upstream's clock minus the client's: both read CLOCK_MONOTONIC of one machine.
    - 250 ms is a bound of correctness, so a busy machine gets some tries; that it happens at all gets none.
"""

from __future__ import annotations

import asyncio
import calendar
import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from tests.chaos.callers import WAYS, callers
from tests.chaos.scene import Scene, Visitor, layer_of, model_of, prompt
from tests.chaos.settled import settled, tasks
from tests.chaos.upstream import connecting_to, full_backlog, stopping_upstream
from tests.support.served import served
from tests.support.single import InProcess, single
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def unreachable_port() -> Iterator[int]:
    """A port that answers no SYN."""
    with full_backlog() as port:
        yield port


@pytest.fixture(scope="module", params=["single", "served"])
async def scene(request: pytest.FixtureRequest, unreachable_port: int) -> AsyncIterator[Scene]:
    """Both compositions in turn: everything in this process, and the real processes."""
    async with stopping_upstream() as upstream:
        layer = layer_of(upstream, unreachable_port)
        if request.param == "single":
            async with single(layer) as gateway, callers(gateway) as made:
                gateway.half.kit.draw = lambda: 0.999  # a whole minute of backoff
                yield Scene(gateway, upstream, unreachable_port, made)
        else:
            with served(layer) as running:
                async with callers(running) as made:
                    yield Scene(running, upstream, unreachable_port, made)


@pytest.mark.parametrize("way", [*WAYS, "reset", "channel"])
@pytest.mark.parametrize("phase", ["tls", "silent", "headers", "streaming"])
async def test_upstream_sees_it(scene: Scene, phase: str, way: str) -> None:
    """In the TLS handshake, before the headers, before the first content and in mid-stream: the upstream sees it."""
    before = tasks()

    async def once() -> float:
        model, known = model_of(phase, way), len(scene.upstream.seen)
        visitor = Visitor(scene, way)
        await visitor.ask(model)
        if phase == "tls":  # what arrives is a ClientHello, so the connection is known by being new
            await eventually(lambda: scene.upstream.seen[known:] and scene.upstream.seen[-1].received, "a handshake")
            sighting = scene.upstream.seen[-1]
        else:
            sighting = (await eventually(lambda: scene.upstream.of(model), f"the request for {model}"))[-1]
        if phase == "streaming" and way not in ("json", "unary"):
            await visitor.first()
        else:
            await asyncio.sleep(0.05)  # let the gateway take what the upstream sent
        assert sighting.gone_s is None
        left_s = await visitor.leave()
        await eventually(lambda: sighting.gone_s, "the upstream sees the connection end", every_s=0.005)
        return (sighting.gone_s or 0) - left_s

    await prompt(once)
    await settled(scene.gateway)
    await eventually(lambda: not tasks() - before, "no task is left")


@pytest.mark.parametrize("way", [*WAYS, "reset", "channel"])
async def test_connecting_ends(scene: Scene, way: str) -> None:
    """While the connection is being made: the kernel stops trying, so the upstream never hears of the call."""
    port = scene.unreachable_port

    async def once() -> float:
        assert connecting_to(port) == 0
        visitor = Visitor(scene, way)
        await visitor.ask(model_of("unreachable", way))
        await eventually(lambda: connecting_to(port), "a connection attempt")
        left_s = await visitor.leave()
        await eventually(lambda: not connecting_to(port), "no connection attempt is left", every_s=0.005)
        return time.monotonic() - left_s

    await prompt(once)
    await settled(scene.gateway)


async def cancelled_s(scene: Scene, model: str) -> float:
    """When the gateway settled that call as cancelled: by its own log, on the wall clock."""
    gateway = scene.gateway
    if isinstance(gateway, InProcess):
        await eventually(lambda: gateway.half.kit.in_flight <= 1, "the call is over", every_s=0.002)
        return time.time()

    def line() -> dict[str, Any] | None:
        return next((x for x in gateway.logs() if x.get("event") == "call" and x.get("model") == model), None)

    found = await eventually(line, f"the record of {model}")
    assert found["outcome"] == "cancelled", found
    written = time.strptime(found["ts"][:19], "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(written) + float("0" + found["ts"][19:].rstrip("Z"))


@pytest.mark.parametrize("way", [*WAYS, "reset", "channel"])
async def test_queued_call_never_starts(scene: Scene, way: str) -> None:
    """Waiting for one of the provider's connections: the call is over at once, and the upstream never sees it."""
    occupant = Visitor(scene, "sse")
    await occupant.ask(occupying := model_of("narrow-streaming", "sse"))
    await occupant.first()
    models = []

    async def once() -> float:
        models.append(model := model_of("narrow-streaming", way))
        visitor = Visitor(scene, way)
        await visitor.ask(model)
        await asyncio.sleep(0.15)  # it is now in the queue of the pool
        left_s = await visitor.leave()
        offset_s = time.time() - time.monotonic()
        return await cancelled_s(scene, model) - offset_s - left_s

    await prompt(once)
    await occupant.leave()
    await settled(scene.gateway)
    assert len(scene.upstream.of(occupying)) == 1
    assert not any(scene.upstream.of(model) for model in models)


@pytest.mark.parametrize("way", [*WAYS, "reset", "channel"])
async def test_backoff_ends(scene: Scene, way: str) -> None:
    """Waiting for the next try: the call is over at once, and the upstream sees one attempt."""
    models = []

    async def once() -> float:
        models.append(model := model_of("busy", way))
        visitor = Visitor(scene, way)
        await visitor.ask(model)
        await eventually(lambda: scene.upstream.of(model), "the first attempt")
        await asyncio.sleep(0.05)
        left_s = await visitor.leave()
        offset_s = time.time() - time.monotonic()
        return await cancelled_s(scene, model) - offset_s - left_s

    await prompt(once)
    await settled(scene.gateway)
    assert all(len(scene.upstream.of(model)) == 1 for model in models)


@pytest.mark.parametrize("phase", ["silent", "streaming"])
@pytest.mark.parametrize("way", ["unary", "stream"])
async def test_grpc_deadline_is_handed_down(scene: Scene, way: str, phase: str) -> None:
    """A client's gRPC deadline ends the upstream's work, too; the caller gets DEADLINE_EXCEEDED."""

    async def once() -> float:
        model = model_of(phase, way)
        until_s = time.monotonic() + 0.6
        call = scene.callers.rpc(way, model, timeout_s=0.6)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            if way == "stream":
                async for _ in call:
                    pass
            else:
                await call
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if not (seen := scene.upstream.of(model)):
            return math.inf  # the machine stood still until it was too late to ask anybody
        await eventually(lambda: seen[-1].gone_s, "the upstream sees the connection end", every_s=0.005)
        return (seen[-1].gone_s or 0) - until_s

    await prompt(once)
    await settled(scene.gateway)
