"""Providers that answer call by call as a test says, behind a kit of the pipeline.

Rules: real sockets; the providers of a script stand in the order of its steps; the last step is repeated.
Not here: upstreams that behave like vendors (the simulator).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.rpc.contract import CHAT, STREAM_CHAT
from gateway.wire.openai import chat
from tests.support.recorder import COMPLETION
from tests.unit.pipeline.kits import Bench, Outcome, bench, config_of, model, provider
from tests.unit.providers.loopback import Connection, Loopback, loopback

RETRY = {"backoff_base_s": 0.001, "backoff_max_s": 0.002}
WHOLE = json.dumps(COMPLETION).encode()
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
ERROR = b'data: {"error":{"message":"m","code":503}}\n\n'
DONE = b"data: [DONE]\n\n"

Step = int | bytes | str | tuple[int, str] | list[bytes]
"""A status; bytes of a stream, or several writes of it, cut after them; `ok`, `silent`, `html`; a status and a wait."""


@dataclass
class Script:
    """What each provider answers, call by call; the last step is repeated."""

    steps: dict[str, list[Step]]
    seen: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    server: Loopback | None = None

    async def __call__(self, connection: Connection, request: bytes) -> None:
        name = request.split(b" ")[1].split(b"/")[1].decode()
        head, _, body = request.partition(b"\r\n\r\n")
        at = self.seen.count(name)
        self.seen.append(name)
        self.bodies.append(body)
        step = self.steps[name][min(at, len(self.steps[name]) - 1)]
        is_stream = b"text/event-stream" in head
        if step == "ok" and not is_stream:
            await connection.answer(WHOLE)
        elif step == "silent":
            await connection.closed()
        elif step == "html":
            await connection.answer(b"<html>", media="text/html")
        elif isinstance(step, list):
            await connection.stream()
            for piece in step:
                await connection.piece(piece)
                await asyncio.sleep(0.02)
            connection.writer.close()
        elif step == "ok" or isinstance(step, bytes):
            data = step if isinstance(step, bytes) else TEXT + DONE
            await connection.stream()
            await connection.piece(data)
            if data.endswith(DONE):
                await connection.piece(b"")
            else:
                if data:
                    await asyncio.sleep(0.02)  # what comes together with the loss of its connection is lost with it
                connection.writer.close()
        else:
            status, wait = step if isinstance(step, tuple) else (step, "")
            lines = [f"retry-after: {wait}"] if wait else []
            await connection.answer(b'{"error":{"message":"m"}}', *lines, status=f"{status} X")


@asynccontextmanager
async def scripted(
    steps: dict[str, list[Step]], policies: dict[str, Any] | None = None, *, silence_s: float = 0.15, **members: Any
) -> AsyncIterator[tuple[Bench, Script]]:
    """A kit whose model is served by these providers in order; one that is to be silent is waited for `silence_s`."""
    script = Script(steps)
    members = {"retry": RETRY, **members}
    async with loopback(script) as script.server:
        blocks = {
            name: provider(
                f"{script.server.url}/{name}", timeouts={"headers_s": silence_s} if "silent" in answers else {}
            )
            for name, answers in steps.items()
        }
        config = config_of(blocks, {"m": model(*steps, **members)}, policies=policies or {})
        async with bench(config, lambda: 0.5) as made:
            yield made, script
            assert made.is_at_rest


async def call(made: Bench, *, stream: bool = False, **context: Any) -> Outcome:
    """One chat call."""
    request = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream})
    return await made.call(STREAM_CHAT if stream else CHAT, request, **context)
