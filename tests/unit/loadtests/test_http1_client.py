"""The load driver's client reports what an answer really was: whole, cut, complete, and when its content began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from loadtests.http1 import Address, Answer, Connection
from tests.support.waiting import PATIENCE_S, eventually

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
ADDRESS = "http://127.0.0.1:{port}/v1"


@asynccontextmanager
async def speaking(*answers: list[bytes]) -> AsyncGenerator[Address, None]:
    """A server that gives each request the next answer's pieces, then closes when the pieces end with b''."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left:
            try:
                await reader.readuntil(b"}")
            except asyncio.IncompleteReadError:
                break
            for piece in left.pop(0):
                if not piece:
                    writer.close()
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.005)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address.of(ADDRESS.format(port=server.sockets[0].getsockname()[1]), "key")
    finally:
        server.close()


async def ask(address: Address, connection: Connection | None = None) -> Answer:
    return await (connection or Connection(address)).ask(address.request("chat/completions", {}))


async def test_a_body_of_known_length_is_whole() -> None:
    """The length decides, however the bytes arrive."""
    pieces = [b"HTTP/1.1 404 Not Found\r\nContent-", b"Length: 4\r\n\r\n{", b"}\n\n"]
    async with speaking(pieces) as address:
        answer = await ask(address)
    assert (answer.status, answer.is_whole, answer.body) == (404, True, b"{}\n\n")


async def test_a_stream_is_whole_with_its_last_chunk() -> None:
    """`[DONE]` is found also when a proxy cut its event in two, and the first content has a time."""
    content = b'1c\r\ndata: {"content": "hello"}  \n\r\n'
    cut = [HEAD, content, b"5\r\ndata:\r\n9\r\n [DONE]\n\n\r\n", b"0\r\n\r\n"]
    async with speaking(cut) as address:
        answer = await ask(address)
    assert answer.is_whole
    assert answer.has_done
    assert answer.first_s is not None
    assert answer.first_s <= answer.seconds


async def test_a_lost_connection_is_an_answer_that_is_not_whole() -> None:
    """No exception, and what came is kept."""
    async with speaking([HEAD, EVENT[:8], b""]) as address:
        answer = await ask(address)
    assert (answer.status, answer.is_whole, answer.has_done) == (200, False, False)


async def test_a_connection_is_used_again_and_made_again() -> None:
    """Two answers on one connection; after the server closed it, the next request makes a new one."""
    async with speaking([HEAD + EVENT], [HEAD + EVENT, b""], [HEAD + EVENT]) as address:
        connection = Connection(address)
        answers = [await ask(address, connection) for _ in range(2)]
        await eventually(lambda: connection.wire is None, "the end of the connection")
        answers.append(await ask(address, connection))
    assert all(answer.is_whole and answer.has_done for answer in answers)


async def test_cancelling_closes_the_connection() -> None:
    """What a load driver abandons, the server sees as gone; the client can be used again."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = Address.of(ADDRESS.format(port=server.sockets[0].getsockname()[1]), "key")
    job = asyncio.create_task(ask(address))
    await asyncio.sleep(0.02)
    job.cancel()
    await asyncio.wait([job])
    await asyncio.wait_for(gone.wait(), PATIENCE_S)
    server.close()
