"""A provider's failure over real sockets: every upstream format, every way to call, one kind.

Rules: one gateway in this process, the simulator as every vendor; each client speaks its own format over HTTP, or gRPC.
Not here: every status and every word of every vendor (tests/contract/test_error_matrix.py).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from gateway.config.schema.upstream import NEVER_STREAMS
from gateway.core.errors import TABLE, GatewayError, Kind
from gateway.rpc.status import from_status
from gateway.simulator.server import Running, serve
from gateway.wire.anthropic.errors import type_of_status
from gateway.wire.gemini.errors import STATUS_WORDS
from gateway.wire.pb import chat_pb2, inference_pb2_grpc, types_pb2
from tests.support.matrix.upstreams import UPSTREAMS, layer
from tests.support.raw import Answer, ask
from tests.support.simulated import unique
from tests.support.single import InProcess, single

SAMPLE = {
    400: Kind.INVALID_REQUEST,
    401: Kind.PROVIDER_AUTH,
    404: Kind.MODEL_NOT_FOUND,
    405: Kind.PROVIDER_REFUSED,
    429: Kind.PROVIDER_RATE_LIMITED,
    503: Kind.PROVIDER_ERROR,
    504: Kind.PROVIDER_TIMEOUT,
}
TURNS = [{"role": "user", "content": "hi"}]
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
HTTP = ("openai", "responses", "anthropic", "gemini")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway() -> AsyncIterator[InProcess]:
    upstream: Running = await serve()
    async with single(layer(upstream.url)) as running:
        yield running
    await upstream.stop()


async def over_http(gateway: InProcess, client: str, model: str, *, is_stream: bool) -> Answer:
    """One chat in a client's format."""
    if client == "gemini":
        method = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
        return await ask(f"{gateway.url}/v1beta/models/{model}:{method}", {"contents": CONTENTS}, gateway.key)
    path, body = {
        "openai": ("/v1/chat/completions", {"messages": TURNS}),
        "responses": ("/v1/responses", {"input": "hi", "store": False}),
        "anthropic": ("/v1/messages", {"messages": TURNS, "max_tokens": 64}),
    }[client]
    return await ask(gateway.url + path, {"model": model, "stream": is_stream, **body}, gateway.key)


async def over_grpc(gateway: InProcess, model: str, *, is_stream: bool) -> tuple[str, GatewayError]:
    """What a chat delivered, and how it failed."""
    request = chat_pb2.ChatRequest(model=model)
    request.messages.add(role="user", blocks=[types_pb2.Block(text="hi")])
    metadata = (("authorization", f"Bearer {gateway.key}"),)
    text = ""
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub: Any = inference_pb2_grpc.InferenceStub(channel)
        try:
            if not is_stream:
                await stub.Chat(request, metadata=metadata)
            else:
                async for chunk in stub.StreamChat(request, metadata=metadata):
                    text += "".join(block.text for choice in chunk.choices for block in choice.delta.blocks)
        except grpc.aio.AioRpcError as error:
            return text, failure_of(error)
    raise AssertionError("the call did not fail")


def failure_of(error: grpc.aio.AioRpcError) -> GatewayError:
    """The failure in a status and its details, which agree."""
    details: Any = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    failure = from_status(error.code().value[0], details, error.details() or "")
    assert failure.row.status == error.code().value[0]
    return failure


def words_of(client: str, error: Any) -> str:
    """What says the kind, in a client's format."""
    if client == "gemini":
        return str(next(detail["reason"] for detail in error["details"] if "reason" in detail))
    return str(error["type"] if client == "anthropic" else error["code"])


def expected_words(client: str, kind: Kind, status: int) -> str:
    """The same, by the table of kinds."""
    if client == "gemini":
        return kind.name
    return type_of_status(status) if client == "anthropic" else str(TABLE[kind].openai_code)


@pytest.mark.parametrize("status", SAMPLE)
@pytest.mark.parametrize("upstream", UPSTREAMS, ids=lambda upstream: upstream.name)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_a_refusal(gateway: InProcess, upstream: Any, status: int, is_stream: bool) -> None:
    """Nothing was sent yet: status and body of the client's format; the same kind over gRPC."""
    kind = SAMPLE[status]
    model = f"{upstream.name}/{unique(f'sim-status-{status}')}"
    shown = 503 if status == 503 else TABLE[kind].http_status
    for client in HTTP:
        answer = await over_http(gateway, client, model, is_stream=is_stream)
        assert answer.status == shown, (client, answer.text)
        error = answer.body["error"]
        assert words_of(client, error) == expected_words(client, kind, shown) or kind is Kind.INVALID_REQUEST, client
        if client == "gemini":
            assert error["status"] == STATUS_WORDS[shown]
    text, failure = await over_grpc(gateway, model, is_stream=is_stream)
    assert (text, failure.kind) == ("", kind)


STREAMING = [upstream for upstream in UPSTREAMS if upstream.name not in NEVER_STREAMS]


@pytest.mark.parametrize("upstream", STREAMING, ids=lambda upstream: upstream.name)
async def test_a_failure_in_a_stream(gateway: InProcess, upstream: Any) -> None:
    """Content, then the failure in the client's words, then nothing: no end of an answer."""
    model = f"{upstream.name}/{unique('sim-chunks-4-pace-20-error-2')}"
    for client in HTTP:
        answer = await over_http(gateway, client, model, is_stream=True)
        assert answer.status == 200, (client, answer.text)
        assert answer.is_cut, client
        assert not any(end in answer.text for end in ("[DONE]", "message_stop", "response.completed")), client
        last = json.loads(answer.events[-1])
        assert "error" in last or last["type"] == "response.failed", client
        assert '"text"' in answer.text or '"content"' in answer.text, client
    text, failure = await over_grpc(gateway, model, is_stream=True)
    assert text
    assert failure.row.fault.value == "provider"
