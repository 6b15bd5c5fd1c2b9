"""One small POST: what is on the wire, and what may not be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.providers.post import Answer, Target

TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
async def connector() -> AsyncIterator[aiohttp.TCPConnector]:
    """A connector that is closed at the end."""
    made = aiohttp.TCPConnector()
    yield made
    await made.close()


async def sent(connector: aiohttp.TCPConnector, path: str, headers: dict[str, str], body: bytes, user: str = "") -> str:
    """The request as the server sees it, after its answer came back whole."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(body)))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        response = await Target(f"http://{user}127.0.0.1:{port}{path}").post(connector, headers, body, TIMEOUT)
        assert (response.status, await response.content.read()) == (200, b"ok")
        response.connection.release()
    return seen[0].decode().replace(str(port), "PORT")


async def test_head_and_body_are_exactly_these(connector: aiohttp.TCPConnector) -> None:
    """Nothing is on the wire but the request line, the host, the given headers, the length and the body."""
    assert await sent(connector, "/v1/x?a=b%2Fc", {"accept": "a/b"}, b"{}") == (
        "POST /v1/x?a=b%2Fc HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\naccept: a/b\r\ncontent-length: 2\r\n\r\n{}"
    )


async def test_configuration_may_set_the_host(connector: aiohttp.TCPConnector) -> None:
    """A `host` header of the configuration replaces the one of the URL."""
    request = await sent(connector, "/", {"host": "vendor.example"}, b"")
    assert request.lower().count("host:") == 1
    assert "host: vendor.example\r\n" in request


async def test_user_in_the_url_becomes_basic_auth(connector: aiohttp.TCPConnector) -> None:
    """Name and password of a URL are sent as its authorization."""
    assert "authorization: Basic dTpw\r\n" in await sent(connector, "/", {}, b"", user="u:p@")


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_line_break_in_a_header_is_refused(connector: aiohttp.TCPConnector, value: str) -> None:
    """Nothing is sent when a header would begin a line of its own."""
    with pytest.raises(ValueError, match="line break"):
        await Target("http://127.0.0.1:1/").post(connector, {"x-a": value}, b"", TIMEOUT)


async def served(connector: aiohttp.TCPConnector, wire: bytes) -> Answer:
    """What is made of these bytes, which are all on their way before anybody reads."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(wire)
        await reader.read()  # until the other side is done with the connection
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        target = Target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        return await target.post(connector, {}, b"", TIMEOUT)


async def test_informational_responses_are_passed_over(connector: aiohttp.TCPConnector) -> None:
    """What is given is the final response, however many came before it."""
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    answer = await served(connector, b"HTTP/1.1 100 Continue\r\n\r\n" + early + ANSWER)
    assert (answer.status, await answer.content.read(), "link" in answer.headers) == (200, b"ok", False)


async def test_a_whole_answer_frees_its_connection_unread(connector: aiohttp.TCPConnector) -> None:
    """The next call may use the connection before the answer was read; to release or close it then changes nothing."""
    answer = await served(connector, ANSWER)
    assert answer.content.is_eof()
    assert len(connector._acquired) == 0
    answer.connection.close()
    assert [len(held) for held in connector._conns.values()] == [1]
    assert await answer.content.read() == b"ok"


async def test_a_head_that_is_none_is_a_client_error(connector: aiohttp.TCPConnector) -> None:
    """What is not HTTP fails as it does with a session, and its connection is not used again."""
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await served(connector, b"SSH-2.0-x\r\n\r\n")
    assert not connector._acquired
    assert not connector._conns
