"""One small POST: what is on the wire, and what may not be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.providers.post import Target

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
        response.release()
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
