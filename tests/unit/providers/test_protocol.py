"""A body whose coding breaks fails for its reader at once, whenever it reads."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.transport import Transport
from gateway.providers.upstream import UpstreamRequest
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.pipeline.kits import deployment_of
from tests.unit.providers.loopback import Connection, loopback


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_malformed_chunk_is_a_cut(*, is_waiting: bool) -> None:
    """A reader that waits is woken; one that comes when the connection is gone is told the same."""
    go_on = asyncio.Event()

    async def broken(connection: Connection, _: bytes) -> None:
        await connection.stream()
        await connection.piece(b"data: 1\n\n")
        await go_on.wait()
        await connection.send(b"zz\r\nthis is no chunk\r\n")

    transport = Transport()
    try:
        async with loopback(broken) as server:
            request = UpstreamRequest(server.url + "/x", {}, b"{}", is_stream=True)
            deadline_s = asyncio.get_running_loop().time() + 30
            reply = await transport.open(deployment_of(server.url), request, deadline_s)
            assert await reply.next() == b"data: 1\n\n"
            reading = asyncio.create_task(reply.next()) if is_waiting else None
            await asyncio.sleep(0)
            go_on.set()
            if not is_waiting:
                await eventually(lambda: server.closed == 1, "the connection is gone")
            with pytest.raises(GatewayError) as caught:
                await asyncio.wait_for(reading or reply.next(), PATIENCE_S)
            assert caught.value.kind is Kind.STREAM_CUT
            await reply.close()
    finally:
        await transport.close()
    assert transport.open_replies == 0
