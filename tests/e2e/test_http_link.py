"""The HTTP edge over the real link: what a client does is felt by the service, and by nobody else."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.frontend.edge import Edge
from gateway.frontend.server import Running, serve
from gateway.frontend.settings import FrontendSettings
from gateway.rpc.contract import Head, Tail
from gateway.rpc.link_client import LinkClient
from gateway.rpc.link_server import LinkServer
from gateway.rpc.link_server import serve as serve_link
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.frontend.harness import CHAT_BODY, Toy, chunk, error_of, post, split, until

PATH = "/v1/chat/completions"


@asynccontextmanager
async def linked(script, **http) -> AsyncIterator[tuple[Toy, Running]]:
    """A frontend and a scripted service with a link over a unix socket between them."""
    toy = Toy(script)
    settings = FrontendSettings.from_json(json.dumps({"http": http}))
    with tempfile.TemporaryDirectory() as folder:
        link = LinkServer(toy)
        address = f"unix:{Path(folder) / 'link'}"
        server, _ = await serve_link(link, address)
        async with LinkClient([address]) as client:
            assert await client.ready(PATIENCE_S)
            running = await serve(Edge(client, lambda: settings, is_ready=lambda: client.state == "ready"))
            try:
                yield toy, running
            finally:
                await running.drain(0)
        await link.drain(0)
        await server.stop(0)


def asking(model: str, *, stream: bool = True) -> bytes:
    """A chat request that keeps its connection."""
    return post(PATH, {**CHAT_BODY, "model": model, "stream": stream}).replace(b"Connection: close\r\n", b"")


async def phases(method, request, context):
    """Waits in the phase the model names."""
    if request.model == "queued":
        await asyncio.Event().wait()
    yield Head({})
    if request.model == "before-first":
        await asyncio.Event().wait()
    yield [chunk("a")]
    if request.model == "mid-stream":
        await asyncio.Event().wait()
    while True:
        yield [chunk("b" * 1000)]
        await asyncio.sleep(0)


@pytest.mark.parametrize("model", ["queued", "before-first", "mid-stream", "busy"])
async def test_service_sees_a_client_leave(model: str) -> None:
    """In each phase the service's call is closed when the client leaves; nothing else would end it in this time."""
    async with linked(phases) as (toy, running):
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(asking(model))
        await until(lambda: toy.running == 1)
        await asyncio.sleep(0.05)
        writer.close()
        await asyncio.wait_for(toy.closed.wait(), PATIENCE_S)


async def test_one_stalled_reader_beside_two_hundred_streams() -> None:
    """A reader that takes nothing stops its own call within a bound; 200 others get every chunk meanwhile."""
    made = {"still": 0}

    async def script(method, request, context):
        if request.model == "still":
            while True:
                made["still"] += 1
                yield [chunk("x" * 10_000)]
                await asyncio.sleep(0)
        for _ in range(20):
            yield [chunk("y")]
            await asyncio.sleep(0.02)
        yield Tail({})

    async def read_all(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(PATH, {**CHAT_BODY, "stream": True}))
        data = await reader.read()
        writer.close()
        return data

    async def has_stopped() -> bool:
        before = made["still"]
        await asyncio.sleep(0.2)
        return made["still"] == before

    async with linked(script, stalled_for_s=30) as (toy, running):
        still, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
        writer.transport.pause_reading()
        writer.write(asking("still"))
        await until(lambda: made["still"] > 0)
        async with asyncio.timeout(PATIENCE_S):
            answers = await asyncio.gather(*(read_all(running.port) for _ in range(200)))
        await eventually(has_stopped, "the call that nobody reads stops")
        assert made["still"] * 10_000 < 24 << 20  # what buffers on the way can hold
        assert toy.running == 1
        writer.close()
        await asyncio.wait_for(toy.closed.wait(), PATIENCE_S)
        del still
    for answer in answers:
        body = split(answer)[2]
        assert body.count(b"data: {") == 20
        assert body.endswith(b"data: [DONE]\n\n")


async def test_lost_link_is_an_explicit_error() -> None:
    """When the service goes away a running stream ends with an error event, and readiness with 503."""
    toy = Toy(phases)
    settings = FrontendSettings()
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{Path(folder) / 'link'}"
        server, _ = await serve_link(LinkServer(toy), address)
        async with LinkClient([address]) as client:
            assert await client.ready(PATIENCE_S)
            running = await serve(Edge(client, lambda: settings, is_ready=lambda: client.state == "ready"))
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(asking("mid-stream"))
            await reader.readuntil(b"data: {")
            await server.stop(0)
            rest = await asyncio.wait_for(reader.read(), PATIENCE_S)
            assert b'"error"' in rest
            assert b"[DONE]" not in rest
            assert not rest.endswith(b"0\r\n\r\n")
            await until(lambda: client.state != "ready")
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(post("/readyz", b"", method="GET"))
            status, _, body = split(await reader.read())
            assert (status, error_of(body)["code"]) == (503, "unavailable")
            await running.drain(0)
