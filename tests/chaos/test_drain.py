"""SIGTERM while 100 streams (500 with --full) run: they finish, or end with an explicit event; exit code 0.

Rules:
    - What a balancer asks (`/readyz`) never says ready again once it said it is not.
Not here: SIGKILL (test_kill).
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.chaos.callers import WAYS, Callers, Ending, callers
from tests.support.served import Served, served
from tests.support.simulated import unique
from tests.support.waiting import PATIENCE_S, eventually

STREAMS = 100
MANY = pytest.param(500, marks=pytest.mark.full)
ANNOUNCE_S = 5.0  # longer than a machine stands still: the calls in between are to be answered


@contextmanager
def draining(drain_s: float, *arguments: str, announce_s: float = 0.0) -> Iterator[Served]:
    """A gateway with that much time to drain."""
    layer = {
        "process": {"drain_s": drain_s, "frontends": 1, "drain_announce_s": announce_s},
        "observe": {"log_format": "json", "log_level": "info"},
        "policies": {"retry": {"attempts_max": 1}},
    }
    with served(layer, arguments=arguments) as running:
        yield running


async def begin(running: Served, made: Callers, chunks: int, streams: int) -> list[asyncio.Task[Ending]]:
    """Streams over both protocols, all of them live at the upstream."""
    model = unique(f"sim-chunks-{chunks}-pace-100")
    calls = [asyncio.create_task(made.ask(("sse", "stream")[at % 2], model)) for at in range(streams)]
    await running.simulator.until(model, streams_open=streams)
    return calls


async def readiness(url: str, until: asyncio.Event) -> list[str]:
    """What new connections that ask `/readyz` see, in order, without repetitions: a status, or `refused`."""
    seen: list[str] = []
    while not until.is_set():
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
                now = str(response.status)
        except (aiohttp.ClientError, OSError):
            now = "refused"
        if seen[-1:] != [now]:
            seen.append(now)
        await asyncio.sleep(0.01)
    return seen


def settled_in_log(running: Served) -> int:
    """Calls of streams that were settled, by the log."""
    return sum(line.get("event") == "call" and line.get("method") == "StreamChat" for line in running.logs())


@pytest.mark.parametrize("streams", [STREAMS, MANY])
async def test_streams_finish(streams: int) -> None:
    """With enough time all are whole; new connections are refused meanwhile; every process is gone, code 0."""
    with draining(20) as running:
        async with callers(running) as made:
            calls = await begin(running, made, 60 if streams == STREAMS else 100, streams)
            over = asyncio.Event()
            watching = asyncio.create_task(readiness(running.url, over))
            await asyncio.sleep(0.2)
            processes = [psutil.Process(pid) for pid in running.pids().values()]
            running.process.send_signal(signal.SIGTERM)
            endings = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)
            over.set()
            assert all(ending.is_complete and not ending.faults for ending in endings), [
                ending for ending in endings if not ending.is_complete
            ]
            assert len({len(ending.texts) for ending in endings}) == 1
            assert (await watching) in (["200", "503", "refused"], ["200", "refused"]), watching
        code = await asyncio.to_thread(running.process.wait, PATIENCE_S)
        assert code == 0, running.log_text()
        assert not any(process.is_running() for process in processes)
        assert settled_in_log(running) == streams


@pytest.mark.parametrize("streams", [STREAMS, MANY])
@pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["served", "single"])
async def test_streams_that_last_too_long_are_cut_explicitly(arguments: tuple[str, ...], streams: int) -> None:
    """When the time is up, each stream ends with an error of ours over both protocols, and all are settled."""
    with draining(2, *arguments) as running:
        async with callers(running) as made:
            calls = await begin(running, made, 600, streams)
            started_s = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            endings = await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)
            for ending in endings:
                assert ending.state == "error", ending
                assert not ending.faults, ending
                assert ending.kind.lower() == "unavailable", ending
                assert ending.texts, ending
            assert all(ending.has_details for ending in endings), "a process was killed before it could say why"
        code = await asyncio.to_thread(running.process.wait, PATIENCE_S)
        assert code == 0, running.log_text()
        assert time.monotonic() - started_s < PATIENCE_S  # the streams would last a minute
        assert not [line for line in running.logs() if "child killed" in str(line.get("event"))]
        await eventually(lambda: settled_in_log(running) == streams, "all are settled")


async def test_grpc_takes_nothing_new_while_http_drains() -> None:
    """Both edges drain together: a long HTTP stream does not keep the gRPC edge taking calls."""
    with draining(20) as running:
        async with callers(running) as made:
            model = unique("sim-chunks-60-pace-100")
            stream = asyncio.create_task(made.ask("sse", model))
            await running.simulator.until(model, streams_open=1)
            running.process.send_signal(signal.SIGTERM)
            await eventually(lambda: _is_refused(made), "gRPC calls are refused", every_s=0.1)
            assert not stream.done()
            assert (await asyncio.wait_for(stream, PATIENCE_S)).is_complete


async def _is_refused(made: Callers) -> bool:
    return (await made.ask("unary", "sim")).status == "UNAVAILABLE"


@pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["served", "single"])
async def test_balancers_are_told_before_the_listeners_close(arguments: tuple[str, ...]) -> None:
    """While a drain is announced, `/readyz` and gRPC health say not ready, and calls are still answered."""
    with draining(5, *arguments, announce_s=ANNOUNCE_S) as running:
        async with callers(running) as made:
            assert await health(made) == "SERVING"
            over = asyncio.Event()
            watching = asyncio.create_task(readiness(running.url, over))
            await asyncio.sleep(0.1)
            told_s = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            await eventually(lambda: _is_told(made), "gRPC health says so")
            for way in WAYS * 5:
                ending = await made.ask(way, "sim")
                assert ending.is_complete, ending
            code = await asyncio.to_thread(running.process.wait, PATIENCE_S)
            over.set()
            assert await watching == ["200", "503", "refused"]
        assert code == 0, running.log_text()
        assert time.monotonic() - told_s >= ANNOUNCE_S


async def health(made: Callers) -> str:
    """What gRPC health says of the whole service."""
    stub = health_pb2_grpc.HealthStub(made.channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


async def _is_told(made: Callers) -> bool:
    return await health(made) == "NOT_SERVING"
