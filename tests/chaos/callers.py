"""Four ways to ask for the same chat - JSON, SSE, gRPC unary, gRPC stream - with one description of how it ended.

Rules:
    - Bare enough to see a truncated success: the SSE reader keeps `[DONE]`, error events and the end of the coding
      apart; gRPC statuses and their details are kept as they came.
    - A call ends in one of three ways: complete, error (explicit, with a kind) or broken (neither: always a fault).
Not here: what is asked (the tests), how the official SDKs see it (tests.e2e).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc

from gateway.core.errors import TABLE
from gateway.rpc.status import from_status
from gateway.wire.openai import chat
from gateway.wire.pb import inference_pb2_grpc

WAYS = ("json", "sse", "unary", "stream")
DETAILS = "grpc-status-details-bin"
TYPES_OF_TABLE = {row.openai_type for row in TABLE.values()}


@dataclass(slots=True)
class Ending:
    """How a call ended. `texts` are the content increments in order; `kind` names the failure.

    `has_details` is false for a gRPC status nobody of ours wrote: that of a connection that broke.
    """

    state: str = "broken"
    status: int | str = 0
    kind: str = ""
    texts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    has_details: bool = True
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the caller was told that this is the whole answer."""
        return self.state == "complete"


class Callers:
    """Clients of one gateway; `ask` runs a call to its end, whatever that is, and never raises for it."""

    def __init__(self, url: str, grpc_address: str, key: str) -> None:
        self.url = url
        self.headers = {"authorization": f"Bearer {key}"}
        connector = aiohttp.TCPConnector(limit=0)
        self.http = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))
        self.channel = grpc.aio.insecure_channel(grpc_address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.stub = inference_pb2_grpc.InferenceStub(self.channel)

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()
        await self.channel.close()

    async def ask(self, way: str, model: str, words: str = "hi", *, timeout_s: float | None = None) -> Ending:
        """One call of the given way; `timeout_s` is told to the gateway as the caller's deadline."""
        if way in ("json", "sse"):
            return await self._http(model, words, timeout_s, is_stream=way == "sse")
        return await self._grpc(model, words, timeout_s, is_stream=way == "stream")

    def rpc(self, way: str, model: str, words: str = "hi", timeout_s: float = 60.0) -> Any:
        """The RPC of a gRPC way, just begun."""
        request = chat.decode_request(body_of(model, words, is_stream=way == "stream"))
        method = self.stub.StreamChat if way == "stream" else self.stub.Chat
        return method(request, metadata=tuple(self.headers.items()), timeout=timeout_s)

    async def _http(self, model: str, words: str, timeout_s: float | None, *, is_stream: bool) -> Ending:
        ending = Ending()
        body = body_of(model, words, is_stream=is_stream)
        headers = self.headers if timeout_s is None else {**self.headers, "x-request-timeout": str(timeout_s)}
        try:
            async with self.http.post(f"{self.url}/v1/chat/completions", json=body, headers=headers) as response:
                ending.status, ending.headers = response.status, dict(response.headers)
                if response.content_type == "text/event-stream":
                    await read_sse(response.content, ending)
                else:
                    _read_json(await response.read(), ending)
        except (aiohttp.ClientError, OSError) as error:
            if ending.state != "error":
                ending.faults.append(f"connection: {type(error).__name__}")
                ending.state = "broken" if ending.status else "refused"
        return ending

    async def _grpc(self, model: str, words: str, timeout_s: float | None, *, is_stream: bool) -> Ending:
        ending = Ending()
        call = self.rpc("stream" if is_stream else "unary", model, words, timeout_s or 60.0)
        try:
            if is_stream:
                async for message in call:
                    ending.texts += [text for choice in message.choices for text in _texts(choice.delta.blocks)]
            else:
                reply = await call
                ending.texts = [text for choice in reply.choices for text in _texts(choice.message.blocks)]
            ending.state, ending.status = "complete", "OK"
        except grpc.aio.AioRpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            details = trailers.get(DETAILS)
            failure = from_status(error.code().value[0], details, error.details() or "")
            ending.state, ending.status, ending.kind = "error", error.code().name, failure.kind.name
            ending.has_details = details is not None
        return ending


def body_of(model: str, words: str = "hi", *, is_stream: bool) -> dict[str, Any]:
    """The JSON of a request."""
    return {"model": model, "messages": [{"role": "user", "content": words}], "stream": is_stream}


async def read_sse(content: aiohttp.StreamReader, ending: Ending) -> None:
    """Read an event stream to its end, whatever that is."""
    has_done = False
    async for line in content:
        if not line.startswith(b"data: "):
            continue
        data = line[6:].strip()
        if has_done:
            ending.faults.append("something came after [DONE]")
        if data == b"[DONE]":
            has_done = True
            if ending.kind:
                ending.faults.append("[DONE] after an error")
            continue
        event = json.loads(data)
        if ending.kind:
            ending.faults.append("something came after an error")
        if "error" in event:
            _take_error(event, ending)
        else:
            deltas = [choice.get("delta", {}) for choice in event.get("choices", ())]
            ending.texts += [delta["content"] for delta in deltas if delta.get("content")]
    if has_done and not ending.kind:
        ending.state = "complete"


def _read_json(body: bytes, ending: Ending) -> None:
    answer = json.loads(body)
    if "error" in answer:
        _take_error(answer, ending)
        if ending.status == 200:
            ending.faults.append("an error with status 200")
    elif ending.status == 200:
        ending.state = "complete"
        ending.texts = [choice["message"]["content"] or "" for choice in answer["choices"]]


def _take_error(answer: dict[str, Any], ending: Ending) -> None:
    error = answer["error"]
    ending.state, ending.kind = "error", str(error.get("code") or error.get("type"))
    if error.get("type") not in TYPES_OF_TABLE:
        ending.faults.append(f"an error type that is not in the table: {error}")
    if set(error) != {"message", "type", "param", "code"} or not error["message"]:
        ending.faults.append(f"not an OpenAI error object: {error}")


def _texts(blocks: Any) -> list[str]:
    return [block.text for block in blocks if block.text]


@asynccontextmanager
async def callers(gateway: Any) -> AsyncIterator[Callers]:
    """Callers of a gateway (`Served` or `InProcess`) until the block ends."""
    made = Callers(gateway.url, gateway.grpc_address, gateway.key)
    try:
        yield made
    finally:
        await made.close()


async def gather(*calls: Any, within_s: float = 60.0) -> list[Any]:
    """Run calls together, bounded."""
    async with asyncio.timeout(within_s):
        return list(await asyncio.gather(*calls))
