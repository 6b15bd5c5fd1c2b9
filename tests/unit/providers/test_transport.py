"""The upstream socket: clocks, caps, connections, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.transport import Reply, Transport
from gateway.providers.upstream import UpstreamRequest
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import deployment_of
from tests.unit.providers.loopback import Connection, loopback

LONG_S = 30.0
BODY = b'{"model":"m"}'


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """A transport; at the end no reply is open."""
    made = Transport()
    yield made
    await made.close()
    assert made.open_replies == 0


def to(url: str, **members: Any) -> Deployment:
    """A deployment at a URL; members of `timeouts` by name."""
    clocks = {name: members.pop(name) for name in list(members) if name.endswith("_s") and name != "keepalive_s"}
    return deployment_of(url, timeouts=clocks, **members)


async def open_at(
    transport: Transport, url: str, deadline_s: float = LONG_S, path: str = "/x", **members: Any
) -> Reply:
    """A request to the server; `deadline_s` from now."""
    headers = {"content-type": "application/json", "accept-encoding": "gzip, deflate"}
    request = UpstreamRequest(url + path, headers, BODY, is_stream=False)
    return await transport.open(to(url, **members), request, asyncio.get_running_loop().time() + deadline_s)


@asynccontextmanager
async def reply_of(transport: Transport, url: str, **options: Any) -> AsyncIterator[Reply]:
    """A reply that is closed at the end."""
    reply = await open_at(transport, url, **options)
    try:
        yield reply
    finally:
        await reply.close()


async def failure(awaitable: Any) -> GatewayError:
    """The GatewayError something fails with."""
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value


async def silent(connection: Connection, _: bytes) -> None:
    """Say nothing until the client goes."""
    await connection.closed()


async def ok(connection: Connection, _: bytes) -> None:
    """A small whole answer."""
    await connection.answer(b"{}")


# --- clocks ----------------------------------------------------------------------------------------------------------


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
    """Counted from the last piece, not from the start."""

    async def slowing(connection: Connection, _: bytes) -> None:
        await connection.stream()
        for _ in range(4):
            await connection.piece(b"x")
            await asyncio.sleep(0.1)
        await connection.closed()

    async with loopback(slowing) as server, reply_of(transport, server.url, idle_s=0.3) as reply:
        got = b""
        with pytest.raises(GatewayError) as caught:
            while True:
                got += await reply.next()
        assert (got, caught.value.cause) == (b"xxxx", "idle")


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
        async with asyncio.timeout(5):
            assert await asyncio.create_task(tries()) == 0


# --- connections -----------------------------------------------------------------------------------------------------


async def test_a_whole_answer_gives_its_connection_back(transport: Transport) -> None:
    """Ten calls one after the other: one connection."""
    async with loopback(ok) as server:
        for _ in range(10):
            async with reply_of(transport, server.url) as reply:
                assert await reply.read() == b"{}"
        assert server.connections == 1


async def test_a_stream_that_said_it_is_done_gives_its_connection_back(transport: Transport) -> None:
    """`finish` waits for the end of the response a moment."""

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
            async with asyncio.timeout(2):
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
        await eventually(lambda: server.closed == 1, within_s=1)


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


# --- what is sent and what is not followed ---------------------------------------------------------------------------


async def test_a_redirect_is_an_answer(transport: Transport) -> None:
    """Credentials never follow a location."""

    async def redirect(connection: Connection, _: bytes) -> None:
        await connection.answer(b"", "location: /elsewhere", status="307 Temporary Redirect")

    async with loopback(redirect) as server, reply_of(transport, server.url) as reply:
        assert reply.status == 307
        assert len(server.requests) == 1


async def test_cookies_are_not_kept(transport: Transport) -> None:
    """One caller's session is not the next one's."""

    async def baker(connection: Connection, _: bytes) -> None:
        await connection.answer(b"{}", "set-cookie: session=1; Path=/")

    async with loopback(baker) as server:
        for _ in range(2):
            async with reply_of(transport, server.url) as reply:
                await reply.read()
        assert not any(b"cookie" in request.lower() for request in server.requests)


async def test_the_environments_proxy_is_not_used(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where calls go is in the configuration and nowhere else."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with loopback(ok) as server, reply_of(transport, server.url) as reply:
        assert await reply.read() == b"{}"


async def test_headers_and_path_are_sent_as_made(transport: Transport) -> None:
    """No header of the HTTP library's own, no second quoting of the path."""
    async with loopback(ok) as server:
        async with reply_of(transport, server.url, path="/a%2Fb?x=%20") as reply:
            await reply.read()
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    names = {line.partition(":")[0].lower() for line in lines[1:]}
    assert (lines[0], body) == ("POST /a%2Fb?x=%20 HTTP/1.1", BODY)
    assert names == {"host", "content-type", "accept-encoding", "content-length"}


