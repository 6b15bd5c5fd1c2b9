"""An upstream that keeps every byte it was sent and answers what the test wrote.

Rules: a real HTTP server on a free port; bodies are kept raw, headers with their case and order; an unscripted request
    gets a small valid chat completion.
Not here: an upstream that behaves like a vendor (the simulator).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.place import Layer

COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-recorded",
    "object": "chat.completion",
    "created": 1767600000,
    "model": "recorded",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "noted", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first header of that name, any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer: status, body, headers."""

    status: int = 200
    body: bytes = field(default_factory=lambda: json.dumps(COMPLETION).encode())
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)

    @staticmethod
    def sse(*events: bytes) -> Scripted:
        """A whole event stream; each event is the text after `data: `."""
        body = b"".join(b"data: " + event + b"\n\n" for event in events)
        return Scripted(body=body, headers=(("content-type", "text/event-stream"),))


@dataclass(slots=True)
class Recorder:
    """Set `answer` to change what is answered from now on."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer: Callable[[Seen], Scripted] = lambda _: Scripted()

    @property
    def last(self) -> Seen:
        """The newest request."""
        return self.seen[-1]

    def layer(self, *names: str, **model: Any) -> Layer:
        """A layer with this upstream as provider `recorder`, serving the model `names`; `model` adds members."""
        provider = {"dialect": "openai", "base_url": f"{self.url}/v1", "auth": "none", "is_local": True}
        entry = {"names": list(names), "candidates": [{"provider": "recorder"}], **model}
        return {"providers": {"recorder": provider}, "models": {"recorded": entry}}


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """Listen until the block ends."""
    recorder = Recorder()

    async def take(request: web.Request) -> web.Response:
        seen = Seen(request.method, request.path_qs, tuple(request.headers.items()), await request.read())
        recorder.seen.append(seen)
        scripted = recorder.answer(seen)
        return web.Response(status=scripted.status, body=scripted.body, headers=list(scripted.headers))

    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield recorder
    finally:
        await runner.cleanup()
