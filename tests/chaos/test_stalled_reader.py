"""One caller that reads nothing beside 200 that do: it slows none of them, stays within its bound, and ends.

Rules:
    - That the upstream is no longer read is measured at the upstream: bytes it could hand to its socket stop growing.
    - Paces are compared as a ratio to the same run without the stalled caller, generously, never as seconds; a machine
      that stands still in one of the two gets another try.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from tests.chaos.callers import Callers, body_of, callers
from tests.chaos.settled import settled
from tests.chaos.upstream import HEAD_SSE, chunk_of
from tests.support.served import Served, served
from tests.support.simulated import unique
from tests.support.single import InProcess, single
from tests.support.waiting import PATIENCE_S, eventually

READERS = 200
TRIES = 4
CHUNKS, PACE_MS = 20, 50
STALLED_FOR_S = 3.0
BOUND_BYTES = 24 << 20
"""Socket buffers of the kernel (up to 6 MB each way, three hops), link credit and gRPC's windows; a stream without
back-pressure passes this within a second."""


@dataclass(slots=True)
class Flood:
    """An upstream whose one stream never ends. `sent_bytes` is what its socket took."""

    url: str = ""
    sent_bytes: int = 0
    open_count: int = 0
    gone: list[float] = field(default_factory=list)


@asynccontextmanager
async def flooding() -> AsyncIterator[Flood]:
    """Listen until the block ends."""
    flood = Flood()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flood.open_count += 1
        chunks = chunk_of("x" * 1000) * 64
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD_SSE)
            while True:
                writer.write(chunks)
                await writer.drain()
                flood.sent_bytes += len(chunks)
                await asyncio.sleep(0)
        except (OSError, asyncio.IncompleteReadError):
            flood.gone.append(time.monotonic())
        finally:
            flood.open_count -= 1
            writer.transport.abort()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    try:
        flood.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield flood
    finally:
        server.close()


@dataclass(slots=True)
class Stage:
    """A gateway, clients of it, and the upstream that floods."""

    gateway: Served | InProcess
    callers: Callers
    flood: Flood


@pytest.fixture(scope="module", params=["single", "served"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Both compositions; a reader that takes nothing for 3 s loses its call."""
    async with flooding() as flood:
        layer = {
            "process": {"drain_s": 1},
            "observe": {"log_format": "json", "log_level": "info"},
            "http": {"stalled_for_s": STALLED_FOR_S},
            "providers": {
                "flood": {"dialect": "openai", "base_url": f"{flood.url}/v1", "auth": "none", "is_local": True}
            },
            "models": {"flood": {"names": ["flood"], "candidates": [{"provider": "flood"}]}},
        }
        if request.param == "single":
            async with single(layer) as gateway, callers(gateway) as made:
                yield Stage(gateway, made, flood)
        else:
            with served(layer) as running:
                async with callers(running) as made:
                    yield Stage(running, made, flood)


@asynccontextmanager
async def raw_post(stage: Stage, model: str, *, is_stream: bool) -> AsyncIterator[socket.socket]:
    """An HTTP client with a small window that reads the beginning of its answer and no more."""
    host, port = stage.gateway.url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, int(port)))
    body = json.dumps(body_of(model, is_stream=is_stream)).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    try:
        await loop.sock_sendall(sock, head.encode() + body)
        assert (await loop.sock_recv(sock, 12)) == b"HTTP/1.1 200"
        yield sock
    finally:
        sock.close()


@asynccontextmanager
async def stalled_http(stage: Stage) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """An SSE client that stalls; gives how to read the rest."""
    async with raw_post(stage, "flood", is_stream=True) as sock:

        async def rest() -> bytes:
            tail = b""
            with contextlib.suppress(ConnectionError):
                while data := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1 << 20), PATIENCE_S):
                    tail = (tail + data)[-2000:]
            return tail

        yield rest


@asynccontextmanager
async def stalled_grpc(stage: Stage) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """A gRPC client that reads one message and no more; gives how to read to the end, which is a status code."""
    gateway = stage.gateway
    own = Callers(gateway.url, gateway.grpc_address, gateway.key)
    call = own.rpc("stream", "flood")
    try:
        assert await call.read() is not grpc.aio.EOF

        async def rest() -> grpc.StatusCode:
            async with asyncio.timeout(PATIENCE_S):
                with contextlib.suppress(grpc.aio.AioRpcError):
                    while await call.read() is not grpc.aio.EOF:
                        pass
                return await call.code()

        yield rest
    finally:
        call.cancel()
        await own.close()


