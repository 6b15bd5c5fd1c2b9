"""A frontend on a real socket in front of a scripted caller, and raw clients for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.frontend.edge import Edge
from gateway.frontend.observer import Observation
from gateway.frontend.server import Running, serve
from gateway.frontend.settings import FrontendSettings
from gateway.rpc.contract import CallContext, Head, Item, Method, Tail
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, models_pb2
from tests.support.waiting import PATIENCE_S

Script = Callable[[Method, Any, CallContext], AsyncGenerator[Item, None]]
CHAT_BODY = {"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"x-ratelimit-limit-requests": "10", "x-gateway-provider": "toy"}


def chat_response(text: str = "Hello.") -> chat_pb2.ChatResponse:
    """A whole answer."""
    message = chat_pb2.ChatResponse(id="chatcmpl-1", object="chat.completion", created=1, model="m-1")
    choice = message.choices.add(index=0, finish_reason="stop")
    choice.message.role = "assistant"
    choice.message.blocks.add(text=text)
    return message


def chunk(text: str = "Hel") -> chat_pb2.ChatChunk:
    """A chunk with one text delta."""
    message = chat_pb2.ChatChunk(id="chatcmpl-1", object="chat.completion.chunk", created=1, model="m-1")
    message.choices.add(index=0).delta.blocks.add(text=text)
    return message


def completion(text: str = " world") -> completions_pb2.CompletionResponse:
    """A legacy completion, whole or as a chunk."""
    message = completions_pb2.CompletionResponse(id="cmpl-1", object="text_completion", created=1, model="m-1")
    message.choices.add(index=0, text=text)
    return message


async def answers(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
    """The script of a service where everything works."""
    yield Head(HEADERS)
    if method.name == "Chat":
        yield [chat_response()]
    elif method.name == "StreamChat":
        yield [chunk("Hel"), "lo"]
        yield ["."]
    elif method.name == "Complete":
        yield [completion()]
    elif method.name == "StreamComplete":
        yield [completion(" wor"), "ld"]
    elif method.name == "Embed":
        reply = embeddings_pb2.EmbeddingResponse(object="list", model="m-1")
        reply.data.add(object="embedding", index=0).values.extend([0.5, -1.0])
        yield [reply]
    elif method.name == "ListModels":
        yield [models_pb2.ListModelsResponse(models=[model("m-1"), model("e-1")])]
    else:
        yield [model(request.id)]
    yield Tail({"server-timing": "admit;dur=0.1"})


def model(name: str) -> models_pb2.Model:
    """A listed model."""
    return models_pb2.Model(
        id=name,
        created=1,
        owned_by="toy",
        capabilities=["chat"],
        context_window=8192,
        pricing=models_pb2.Pricing(input_usd_micros_per_million=1_200_000, output_usd_micros_per_million=2_000_000),
    )


@dataclass
class Toy:
    """A caller that follows `script` and remembers its calls."""

    script: Script = answers
    calls: list[tuple[Method, Any, CallContext]] = field(default_factory=list)
    running: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        self.calls.append((method, request, context))
        self.running += 1
        items = self.script(method, request, context)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()
            self.running -= 1
            self.closed.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # the product has no event for the tests' sake
            await asyncio.sleep(0.005)


@dataclass
class Front:
    """A running frontend."""

    toy: Toy
    running: Running
    observations: list[Observation]
    settings: FrontendSettings

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def port(self) -> int:
        return self.running.port

    async def raw(self, data: bytes, *, wait_s: float = PATIENCE_S, eof: bool = False) -> bytes:
        """Send bytes, return everything that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            if eof:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), wait_s)
        finally:
            writer.close()

    async def observed(self, count: int = 1) -> list[Observation]:
        """The observations, once there are `count`."""
        await until(lambda: len(self.observations) >= count)
        return self.observations


@asynccontextmanager
async def frontend(
    script: Script = answers, *, http: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Front]:
    """A frontend over `script`; `http` are members of that section, `options` those of Edge and `profile`."""
    profile = options.pop("profile", {})
    settings = FrontendSettings.from_json(json.dumps({"http": http or {}, "profiles": {"default": profile}}))
    toy = Toy(script)
    observations: list[Observation] = []
    front = Front(toy, None, observations, settings)  # type: ignore[arg-type]  # it runs a line below
    edge = Edge(toy, lambda: front.settings, observer=observations.append, **options)
    front.running = await serve(edge)
    try:
        yield front
    finally:
        await front.running.drain(0.0)


def post(path: str, body: bytes | dict[str, Any], *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    """A request as bytes; the connection closes after its answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: test", "Connection: close", *headers]
    if not any(line.lower().startswith(("content-type", "!content-type")) for line in headers):
        lines.append("Content-Type: application/json")
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(data)}")
    lines = [line for line in lines if not line.startswith("!")]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body of an answer; chunks are joined."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = joined(body)
    return int(status_line.split(" ")[1]), headers, body


def joined(body: bytes) -> bytes:
    """The data of a chunked body; `<cut>` marks one without its end."""
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return data
        data, body = data + body[:count], body[count + 2 :]
    return data + b"<cut>"


def error_of(body: bytes) -> dict[str, Any]:
    """The error object; fails unless it is exactly OpenAI's."""
    document = json.loads(body)
    assert list(document) == ["error"]
    error: dict[str, Any] = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    return error
