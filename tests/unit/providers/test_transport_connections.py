"""Connections to providers: kept, given back, closed and replaced, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from gateway.config.catalogue import Deployment
from gateway.providers import transport as waits
from gateway.providers.transport import Transport
from gateway.providers.upstream import UpstreamRequest
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.providers.loopback import Connection, loopback
from tests.unit.providers.requests import BODY, LONG_S, ok, open_at, reply_of, to


async def test_a_whole_answer_gives_its_connection_back(transport: Transport) -> None:
    """Ten calls one after the other: one connection."""
    async with loopback(ok) as server:
        for _ in range(10):
            async with reply_of(transport, server.url) as reply:
                assert await reply.read() == b"{}"
        assert server.connections == 1


async def test_a_stream_that_said_it_is_done_gives_its_connection_back(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`finish` waits for the end of the response a moment; here one that no machine outlasts."""
    monkeypatch.setattr(waits, "RELEASE_WAIT_S", PATIENCE_S)

    async def stream(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.piece(b"data: [DONE]\n\n")
        await asyncio.sleep(0.005)
        await connection.piece(b"")

    async with loopback(stream) as server:
        for _ in range(5):
            async with reply_of(transport, server.url) as reply:
                assert await reply.next()
                await reply.finish()
        assert server.connections == 1


async def test_a_stream_left_open_after_its_end_mark_is_closed(transport: Transport) -> None:
    """A provider that never ends its response costs a connection, not a wait."""

    async def stream(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.piece(b"data: [DONE]\n\n")
        await connection.closed()

    async with loopback(stream) as server:
        async with reply_of(transport, server.url) as reply:
            await reply.next()
            async with asyncio.timeout(PATIENCE_S):
                await reply.finish()
        await eventually(lambda: server.closed == 1)


async def test_closing_early_closes_the_connection(transport: Transport) -> None:
    """Nothing is drained for nobody."""

    async def stream(connection: Connection, _: bytes) -> None:
        await connection.stream()
        while True:
            await connection.piece(b"data: {}\n\n")
            await asyncio.sleep(0.005)

    async with loopback(stream) as server:
        async with reply_of(transport, server.url) as reply:
            await reply.next()
        await eventually(lambda: server.closed == 1)


async def test_closing_twice_is_closing_once(transport: Transport) -> None:
    """The count of open replies stays right."""
    async with loopback(ok) as server:
        reply = await open_at(transport, server.url)
        assert transport.open_replies == 1
        for _ in range(3):
            await reply.close()
        assert transport.open_replies == 0


async def test_a_kept_connection_the_provider_closed_is_replaced(transport: Transport) -> None:
    """An idle connection that ended in the meantime fails no call."""

    async def once(connection: Connection, _: bytes) -> None:
        await connection.answer(b"{}")
        connection.writer.close()

    async with loopback(once) as server:
        for _ in range(3):
            async with reply_of(transport, server.url) as reply:
                assert await reply.read() == b"{}"
            await asyncio.sleep(0.02)
        assert server.connections == 3


async def test_no_more_connections_than_allowed(transport: Transport) -> None:
    """The others wait for a place, within the connect clock."""

    async def slow(connection: Connection, _: bytes) -> None:
        await asyncio.sleep(0.02)
        await connection.answer(b"{}")

    async def one() -> bytes:
        async with reply_of(transport, server.url, connections_max=2) as reply:
            return await reply.read()

    async with loopback(slow) as server:
        assert await asyncio.gather(*(one() for _ in range(8))) == [b"{}"] * 8
        assert server.connections == 2


async def test_a_retired_pool_ends_with_its_last_reply(transport: Transport) -> None:
    """What runs goes on, idle connections close at once, and the next call opens anew."""

    async def half(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.piece(b"a")
        await asyncio.sleep(0.05)
        await connection.piece(b"")

    async with loopback(half) as server:
        reply = await open_at(transport, server.url)
        await transport.retire([])
        assert await reply.read() == b"a"
        await reply.close()
        await eventually(lambda: server.open == 0)
        await transport.retire([])
        async with reply_of(transport, server.url) as again:
            assert await again.read() == b"a"
        await transport.retire([to(server.url)])
        assert server.open == 1
        await transport.retire([])
        await eventually(lambda: server.open == 0)


async def test_a_call_during_the_retiring_leaves_no_closed_pool_behind(transport: Transport) -> None:
    """Calls of an old configuration go on while its pools close, one after the other; later ones open anew."""
    async with loopback(ok) as first, loopback(ok) as second:
        old = [to(first.url), to(second.url)]

        async def call(deployment: Deployment) -> bytes:
            request = UpstreamRequest(f"{deployment.base_url}/x", {}, BODY, is_stream=False)
            reply = await transport.open(deployment, request, asyncio.get_running_loop().time() + LONG_S)
            try:
                return await reply.read()
            finally:
                await reply.close()

        for deployment in old:
            assert await call(deployment) == b"{}"
        retiring = asyncio.create_task(transport.retire([]))
        await asyncio.sleep(0)
        assert not retiring.done()
        assert await asyncio.gather(*map(call, old)) == [b"{}"] * 2
        await retiring
        assert [await call(deployment) for deployment in old] == [b"{}"] * 2


@pytest.mark.parametrize("body", [BODY, BODY * 10_000], ids=["small", "large"])
async def test_an_answer_nobody_asked_for_is_nobodys(transport: Transport, body: bytes) -> None:
    """What a provider sends after a whole answer goes to no later call: each gets the answer to its own request."""

    async def twice(connection: Connection, request: bytes) -> None:
        number = request.partition(b"x-number: ")[2][:1]
        await connection.answer(number)
        await go_on.wait()
        await connection.answer(b"stray")

    async with loopback(twice) as server:
        deployment = to(server.url)
        for number in "123":
            go_on = asyncio.Event()
            request = UpstreamRequest(f"{server.url}/x", {"x-number": number}, body, is_stream=False)
            reply = await transport.open(deployment, request, asyncio.get_running_loop().time() + LONG_S)
            assert await reply.read() == number.encode()
            await reply.close()
            [pool] = transport._pools.values()
            connector = pool.session.connector
            assert connector is not None
            [[(idle, _)]] = connector._conns.values()
            go_on.set()
            await eventually(lambda: len(idle._buffer) == 1, "the stray answer has come")  # noqa: B023 - called at once
        assert server.connections == 3
