"""OpenAI and gRPC clients reach a provider that speaks Anthropic Messages, and see nothing of it.

Rules: the official OpenAI SDK, the generated gRPC classes, a gateway in this process, the simulator as the vendor.
Not here: the mapping member by member (tests/unit/wire/anthropic), faults of the dialect (tests/unit/providers).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from gateway.simulator.server import Running, serve
from gateway.wire.pb import chat_pb2, inference_pb2_grpc, types_pb2
from tests.support.sdk import Sdk, collect, sdk_of, text_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

KEY = "sk-ant-upstream"
CAPABILITIES = ["chat", "vision", "function_calling", "json_mode", "json_schema", "reasoning"]
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


class Place(BaseModel):
    """A structured answer."""

    city: str
    size: int


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upstream() -> AsyncIterator[Running]:
    running = await serve(key=KEY)
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    provider = {
        "dialect": "anthropic",
        "base_url": f"{upstream.url}/v1",
        "api_key": {"env": "UPSTREAM_KEY"},
        "auth": "x-api-key",
        "is_local": True,
    }
    model = {
        "names": ["claude/*"],
        "capabilities": CAPABILITIES,
        "retry": {"attempts_max": 1},
        "candidates": [{"provider": "acme"}],
    }
    layer = {"providers": {"acme": provider}, "models": {"acme": model}}
    async with single(layer, environ={"UPSTREAM_KEY": KEY}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk(gateway: InProcess) -> AsyncIterator[Sdk]:
    made = sdk_of("async", gateway.base_url, gateway.key)
    yield made
    await made.close()


def named(model: str = "sim") -> str:
    return f"claude/{unique(model)}"


async def test_an_openai_client_gets_an_answer(sdk: Sdk, upstream: Running) -> None:
    """And the provider gets its own format, with its key and version."""
    model = named()
    answer = await sdk.chat(model, [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}])
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await Simulated(upstream.url).last(model)
    assert (seen["path"], seen["headers"]["anthropic-version"], seen["headers"]["x-api-key"]) == (
        "/v1/messages", "2023-06-01", KEY,
    )  # fmt: skip
    assert seen["body"] == {
        "model": model,
        "max_tokens": 4096,
        "system": "be kind",
        "messages": [{"role": "user", "content": "hi there"}],
    }


async def test_a_stream_is_an_openai_stream(sdk: Sdk) -> None:
    """Reasoning first, one id, usage at the end because it was asked for."""
    chunks = await sdk.chunks(
        named("sim-reasoning"), max_tokens=3000, reasoning_effort="low", stream_options={"include_usage": True}
    )
    assert text_of(chunks) == "You said: hi there"
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas).startswith("The user")
    assert len({chunk.id for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage.prompt_tokens == 2


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_round_with_tools_and_an_image(sdk: Sdk, is_stream: bool) -> None:
    """Parallel calls come with their indexes, their results go back."""
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "where"}, IMAGE]}]
    model = named("sim-tools-2")
    if is_stream:
        async with sdk.client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
            async for _ in stream:
                pass
            message = (await stream.get_final_completion()).choices[0].message
    else:
        message = (await sdk.chat(model, messages, tools=TOOLS)).choices[0].message
    calls = message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", '{"city":"text"}')] * 2
    given = [call.model_dump(include={"id", "type", "function"}) for call in calls]
    messages.append({"role": "assistant", "tool_calls": given})
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"rain {n}"} for n, call in enumerate(calls)]
    answer = await sdk.chat(model, messages, tools=TOOLS)
    assert answer.choices[0].message.content == "The tool said: rain 0; rain 1"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_structured_answers(sdk: Sdk, is_stream: bool) -> None:
    """`parse` works although the format has no schema for answers."""
    messages: Any = [{"role": "user", "content": "where"}]
    completions = sdk.client.chat.completions
    if is_stream:
        async with completions.stream(model=named(), messages=messages, response_format=Place) as stream:
            async for _ in stream:
                pass
            choice = (await stream.get_final_completion()).choices[0]
    else:
        choice = (await completions.parse(model=named(), messages=messages, response_format=Place)).choices[0]
    assert choice.message.parsed == Place(city="text", size=0)
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sim-status-400", openai.BadRequestError),
        ("sim-status-429", openai.RateLimitError),
        ("sim-status-529", openai.InternalServerError),
        ("sim-cut-before-headers", openai.InternalServerError),
    ],
)
async def test_failures(sdk: Sdk, model: str, error: type[openai.APIStatusError]) -> None:
    """Are OpenAI's exceptions."""
    with pytest.raises(error):
        await sdk.chat(named(model))


@pytest.mark.parametrize("model", ["sim-error-2", "sim-cut-2", "sim-nodone", "sim-malformed-2"])
async def test_a_stream_that_breaks_says_so(sdk: Sdk, model: str) -> None:
    """Also one that only lacks its end."""
    with pytest.raises(openai.APIError):
        await sdk.chunks(named(model))


async def test_a_client_that_leaves(sdk: Sdk, upstream: Running) -> None:
    """Closes the provider's connection."""
    model = named("sim-chunks-500-pace-20")
    stream = await sdk.chat(model, stream=True)
    async for _ in stream:
        break
    await stream.close()
    await Simulated(upstream.url).until(model, aborted=1, streams_open=0)


async def test_grpc_clients_see_the_same(gateway: InProcess) -> None:
    """Whole and streamed, with typed blocks: thinking has its signature."""
    request = chat_pb2.ChatRequest(
        model=named("sim-reasoning"),
        max_tokens=2000,
        messages=[types_pb2.Message(role="user", blocks=[types_pb2.Block(text="hi there")])],
    )
    metadata = (("authorization", f"Bearer {gateway.key}"),)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        whole = await stub.Chat(request, metadata=metadata)
        chunks = await collect(stub.StreamChat(request, metadata=metadata))
    blocks = whole.choices[0].message.blocks
    assert [block.WhichOneof("kind") for block in blocks] == ["thinking", "text"]
    assert (blocks[0].thinking.signature != "", blocks[1].text) == (True, "You said: hi there")
    added = [block for chunk in chunks for choice in chunk.choices for block in choice.delta.blocks]
    assert "".join(block.text for block in added) == "You said: hi there"
    assert "".join(block.thinking.signature for block in added) == blocks[0].thinking.signature
    assert chunks[-1].choices[0].finish_reason == "stop" or chunks[-1].usage.total_tokens


async def test_grpc_clients_count_tokens(gateway: InProcess) -> None:
    """The gateway's estimate, marked as one; whoever may not make the call may not ask."""
    turns = [types_pb2.Message(role="user", blocks=[types_pb2.Block(text="hi there")])]
    request = chat_pb2.ChatRequest(model=named(), messages=turns)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        count = await stub.CountTokens(request, metadata=(("authorization", f"Bearer {gateway.key}"),))
        assert (count.input_tokens, count.is_estimate) == (6, True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CountTokens(request)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