STALLED = {"http": stalled_http, "grpc": stalled_grpc}


async def pace_of(made: Callers, model: str, way: str) -> float:
    """Run one stream, assert that it is whole and in order; the mean time between its chunks, in seconds."""
    started_s = time.perf_counter()
    ending = await made.ask(way, model, "count")
    assert ending.is_complete, ending
    assert not ending.faults, ending
    assert ending.texts == expected(), ending.texts
    return (time.perf_counter() - started_s) / CHUNKS


def expected() -> list[str]:
    """The simulator's words for "count", as chunks."""
    words = ["You", "said:", "count"]
    return [("" if at == 0 else " ") + words[at % 3] for at in range(CHUNKS)]


async def paces(made: Callers) -> list[float]:
    """200 streams at once, over both protocols."""
    model = unique(f"sim-chunks-{CHUNKS}-pace-{PACE_MS}")
    return await asyncio.gather(*[pace_of(made, model, ("sse", "stream")[at % 2]) for at in range(READERS)])


@pytest.mark.parametrize("protocol", STALLED)
async def test_stalled_reader_slows_nobody(stage: Stage, protocol: str) -> None:
    """200 streams beside a stalled one are whole, in order and as fast as without it; it stays within its bound."""
    ratios: list[float] = []
    while len(ratios) < TRIES and (not ratios or min(ratios) >= 3):
        alone = await paces(stage.callers)
        sent_before = stage.flood.sent_bytes
        async with STALLED[protocol](stage):
            beside = await paces(stage.callers)
            assert stage.flood.sent_bytes - sent_before < BOUND_BYTES
        before, after = (statistics.quantiles(run, n=20) for run in (alone, beside))
        ratios.append(max(after[at] / before[at] for at in (9, 18)))  # the median, and 95 %
        await settled(stage.gateway)
    assert min(ratios) < 3, ratios


@pytest.mark.parametrize("protocol", STALLED)
async def test_stalled_call_is_paused_then_ended(stage: Stage, protocol: str) -> None:
    """The upstream of a stalled reader is not read any more; after `stalled_for_s` the call ends and is settled."""
    gone_before, sent_before = len(stage.flood.gone), stage.flood.sent_bytes
    async with STALLED[protocol](stage) as rest:
        stalled_s = time.monotonic()
        await still(lambda: stage.flood.sent_bytes)
        held_bytes = stage.flood.sent_bytes - sent_before
        assert 0 < held_bytes < BOUND_BYTES
        await eventually(lambda: len(stage.flood.gone) > gone_before, "the upstream is let go")
        ended_after_s = stage.flood.gone[-1] - stalled_s
        assert ended_after_s > STALLED_FOR_S / 2, "ended before it was stalled for long"
        await settled(stage.gateway)
        end = await rest()
    assert b"[DONE]" not in end if protocol == "http" else end is grpc.StatusCode.DEADLINE_EXCEEDED, end


async def still(read: Callable[[], int], for_s: float = 0.6, within_s: float = PATIENCE_S) -> None:
    """Wait until a number has not changed for a while."""
    until_s = time.monotonic() + within_s
    value, since_s = read(), time.monotonic()
    while time.monotonic() - since_s < for_s:
        assert time.monotonic() < until_s, f"still growing: {value}"
        await asyncio.sleep(0.05)
        if read() != value:
            value, since_s = read(), time.monotonic()


async def test_whole_answer_that_nobody_reads(stage: Stage) -> None:
    """A large JSON answer: the call is settled at once, its connection is ended after `stalled_for_s`."""
    gateway = stage.gateway
    if not isinstance(gateway, InProcess):
        pytest.skip("the connection is counted in process")
    async with raw_post(stage, unique("sim-huge-body-16"), is_stream=False):
        await eventually(lambda: gateway.half.kit.in_flight == 0 and gateway.whole.http.edge.replies, "only the answer")
        await eventually(lambda: not gateway.whole.http.edge.replies, "the answer is given up")
    await settled(gateway)


async def test_reader_that_goes_on_loses_nothing(stage: Stage) -> None:
    """A reader that pauses for less than `stalled_for_s` gets every chunk, in order."""
    model = unique("sim-chunks-4000")
    call = stage.callers.rpc("stream", model, "count")
    texts: list[str] = []
    async for message in call:
        if len(texts) in (10, 3000):
            await asyncio.sleep(STALLED_FOR_S / 3)
        texts += [block.text for choice in message.choices for block in choice.delta.blocks if block.text]
    assert len(texts) == 4000
    assert "".join(texts).startswith("You said: count You said: count")