# --- failures and caps -----------------------------------------------------------------------------------------------


async def test_nobody_listens(transport: Transport) -> None:
    """A refused connection is the provider's failure; the address stays in the log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    error = await failure(open_at(transport, url))
    assert error.kind is Kind.PROVIDER_ERROR
    assert "127.0.0.1" not in error.message


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000]
)
async def test_no_head_at_all(transport: Transport, said: bytes) -> None:
    """Closed, half a head, garbage, a head without end: each fails before anything was promised."""

    async def broken(connection: Connection, _: bytes) -> None:
        await connection.send(said)
        connection.writer.close()

    async with loopback(broken) as server:
        assert (await failure(open_at(transport, server.url))).kind is Kind.PROVIDER_ERROR


@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_body_that_ends_early_is_cut(transport: Transport, is_reset: bool) -> None:
    """Closed politely or reset: never a short answer."""

    async def cut(connection: Connection, _: bytes) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        if is_reset:
            connection.writer.transport.abort()
        connection.writer.close()

    async with loopback(cut) as server, reply_of(transport, server.url) as reply:
        assert (await failure(reply.read())).kind is Kind.STREAM_CUT


async def test_an_answer_over_the_cap_is_refused(transport: Transport) -> None:
    """And the key is named; one at the cap is not."""
    sizes = iter((70_000, 65_536))

    async def large(connection: Connection, _: bytes) -> None:
        await connection.answer(b"x" * next(sizes))

    async with loopback(large) as server:
        async with reply_of(transport, server.url, response_max_bytes=65_536) as reply:
            error = await failure(reply.read())
            assert (error.kind, "response_max_bytes" in error.message) == (Kind.PROVIDER_INVALID, True)
        async with reply_of(transport, server.url, response_max_bytes=65_536) as reply:
            assert len(await reply.read()) == 65_536


async def test_an_error_body_is_cut_off_not_refused(transport: Transport) -> None:
    """Its status says enough."""

    async def verbose(connection: Connection, _: bytes) -> None:
        await connection.answer(b"x" * 1_000_000, status="500 Oops")

    async with loopback(verbose) as server, reply_of(transport, server.url) as reply:
        assert len(await reply.read()) <= 65_536


async def test_half_an_error_body_is_an_error_body(transport: Transport) -> None:
    """A refusal whose connection is lost, or whose rest is late, is still that refusal; the deadline stays one."""

    async def cut(connection: Connection, _: bytes) -> None:
        await connection.send(b"HTTP/1.1 429 X\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        connection.writer.close()

    async def late(connection: Connection, _: bytes) -> None:
        await connection.send(b"HTTP/1.1 429 X\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        await connection.closed()

    async with loopback(cut) as server, reply_of(transport, server.url) as reply:
        assert (reply.status, await reply.read()) == (429, b"{")
    async with loopback(late) as server:
        async with reply_of(transport, server.url, idle_s=0.1) as reply:
            assert (reply.status, await reply.read()) == (429, b"{")
        async with reply_of(transport, server.url, deadline_s=0.1) as reply:
            assert (await failure(reply.read())).kind is Kind.DEADLINE_EXCEEDED


async def test_a_bomb_counts_as_what_it_becomes(transport: Transport) -> None:
    """40 KB that would be 40 MB: refused by the cap on what was decompressed."""
    bomb = gzip.compress(b"\0" * 40_000_000)

    async def bomber(connection: Connection, _: bytes) -> None:
        await connection.answer(bomb, "content-encoding: gzip")

    async with loopback(bomber) as server, reply_of(transport, server.url, response_max_bytes=65_536) as reply:
        assert (await failure(reply.read())).kind is Kind.PROVIDER_INVALID


async def test_a_compressed_answer_is_read(transport: Transport) -> None:
    """As any other."""

    async def packed(connection: Connection, _: bytes) -> None:
        await connection.answer(gzip.compress(b'{"a":1}'), "content-encoding: gzip")

    async with loopback(packed) as server, reply_of(transport, server.url) as reply:
        assert await reply.read() == b'{"a":1}'


async def test_a_broken_compression_is_cut(transport: Transport) -> None:
    """What cannot be decompressed is no answer."""

    async def broken(connection: Connection, _: bytes) -> None:
        await connection.answer(b"this is not gzip", "content-encoding: gzip")

    async with loopback(broken) as server, reply_of(transport, server.url) as reply:
        assert (await failure(reply.read())).kind is Kind.STREAM_CUT
