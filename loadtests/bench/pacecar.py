"""The pace car: the least a gateway made of aiohttp can be. It forwards bytes and knows nothing.

    python -m loadtests.bench.pacecar UPSTREAM_ORIGIN PORT

Rules:
    - Same HTTP stack and event loop as the gateway; no parsing of bodies, no policy, no log.
Not here:
    - The comparison (bench.report).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator

import aiohttp
import uvloop
from aiohttp import web


async def relay(request: web.Request) -> web.StreamResponse:
    """One request, forwarded."""
    origin, session = request.app[ORIGIN], request.app[SESSION]
    body = await request.read()
    async with session.post(origin + request.path, data=body, headers={"content-type": "application/json"}) as reply:
        if not reply.content_type.startswith("text/event-stream"):
            return web.Response(body=await reply.read(), content_type=reply.content_type)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        async for data in reply.content.iter_any():
            await response.write(data)
        return response


async def sessions(app: web.Application) -> AsyncGenerator[None, None]:
    """One client session for the life of the application."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        app[SESSION] = session
        yield


ORIGIN = web.AppKey("origin", str)
SESSION = web.AppKey("session", aiohttp.ClientSession)


def main(origin: str, port: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app[ORIGIN] = origin
    app.cleanup_ctx.append(sessions)
    app.router.add_post("/{path:.*}", relay)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
