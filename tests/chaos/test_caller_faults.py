"""What callers do wrong harms nobody: no leak, nothing stays reserved, and no provider's breaker counts it.

Rules:
    - The breaker of every provider here opens at its first failure, so one wrong verdict is seen.
    - The key has limits, so that what it holds is counted; every count is exact, in this process.
Not here: how soon the upstream sees it (test_client_leaves), memory and pace of stalled readers (test_stalled_reader).
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from gateway.routing.breaker import State
from tests.chaos.callers import Callers, body_of, callers
from tests.chaos.scene import model_of
from tests.chaos.settled import open_counts, settled, tasks
from tests.chaos.test_stalled_reader import Flood, flooding
from tests.chaos.upstream import Upstream, stopping_upstream
from tests.support.place import key_record
from tests.support.simulated import unique
from tests.support.single import InProcess, single
from tests.support.waiting import PATIENCE_S, eventually

LIMITED_KEY = "gw-faulty.secret"
TIMES = 5
PHASES = ("silent", "headers", "streaming")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    """An upstream that stops where its model's name says."""
    async with stopping_upstream() as running:
        yield running


@pytest.fixture(scope="module")
async def flood() -> AsyncIterator[Flood]:
    """An upstream whose streams never end."""
    async with flooding() as running:
        yield running


@pytest.fixture(scope="module")
async def gateway(upstream: Upstream, flood: Flood) -> AsyncIterator[InProcess]:
    """A gateway whose breakers open at the first failure."""
    provider = {"dialect": "openai", "base_url": f"{upstream.url}/v1", "auth": "none", "is_local": True}
    layer = {
        "observe": {"log_level": "error"},
        "http": {"stalled_for_s": 1.0},
        "policies": {
            "retry": {"attempts_max": 1},
            "breaker": {"consecutive_max": 1, "calls_min": 1, "error_percent": 1},
        },
        "providers": {"stopping": provider, "broken": provider, "flood": {**provider, "base_url": f"{flood.url}/v1"}},
        "models": {
            "flood": {"names": ["flood"], "candidates": [{"provider": "flood"}]},
            "busy": {"names": ["busy-*"], "candidates": [{"provider": "broken"}]},
            **{phase: {"names": [f"{phase}-*"], "candidates": [{"provider": "stopping"}]} for phase in PHASES},
        },
        "keys": {"faulty": key_record(LIMITED_KEY, limits={"concurrency": 1000, "tokens_per_minute": 100_000_000})},
    }
    async with single(layer) as running:
        running.key = LIMITED_KEY
        yield running


@pytest.fixture
async def made(gateway: InProcess) -> AsyncIterator[Callers]:
    """Well-behaved callers, to see that they are served afterwards."""
    async with callers(gateway) as ready:
        yield ready


@pytest.fixture(autouse=True)
async def harmless(gateway: InProcess, made: Callers) -> AsyncIterator[None]:
    """After every test: all is settled and given back, no breaker moved, and the next call is served."""
    assert (await made.ask("sse", "sim")).is_complete  # its connection stays
    kit = gateway.half.kit
    await kit.transport.retire([])
    before = tasks()
    yield
    await settled(gateway)
    assert kit.quota.in_flight("faulty") == 0
    assert gateway.whole.http.edge.bodies.held_bytes == 0
    now_s = asyncio.get_running_loop().time()
    for live in [live for live in kit.board if not live.deployment_id.startswith("broken/")]:
        assert (live.breaker.state(now_s), live.breaker.in_a_row, live.in_flight) == (State.CLOSED, 0, 0), live
    assert not any(open_counts(gateway).values())
    assert (await made.ask("sse", "sim")).is_complete
    await kit.transport.retire([])  # connections that are kept for the next call have a task at the simulator
    await eventually(lambda: not left_of(before), f"no task is left: {left_of(before)}")


def left_of(before: Counter[str]) -> Counter[str]:
    """Tasks that were not there before; pytest's own, which runs this, does not count."""
    return Counter({name: count for name, count in (tasks() - before).items() if "async_finalizer" not in name})


