"""`kill -9` of each process while calls run: explicit errors, no truncated success, a new process, no orphans.

Rules:
    - Nothing here is a timed test: recovery has a generous bound, what was measured is printed.
Not here: SIGTERM and SIGHUP (test_drain, test_reload); clients that leave (test_client_leaves).
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from tests.chaos.callers import WAYS, Callers, Ending, callers
from tests.chaos.scene import Scene, Visitor, layer_of, model_of, prompt
from tests.chaos.settled import settled
from tests.chaos.upstream import connecting_to, full_backlog, stopping_upstream
from tests.support.served import Served, served
from tests.support.simulated import unique
from tests.support.waiting import PATIENCE_S, eventually

RECOVERY_S = 2.0
RECOVERY_MAX_S = PATIENCE_S  # on a machine that runs other tests, too: a start is three seconds of CPU time
CHUNKS = 150  # fifteen seconds: no stream ends before its process is killed
LAYER = {
    "process": {"drain_s": 2},
    "observe": {"log_format": "json", "log_level": "info"},
    "policies": {"retry": {"attempts_max": 1}},
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Served]:
    """A gateway whose processes this file kills."""
    with served(LAYER) as running:
        yield running


def assert_explicit(endings: list[Ending]) -> None:
    """Every call is complete and whole, or failed explicitly with a kind; there is nothing between."""
    for ending in endings:
        assert not ending.faults, ending
        assert ending.state in ("complete", "error"), ending
        if ending.state == "error":
            assert ending.kind, ending
            assert ending.status not in ("OK", 0), ending
        assert ending.has_details or ending.status == "UNAVAILABLE", ending  # nobody was left to say more


async def test_killed_service(gateway: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """50 streams and 20 JSON calls run, half of them over gRPC: each ends explicitly; then calls succeed again."""
    async with callers(gateway) as made:
        slow, waiting = unique(f"sim-chunks-{CHUNKS}-pace-100"), unique("sim-wait-3000")
        ways = [("sse", slow)] * 25 + [("stream", slow)] * 25 + [("json", waiting)] * 10 + [("unary", waiting)] * 10
        calls = [asyncio.create_task(made.ask(way, model)) for way, model in ways]
        await gateway.simulator.until(slow, streams_open=50)
        await gateway.simulator.until(waiting, requests=20)
        await eventually(lambda: has_chunks(gateway, slow, 50 * 3), "every stream has begun")
        await asyncio.sleep(0.5)
        killed_s = time.monotonic()
        gateway.signal(signal.SIGKILL, "service")
        recovered_s = await recovery_s(made, killed_s)
        endings = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)
    with capsys.disabled():
        print(f"\n  service killed: first new answer after {recovered_s:.2f} s (aim: {RECOVERY_S} s)")
    assert_explicit(endings)
    streams = endings[:50]
    assert all(ending.state == "error" for ending in streams), Counter(ending.state for ending in streams)
    assert all(0 < len(ending.texts) < CHUNKS for ending in streams)
    assert {ending.kind for ending in endings if ending.state == "error"} <= {"unavailable", "UNAVAILABLE"}
    assert recovered_s < RECOVERY_MAX_S
    await gateway.simulator.until(slow, aborted=50)
    await settled(gateway)


async def has_chunks(gateway: Served, model: str, least: int) -> bool:
    """Whether the simulator has sent so many, to all streams of the model together."""
    return (await gateway.simulator.counts(model)).chunks >= least


async def recovery_s(made: Callers, since_s: float) -> float:
    """Seconds from `since_s` until a new call over HTTP is answered."""

    async def is_answered() -> bool:
        return (await made.ask("json", "sim")).is_complete

    await eventually(is_answered, "a new call is answered")
    return time.monotonic() - since_s


async def test_grpc_comes_back(gateway: Served) -> None:
    """The same channel of a gRPC client works again after the service was killed."""
    async with callers(gateway) as made:
        assert (await made.ask("unary", "sim")).is_complete
        gateway.signal(signal.SIGKILL, "service")

        async def is_answered() -> bool:
            return (await made.ask("unary", "sim")).is_complete

        await eventually(is_answered, "a gRPC call is answered")
        endings = await asyncio.gather(*[made.ask(way, "sim") for way in WAYS])
    assert all(ending.is_complete for ending in endings), endings


async def test_killed_simulator(gateway: Served) -> None:
    """The upstream itself dies under running calls: cut streams are errors, and it comes back."""
    async with callers(gateway) as made:
        slow = unique(f"sim-chunks-{CHUNKS}-pace-100")
        calls = [asyncio.create_task(made.ask(way, slow)) for way in ("sse", "stream") * 5]
        await gateway.simulator.until(slow, streams_open=10)
        await eventually(lambda: has_chunks(gateway, slow, 10 * 3), "every stream has begun")
        await asyncio.sleep(0.3)
        gateway.signal(signal.SIGKILL, "simulator")
        endings = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)
        assert_explicit(endings)
        assert {ending.kind for ending in endings} <= {"stream_cut", "STREAM_CUT"}, endings
        await recovery_s(made, time.monotonic())
    await settled(gateway)


async def test_killed_frontend() -> None:
    """Link loss: calls in every phase are open when the frontend is killed; the upstream sees each end in 250 ms."""
    with full_backlog() as port:
        async with stopping_upstream() as upstream:
            with served(layer_of(upstream, port)) as running:
                async with callers(running) as made:
                    scene = Scene(running, upstream, port, made)
                    await prompt(lambda: _lose_link(scene))
                    assert (await made.ask("json", "sim")).is_complete


async def _lose_link(scene: Scene) -> float:
    """Open a call in each phase, kill the frontend; how long until the last of them was gone at the upstream."""
    phases = [(phase, way) for phase in ("silent", "headers", "streaming") for way in ("json", "sse")]
    models, visitors = [model_of(phase, way) for phase, way in phases], []
    for (phase, way), model in zip(phases, models, strict=True):
        visitors.append(visitor := Visitor(scene, way))
        await visitor.ask(model)
        await eventually(lambda: scene.upstream.of(model), f"the request for {model}")  # noqa: B023 - awaited here
        if (phase, way) == ("streaming", "sse"):
            await visitor.first()
    connecting = Visitor(scene, "sse")
    await connecting.ask(model_of("unreachable", "sse"))
    await eventually(lambda: connecting_to(scene.unreachable_port), "a connection attempt")
    occupant, queued = Visitor(scene, "sse"), Visitor(scene, "sse")
    await occupant.ask(occupying := model_of("narrow-streaming", "sse"))
    await occupant.first()
    await queued.ask(never := model_of("narrow-streaming", "sse"))
    watched = asyncio.create_task(scene.callers.ask("sse", model_of("streaming", "sse")))
    await asyncio.sleep(0.15)
    killed_s = time.monotonic()
    scene.gateway.signal(signal.SIGKILL, "frontend-1")
    await eventually(lambda: not connecting_to(scene.unreachable_port), "no attempt is left", every_s=0.005)
    not_connecting_s = time.monotonic()
    sightings = [scene.upstream.of(model)[-1] for model in (*models, occupying)]
    await eventually(lambda: all(s.gone_s for s in sightings), "every connection ends", every_s=0.005)
    await settled(scene.gateway)  # its /metrics comes from the next frontend
    assert not scene.upstream.of(never)
    assert not (await asyncio.wait_for(watched, PATIENCE_S)).is_complete, "a truncated stream looked whole"
    for visitor in (*visitors, connecting, occupant, queued):
        await visitor.leave()
    return max(not_connecting_s, *(s.gone_s or 0.0 for s in sightings)) - killed_s


async def test_killed_supervisor_leaves_no_orphan() -> None:
    """When the supervisor is killed, so is everything it started, whatever that was doing."""
    with served(LAYER) as running:
        async with callers(running) as made:
            slow = unique(f"sim-chunks-{CHUNKS}-pace-100")
            calls = [asyncio.create_task(made.ask("sse", slow)) for _ in range(5)]
            await running.simulator.until(slow, streams_open=5)
            processes = [psutil.Process(pid) for pid in running.pids().values()]
            assert len(processes) >= 4
            running.signal(signal.SIGKILL, "supervisor")
            running.process.wait(PATIENCE_S)
            await eventually(lambda: not any(alive(p) for p in processes), "no process is left")
            endings = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)
    assert not any(ending.is_complete for ending in endings)


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; a zombie of this container's init does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
