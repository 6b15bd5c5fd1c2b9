"""What is sent to a provider and what is taken from it: nothing followed, nothing kept, everything bounded."""

from __future__ import annotations

import asyncio
import gzip
import socket

import pytest

from gateway.core.errors import Kind
from gateway.providers.transport import Transport
from tests.support.waiting import eventually
from tests.unit.providers.loopback import Connection, loopback
from tests.unit.providers.requests import BODY, failure, ok, open_at, reply_of


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


# failures and caps


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


async def test_what_came_before_a_cut_is_read_first(transport: Transport) -> None:
    """Although both were there before anybody read; then the cut is told, every time."""

    async def cut(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.piece(b"data: one\n\n")
        connection.writer.close()

    async with loopback(cut) as server, reply_of(transport, server.url) as reply:
        await eventually(lambda: server.closed)
        await asyncio.sleep(0.05)
        assert await reply.next() == b"data: one\n\n"
        for _ in range(2):
            assert (await failure(reply.next())).kind is Kind.STREAM_CUT


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