class Wire:
    """One HTTP connection under the test's control, byte by byte."""

    def __init__(self, gateway: InProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.key, self.reader, self.writer = gateway.key, reader, writer

    def request(self, model: str, *, is_stream: bool = True, padding: int = 0) -> bytes:
        """The bytes of a chat request."""
        body = json.dumps(body_of(model, "x" * padding or "hi", is_stream=is_stream)).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def reset(self) -> None:
        """End the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


@asynccontextmanager
async def wire(gateway: InProcess) -> AsyncIterator[Wire]:
    """A connection, closed at the end."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(gateway, reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def relay(address: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """A TCP relay before `address`, and how to reset everything that goes through it."""
    host, port = address.split(":")
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection(host, int(port))
        writers.extend((writer, there))
        await asyncio.gather(pump(reader, there), pump(there_reader, writer), return_exceptions=True)

    def reset() -> None:
        for writer in writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            writer.transport.abort()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", reset
    finally:
        reset()
        server.close()


async def times(once: Callable[[], Awaitable[None]]) -> None:
    """Several at the same time."""
    async with asyncio.timeout(2 * PATIENCE_S):
        await asyncio.gather(*(once() for _ in range(TIMES)))


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("is_stream", [True, False], ids=["sse", "json"])
async def test_leaving_over_http(
    gateway: InProcess, upstream: Upstream, phase: str, how: str, *, is_stream: bool
) -> None:
    """FIN, RST and the half of a FIN while the provider is silent, has sent its head, or streams."""

    async def once() -> None:
        model = model_of(phase, "sse" if is_stream else "json")
        async with wire(gateway) as line:
            line.writer.write(line.request(model, is_stream=is_stream))
            await eventually(lambda: upstream.of(model), "it is under way")
            await asyncio.sleep(0.02)
            if how == "reset":
                line.reset()
            elif how == "half-close":
                line.writer.write_eof()
                await asyncio.wait_for(line.reader.read(), PATIENCE_S)  # the gateway ends it; nobody reads more
            else:
                line.writer.close()
            sighting = upstream.of(model)[-1]
            await eventually(lambda: sighting.gone_s, "the provider sees it")

    await times(once)


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.999], ids=["head", "body", "last-byte"])
async def test_leaving_within_the_request(gateway: InProcess, share: float, how: str) -> None:
    """A request that never becomes whole: nothing is called, nothing of its body stays in memory."""

    async def once() -> None:
        model = unique("sim")
        async with wire(gateway) as line:
            whole = line.request(model, padding=300_000)
            line.writer.write(whole[: int(len(whole) * share)] if share > 0.1 else whole[:60])
            await asyncio.sleep(0.05)
            if how == "reset":
                line.reset()
            elif how == "half-close":
                line.writer.write_eof()
                await asyncio.wait_for(line.reader.read(), PATIENCE_S)
            else:
                line.writer.close()
        assert (await gateway.simulator.counts(model)).requests == 0

    await times(once)


async def test_one_byte_at_a_time(gateway: InProcess) -> None:
    """A request written byte by byte, and its answer read so, is an ordinary call."""

    async def once() -> None:
        async with wire(gateway) as line:
            for byte in line.request(unique("sim-chunks-5")):
                line.writer.write(bytes([byte]))
                await line.writer.drain()
                await asyncio.sleep(0)
            answer = b""
            while not answer.endswith(b"\r\n0\r\n\r\n"):
                byte_read = await line.reader.read(1)
                assert byte_read, answer
                answer += byte_read
        assert b"[DONE]" in answer
        assert answer.startswith(b"HTTP/1.1 200")

    await times(once)


async def test_a_stalled_window(gateway: InProcess, flood: Flood) -> None:
    """A reader that takes nothing is ended after `stalled_for_s`, and so is its provider's answer."""

    async def once() -> None:
        loop = asyncio.get_running_loop()
        host, port = gateway.url.removeprefix("http://").split(":")
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await loop.sock_connect(sock, (host, int(port)))
            async with wire(gateway) as line:
                await loop.sock_sendall(sock, line.request("flood"))
            await eventually(lambda: flood.gone, "the provider sees it")

    await times(once)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("way", ["unary", "stream"])
@pytest.mark.parametrize("how", ["rst_stream", "deadline", "connection-reset"])
async def test_leaving_over_grpc(gateway: InProcess, upstream: Upstream, phase: str, way: str, how: str) -> None:
    """RST_STREAM, an expired deadline, and a connection that breaks under the call."""
    async with relay(gateway.grpc_address) as (address, reset):
        made = Callers(gateway.url, address, gateway.key)

        async def once() -> None:
            model = model_of(phase, way)
            call = made.rpc(way, model, timeout_s=0.5 if how == "deadline" else 30)
            await eventually(lambda: upstream.of(model) or call.done(), "it is under way")
            await asyncio.sleep(0.02)
            if how == "rst_stream":
                call.cancel()
            elif how == "connection-reset":
                reset()
            seen = upstream.of(model)
            assert seen or how == "deadline"  # which a machine that stands still may reach before the provider
            await eventually(lambda: all(each.gone_s for each in seen), "the provider sees it")
            with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
                if way == "unary":
                    await call
                else:
                    async for _ in call:
                        pass

        try:
            await times(once)
        finally:
            await made.close()


async def test_a_deadline_that_is_over_already(gateway: InProcess, made: Callers) -> None:
    """A call without time left is refused over both protocols, and no provider hears of it."""
    model = unique("sim-wait-500-first-500")
    made.headers["x-request-timeout"] = "0.001"
    ending = await made.ask("sse", model)
    assert ending.kind == "deadline_exceeded", ending
    del made.headers["x-request-timeout"]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await made.rpc("unary", model, timeout_s=0.0)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_provider_that_fails_is_counted(gateway: InProcess, made: Callers) -> None:
    """The other side of it: one failure of a provider opens its breaker here, so the tests above could see one."""
    assert (await made.ask("sse", model_of("busy", "sse"))).kind == "provider_error"
    now_s = asyncio.get_running_loop().time()
    states = {live.deployment_id.partition("/")[0]: live.breaker.state(now_s) for live in gateway.half.kit.board}
    assert states["broken"] is State.OPEN
