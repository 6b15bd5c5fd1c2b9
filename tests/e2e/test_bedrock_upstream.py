"""OpenAI and gRPC clients reach a provider that speaks Amazon Bedrock, and see nothing of it.

Rules: the official OpenAI SDK, the generated gRPC classes, a gateway in this process, the simulator as the vendor.
Not here: the mapping member by member (tests/unit/wire/bedrock), faults of the dialect (tests/contract/test_dialects).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
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

KEY = "a-secret-access-key"
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
        "dialect": "bedrock",
        "base_url": upstream.url,
        "aws": {
            "region": "eu-west-1",
            "access_key_id": {"env": "UPSTREAM_ID"},
            "secret_access_key": {"env": "UPSTREAM_KEY"},
            "session_token": {"env": "UPSTREAM_TOKEN"},
        },
        "is_local": True,
    }
    model = {
        "names": ["bedrock/*"],
        "capabilities": ["chat", "vision", "function_calling", "json_mode", "json_schema", "reasoning"],
        "retry": {"attempts_max": 1},
        "candidates": [{"provider": "acme"}],
    }
    layer = {"providers": {"acme": provider}, "models": {"acme": model}}
    async with single(
        layer, environ={"UPSTREAM_KEY": KEY, "UPSTREAM_ID": "AKID", "UPSTREAM_TOKEN": "token"}
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk(gateway: InProcess) -> AsyncIterator[Sdk]:
    made = sdk_of("async", gateway.base_url, gateway.key)
    yield made
    await made.close()


def named(model: str = "sim") -> str:
    return f"bedrock/{unique(model)}"


async def test_an_openai_client_gets_an_answer(sdk: Sdk, upstream: Running) -> None:
    """And the provider gets its own format, signed."""
    model = named()
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}]
    answer = await sdk.chat(model, messages, top_p=0.5, max_completion_tokens=9)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await Simulated(upstream.url).last(model)
    assert seen["path"] == f"/model/{model.replace('/', '%2F')}/converse"
    assert "Credential=AKID/" in seen["headers"]["authorization"]
    assert seen["body"] == {
        "messages": [{"role": "user", "content": [{"text": "hi there"}]}],
        "system": [{"text": "be kind"}],
        "inferenceConfig": {"maxTokens": 9, "topP": 0.5},
    }


@pytest.mark.parametrize("is_usage_wanted", [True, False])
async def test_a_stream_is_an_openai_stream(sdk: Sdk, is_usage_wanted: bool) -> None:
    """Reasoning first, one id, usage at the end if it was asked for."""
    options: Any = {"stream_options": {"include_usage": True}} if is_usage_wanted else {}
    chunks = await sdk.chunks(named(), reasoning_effort="low", **options)
    assert text_of(chunks) == "You said: hi there"
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.role for delta in deltas].count("assistant") == 1
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas).startswith("The user")
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage] == ([2] if is_usage_wanted else [])


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_round_with_tools_and_an_image(sdk: Sdk, upstream: Running, is_stream: bool) -> None:
    """Parallel calls come with their indexes; their results go back."""
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "where"}, IMAGE]}]
    model = named("sim-tools-2")
    if is_stream:
        async with sdk.client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
            async for _ in stream:
                pass
            choice = (await stream.get_final_completion()).choices[0]
    else:
        choice = (await sdk.chat(model, messages, tools=TOOLS)).choices[0]
    calls = choice.message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", '{"city":"text"}')] * 2
    assert choice.finish_reason == "tool_calls"
    given = [call.model_dump(include={"id", "type", "function"}) for call in calls]
    messages.append({"role": "assistant", "tool_calls": given})
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"rain {n}"} for n, call in enumerate(calls)]
    answer = await sdk.chat(model, messages, tools=TOOLS)
    assert answer.choices[0].message.content == "The tool said: rain 0; rain 1"
    body = (await Simulated(upstream.url).last(model))["body"]
    assert body["messages"][0]["content"][1] == {"image": {"format": "png", "source": {"bytes": "AAAA"}}}


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
    assert choice.finish_reason == "stop"


async def test_another_secret_is_refused(upstream: Running) -> None:
    """The simulator checks the signature; it is the gateway's credential that failed."""
    keys = {"access_key_id": {"env": "UPSTREAM_KEY"}, "secret_access_key": {"env": "UPSTREAM_KEY"}}
    provider = {
        "dialect": "bedrock",
        "base_url": upstream.url,
        "is_local": True,
        "aws": {"region": "eu-west-1", **keys},
    }
    model = {"names": ["bedrock/*"], "capabilities": ["chat"], "candidates": [{"provider": "acme"}]}
    layer = {"providers": {"acme": provider}, "models": {"acme": model}}
    async with single(layer, environ={"UPSTREAM_KEY": "other"}) as running:
        sdk = sdk_of("async", running.base_url, running.key)
        with pytest.raises(openai.APIStatusError) as caught:
            await sdk.chat(named())
        await sdk.close()
    assert caught.value.code == "provider_auth_failed"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sim-status-400", openai.BadRequestError),
        ("sim-status-429", openai.RateLimitError),
        ("sim-status-503", openai.InternalServerError),
        ("sim-nosuchoption", openai.NotFoundError),
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
    """Whole and streamed, with typed blocks; documents have their place, thinking its signature."""
    blocks = [types_pb2.Block(text="hi there"), types_pb2.Block(document=types_pb2.DocumentBlock(text="a text"))]
    request = chat_pb2.ChatRequest(
        model=named("sim-reasoning"), messages=[types_pb2.Message(role="user", blocks=blocks)]
    )
    metadata = (("authorization", f"Bearer {gateway.key}"),)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        whole = await stub.Chat(request, metadata=metadata)
        chunks = await collect(stub.StreamChat(request, metadata=metadata))
    said = whole.choices[0].message.blocks
    assert [block.WhichOneof("kind") for block in said] == ["thinking", "text"]
    assert said[1].text == "You said: hi there (with 1 more part)"
    assert said[0].thinking.signature
    added = [block for chunk in chunks for choice in chunk.choices for block in choice.delta.blocks]
    assert "".join(block.text for block in added) == said[1].text
    assert "".join(block.thinking.text for block in added) == said[0].thinking.text
    assert "".join(block.thinking.signature for block in added) == said[0].thinking.signature


async def test_anthropic_clients_see_their_own_format(gateway: InProcess) -> None:
    """The official SDK's stream helper makes the message that comes whole, thinking signed."""
    arguments: Any = {
        "model": named("sim-reasoning"),
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "hi there"}],
    }
    root = gateway.base_url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=root, api_key=gateway.key, max_retries=0) as client:
        whole = await client.messages.create(**arguments)
        async with client.messages.stream(**arguments) as stream:
            streamed = await stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert [block.model_dump() for block in streamed.content] == [block.model_dump() for block in whole.content]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)
