"""Requests at a `Transport` over real sockets, for the tests of clocks, connections and caps.

Rules: every reply is closed by the block that opened it.
Not here: the server at the other end (loopback).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError
from gateway.providers.transport import Reply, Transport
from gateway.providers.upstream import UpstreamRequest
from tests.unit.pipeline.kits import deployment_of
from tests.unit.providers.loopback import Connection

LONG_S = 30.0
BODY = b'{"model":"m"}'


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
