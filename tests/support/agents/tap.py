"""A tap between an agent and a gateway: passes everything on as it comes, and writes down what was asked for.

Rules: method, path, headers and body are passed unchanged but for `host`; answers are streamed; nothing is kept
    but Asked.
Not here: what the gateway sent on (the simulator knows).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

_HOP = {"host", "content-length", "transfer-encoding", "connection", "keep-alive"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an agent, and how the gateway answered it."""

    route: str
    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    dropped: str
    """Header `x-gateway-dropped` of the answer."""

    @property
    def is_stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.body.get("stream") is True or ":streamGenerateContent" in self.route

    @property
    def betas(self) -> list[str]:
        """The words of `anthropic-beta`."""
        return [word for word in self.headers.get("anthropic-beta", "").split(",") if word]

    @property
    def tools(self) -> dict[str, int]:
        """How many tools of each type were offered; `function` for those with a schema."""
        found: dict[str, int] = {}
        for tool in self.body.get("tools") or ():
            declared = tool.get("functionDeclarations", ())
            kind = tool.get("type") or "function"
            found[kind] = found.get(kind, 0) + (len(declared) or 1)
        return found


@dataclass(slots=True)
class Tap:
    """Listens at `url`; `asked` grows."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def tapping(target: str) -> AsyncIterator[Tap]:
    """Pass every request on to `target` (a URL without path) until the block ends."""
    tap = Tap("")
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as session:

        async def passed(request: web.Request) -> web.StreamResponse:
            data = await request.read()
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            url = target + request.raw_path
            async with session.request(request.method, url, data=data, headers=headers, allow_redirects=False) as got:
                route = f"{request.method} {request.path_qs}"
                sent = {name.lower(): value for name, value in request.headers.items()}
                dropped = got.headers.get("x-gateway-dropped", "")
                tap.asked.append(Asked(route, got.status, sent, _object(data), dropped))
                kept = [(name, value) for name, value in got.headers.items() if name.lower() not in _HOP]
                answer = web.StreamResponse(status=got.status, headers=kept)
                with suppress(ConnectionError):  # an agent leaves when it has read enough
                    await answer.prepare(request)
                    async for piece in got.content.iter_any():
                        await answer.write(piece)
                    await answer.write_eof()
                return answer

        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", passed)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            tap.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield tap
        finally:
            await runner.cleanup()


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data) if data else {}
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
