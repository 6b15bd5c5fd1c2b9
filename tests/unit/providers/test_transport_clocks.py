"""The clocks of an attempt, over real sockets: each ends it with its own name, and none without reason."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.transport import Reply, Transport
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.providers.loopback import Connection, loopback
from tests.unit.providers.requests import failure, ok, open_at, reply_of, silent


async def test_connect_runs_out(transport: Transport) -> None:
    """A listener that accepts nobody: its queue is full, so the handshake is never answered."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        error = await failure(open_at(transport, url, connect_s=0.15))
        for filler in fillers:
            filler.close()
    assert (error.kind, error.cause) == (Kind.PROVIDER_TIMEOUT, "connect")
    assert "timeouts.connect_s" in error.message


async def test_headers_run_out(transport: Transport) -> None:
    """The request was taken and nothing comes back; the connection is closed."""
    async with loopback(silent) as server:
        error = await failure(open_at(transport, server.url, headers_s=0.1))
        assert (error.kind, error.cause) == (Kind.PROVIDER_TIMEOUT, "headers")
        await eventually(lambda: server.closed == 1)


async def test_total_before_headers_is_named(transport: Transport) -> None:
    """The name in the error is the key to change."""
    async with loopback(silent) as server:
        error = await failure(open_at(transport, server.url, headers_s=20.0, total_s=0.1))
        assert (error.cause, "timeouts.total_s" in error.message) == ("total", True)


async def test_the_deadline_is_the_callers(transport: Transport) -> None:
    """Before the head and after it; also one that passed already."""
    async with loopback(silent) as server:
        assert (await failure(open_at(transport, server.url, deadline_s=0.1))).kind is Kind.DEADLINE_EXCEEDED
        assert (await failure(open_at(transport, server.url, deadline_s=-1.0))).kind is Kind.DEADLINE_EXCEEDED

    async with loopback(ok) as server:
        assert (await failure(open_at(transport, server.url, deadline_s=-1.0))).kind is Kind.DEADLINE_EXCEEDED
        assert not server.requests

    async def half(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.closed()

    async with loopback(half) as server, reply_of(transport, server.url, deadline_s=0.15) as reply:
        assert (await failure(reply.next())).kind is Kind.DEADLINE_EXCEEDED


async def test_the_first_token_runs_out_although_bytes_come(transport: Transport) -> None:
    """Comments keep no stream alive; `content_came` stops the clock."""

    async def pinging(connection: Connection, _: bytes) -> None:
        await connection.stream()
        for _ in range(200):
            await connection.piece(b": ping\n\n")
            await asyncio.sleep(0.02)

    async def read_all(reply: Reply) -> None:
        while await reply.next():
            pass

    async with loopback(pinging) as server, reply_of(transport, server.url, first_token_s=0.15, idle_s=5.0) as reply:
        error = await failure(read_all(reply))
        assert (error.kind, error.cause) == (Kind.PROVIDER_TIMEOUT, "first_token")
    async with loopback(pinging) as server, reply_of(transport, server.url, first_token_s=0.1, total_s=0.4) as reply:
        await reply.next()
        reply.content_came()
        assert (await failure(read_all(reply))).cause == "total"


async def test_idle_runs_out_between_pieces(transport: Transport) -> None:
    """Counted from the last piece, not from the start: what came without a pause so long is all read."""
    loop, sent_at_s = asyncio.get_running_loop(), []

    async def slowing(connection: Connection, _: bytes) -> None:
        await connection.stream()
        for _ in range(4):
            sent_at_s.append(loop.time())
            await connection.piece(b"x")
            await asyncio.sleep(0.1)
        await connection.closed()

    async with loopback(slowing) as server, reply_of(transport, server.url, idle_s=0.3) as reply:
        got = b""
        with pytest.raises(GatewayError) as caught:
            while True:
                got += await reply.next()
    pauses_s = [later - sooner for sooner, later in itertools.pairwise(sent_at_s)]
    is_steady = len(sent_at_s) == 4 and max(pauses_s) < 0.25  # the machine went on all the time
    assert caught.value.cause == "idle"
    assert got == b"xxxx" or (not is_steady and b"xxxx".startswith(got))


async def test_a_slow_reader_is_no_idle_provider(transport: Transport) -> None:
    """Time the caller does not read is not the provider's."""

    async def talking(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.piece(b"a")
        await connection.piece(b"")

    async with loopback(talking) as server, reply_of(transport, server.url, idle_s=0.1) as reply:
        await asyncio.sleep(0.4)
        assert await reply.read() == b"a"


async def test_a_clock_that_runs_out_while_nobody_reads_is_told_to_the_next_read(transport: Transport) -> None:
    """Also for a body that ends with its connection: half of it is no whole answer."""

    async def endless(connection: Connection, _: bytes) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
        await connection.closed()

    async with loopback(endless) as server, reply_of(transport, server.url, total_s=0.1) as reply:
        await asyncio.sleep(0.3)
        assert (await failure(reply.next())).cause == "total"


async def test_clocks_of_other_calls_go_on(transport: Transport) -> None:
    """Many attempts with clocks of their own: each ends with its own name, none is forgotten."""
    async with loopback(silent) as server:
        waits = [0.05 + 0.01 * number for number in range(30)]
        errors = await asyncio.gather(*(failure(open_at(transport, server.url, headers_s=wait)) for wait in waits))
    assert {error.cause for error in errors} == {"headers"}


async def test_a_callers_cancel_is_not_taken_for_a_clock(transport: Transport) -> None:
    """Cancelled while it waits for the head: the cancel goes through and the socket closes."""
    async with loopback(silent) as server:
        task = asyncio.create_task(open_at(transport, server.url))
        await eventually(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: server.closed == 1)
    assert task.cancelled()


async def test_an_expired_clock_leaves_its_task_usable(transport: Transport) -> None:
    """The task that waited may go on: nothing of the clock's interruption is left in it."""

    async def tries() -> int:
        for _ in range(3):
            await failure(open_at(transport, server.url, headers_s=0.05))
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    async with loopback(silent) as server:
        async with asyncio.timeout(PATIENCE_S):
            assert await asyncio.create_task(tries()) == 0
