"""Models whose usage the gateway counts: by characters (M8), and by exact tokens where a provider reports none.

Rules: a provider that answers "ok", with or without usage; the OpenAI SDK and gRPC; one gateway in this process.
Not here: the count itself (tests/unit/pipeline/test_counting.py).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from aiohttp import web

from gateway.wire.pb import chat_pb2, inference_pb2_grpc, types_pb2
from tests.support.raw import ask
from tests.support.sdk import Sdk, sdk_of, text_of
from tests.support.single import InProcess, single

WRONG = {"prompt_tokens": 900, "completion_tokens": 900, "total_tokens": 1800}
TURNS = [{"role": "user", "content": "héllo"}]


async def answer_ok(request: web.Request) -> web.StreamResponse:
    """A chat that says "ok"; a model called `.../told` reports usage, of another unit."""
    body = await request.json()
    usage = WRONG if body["model"].endswith("told") else None
    if not body.get("stream"):
        message = {"role": "assistant", "content": "ok"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "x", "choices": [choice]} | ({"usage": usage} if usage else {}))
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("o", "k")
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks += [{**head, "choices": [], "usage": usage}] if usage else []
    frames = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return web.Response(body=frames.encode(), headers={"content-type": "text/event-stream"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway() -> AsyncIterator[InProcess]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer_ok)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    provider = {"dialect": "openai", "base_url": f"http://{host}:{port}/v1", "auth": "none", "is_local": True}
    model = {"candidates": [{"provider": "acme"}], "retry": {"attempts_max": 1}}
    layer = {
        "providers": {"acme": provider},
        "models": {
            "characters": {**model, "names": ["chars/*"], "usage_unit": "characters"},
            "exact": {**model, "names": ["exact/*"], "tokenizer": "o200k_base"},
        },
    }
    async with single(layer) as running:
        yield running
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk(gateway: InProcess) -> AsyncIterator[Sdk]:
    made = sdk_of("async", gateway.base_url, gateway.key)
    yield made
    await made.close()


def told(usage: Any) -> tuple[int, int, int]:
    """The three counts."""
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


@pytest.mark.parametrize("model", ["chars/silent", "chars/told"])
async def test_m8_characters(sdk: Sdk, model: str) -> None:
    """M8: prompt "héllo" (5 characters), answer "ok" -> usage 5/2/7; whole and streamed, whatever the provider says."""
    assert told((await sdk.chat(model, TURNS)).usage) == (5, 2, 7)
    chunks = await sdk.chunks(model, TURNS, stream_options={"include_usage": True})
    assert text_of(chunks) == "ok"
    assert [told(chunk.usage) for chunk in chunks if chunk.usage] == [(5, 2, 7)]
    assert not any(chunk.usage for chunk in await sdk.chunks(model, TURNS)), "nobody asked"


async def test_m8_characters_in_other_formats(gateway: InProcess) -> None:
    """M8, for an Anthropic client and over gRPC."""
    body = {"model": "chars/silent", "max_tokens": 9, "messages": TURNS}
    usage = (await ask(f"{gateway.url}/v1/messages", body, gateway.key)).ok().body["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (5, 2)
    request = chat_pb2.ChatRequest(model="chars/told")
    request.messages.add(role="user", blocks=[types_pb2.Block(text="héllo")])
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub: Any = inference_pb2_grpc.InferenceStub(channel)
        reply = await stub.Chat(request, metadata=(("authorization", f"Bearer {gateway.key}"),))
    assert told(reply.usage) == (5, 2, 7)


async def test_counting_tokens(gateway: InProcess) -> None:
    """Exact for texts where the model names an encoding; characters where it counts them."""
    for model, tokens in (("exact/silent", 3 + 3 + 1 + 2), ("chars/silent", 5)):
        body = {"model": model, "messages": TURNS}
        counted = (await ask(f"{gateway.url}/v1/messages/count_tokens", body, gateway.key)).ok().body
        assert counted["input_tokens"] == tokens


async def test_a_provider_that_reports_is_believed(sdk: Sdk) -> None:
    """A model that counts tokens passes what it was told on, and invents nothing for its caller."""
    assert told((await sdk.chat("exact/told", TURNS)).usage) == (900, 900, 1800)
    assert (await sdk.chat("exact/silent", TURNS)).usage is None
