"""A gateway with one provider per phase of a call, and clients that leave it at an exact moment.

Rules:
    - A model's name says its phase first (`silent-...`), so that one upstream serves them all.
Not here: what is asserted (the tests).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from tests.chaos.callers import Callers, body_of
from tests.chaos.upstream import Upstream
from tests.support.place import Layer
from tests.support.served import Served
from tests.support.single import InProcess
from tests.support.waiting import PATIENCE_S

BOUND_S = 0.25
TRIES = 10
_serial = itertools.count(1)


def layer_of(upstream: Upstream, refusing_port: int) -> Layer:
    """One provider per phase, all the same upstream but the one that cannot be connected to."""

    def provider(base_url: str, **more: object) -> dict[str, object]:
        return {"dialect": "openai", "base_url": base_url, "auth": "none", "is_local": True, **more}

    def model(name: str, provider_name: str) -> dict[str, object]:
        return {"names": [f"{name}-*"], "candidates": [{"provider": provider_name}]}

    return {
        "process": {"drain_s": 1, "frontends": 1},
        "observe": {"log_format": "json", "log_level": "info"},
        "policies": {
            "breaker": {"is_enabled": False},  # a retry is to be waited for, however often it failed
            "retry": {"backoff_base_s": 60, "backoff_max_s": 60},
        },
        "providers": {
            "stopping": provider(f"{upstream.url}/v1"),
            "narrow": provider(f"{upstream.url}/v1", connections_max=1),
            "unreachable": provider(f"http://127.0.0.1:{refusing_port}/v1"),
            "tls": provider(f"{upstream.url.replace('http:', 'https:')}/v1"),
        },
        "models": {
            **{name: model(name, "stopping") for name in ("silent", "headers", "streaming", "busy")},
            "narrow": model("narrow", "narrow"),
            "unreachable": model("unreachable", "unreachable"),
            "tls": model("tls", "tls"),
        },
    }


@dataclass(slots=True)
class Scene:
    """A gateway, its upstream, and clients of it."""

    gateway: Served | InProcess
    upstream: Upstream
    unreachable_port: int
    callers: Callers


class Visitor:
    """A client that can leave at an exact moment. Ways: json, sse (FIN), reset (RST), unary, stream, channel."""

    def __init__(self, scene: Scene, way: str) -> None:
        self.scene, self.way = scene, way
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
        self._call: Any = None
        self._own: Callers | None = None

    async def ask(self, model: str) -> None:
        """Send the request."""
        if self.way in ("unary", "stream"):
            self._call = self.scene.callers.rpc(self.way, model)
        elif self.way == "channel":
            gateway = self.scene.gateway
            self._own = Callers(gateway.url, gateway.grpc_address, gateway.key)
            self._call = self._own.rpc("stream", model)
        else:
            await self._post(model)

    async def _post(self, model: str) -> None:
        host, port = self.scene.gateway.url.removeprefix("http://").split(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port))
        body = json.dumps(body_of(model, is_stream=self.way != "json")).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.scene.gateway.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def first(self) -> None:
        """Wait for the first content."""
        async with asyncio.timeout(PATIENCE_S):
            if self._call is not None:
                assert await self._call.read() is not grpc.aio.EOF
            elif self._reader is not None:
                assert b"one" in await self._reader.readuntil(b"one")

    async def leave(self) -> float:
        """Go away; when that was."""
        left_s = time.monotonic()
        if self._own is not None:
            await self._own.close()
        elif self._call is not None:
            self._call.cancel()
        elif self._writer is not None and self.way == "reset":
            self._writer.transport.abort()
        elif self._writer is not None:
            self._writer.close()
        return left_s


async def prompt(once: Callable[[], Awaitable[float]]) -> None:
    """Assert that `once`, which returns a delay in seconds, stays within the bound: the best of TRIES."""
    delays: list[float] = []
    while len(delays) < TRIES and (not delays or min(delays) > BOUND_S):
        delays.append(await once())
    assert min(delays) <= BOUND_S, f"seen after {delays} s"


def model_of(phase: str, way: str) -> str:
    """A model's name for one call, of that phase."""
    return f"{phase}-{'json' if way in ('json', 'unary') else 'sse'}-{next(_serial)}"
