"""A gRPC client makes, keeps and continues answers; over HTTP they are the same ones.

Rules: the generated classes and the official SDK, a gateway in this process, the simulator behind it.
Not here: how long and how much is kept (tests/unit/service/test_responses_store).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from gateway.simulator.server import Running
from gateway.wire.pb import chat_pb2, inference_pb2_grpc, responses_pb2, types_pb2
from tests.support.matrix.upstreams import layer
from tests.support.place import key_record
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

DIALECTS = ("openai", "responses", "anthropic", "gemini")
OTHER = "gw-other.secret-of-another-key"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    async with single(layer(upstream.url) | {"keys": {"other": key_record(OTHER)}}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def channel(gateway: InProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(gateway.grpc_address) as made:
        yield made


class Caller:
    """One key's calls."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self.stub: Any = inference_pb2_grpc.InferenceStub(channel)
        self.metadata = (("authorization", f"Bearer {key}"),)

    async def chat(self, request: chat_pb2.ChatRequest) -> chat_pb2.ChatResponse:
        reply: chat_pb2.ChatResponse = await self.stub.Chat(request, metadata=self.metadata)
        return reply

    async def stream(self, request: chat_pb2.ChatRequest) -> list[chat_pb2.ChatChunk]:
        return [chunk async for chunk in self.stub.StreamChat(request, metadata=self.metadata)]


@pytest.fixture
def caller(gateway: InProcess, channel: grpc.aio.Channel) -> Caller:
    return Caller(channel, gateway.key)


def asking(model: str, *turns: tuple[str, str], **members: Any) -> chat_pb2.ChatRequest:
    request = chat_pb2.ChatRequest(model=model, **members)
    for role, text in turns:
        request.messages.add(role=role, blocks=[types_pb2.Block(text=text)])
    return request


def text_of(reply: chat_pb2.ChatResponse) -> str:
    return "".join(block.text for block in reply.choices[0].message.blocks)


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_is_kept_and_continued(
    caller: Caller, upstream: Running, dialect: str, is_stream: bool
) -> None:
    """Whatever the provider speaks: the second call sends the whole conversation, its own instructions first."""
    model = f"{dialect}/{unique('sim-reasoning')}"
    first = asking(model, ("system", "old rules"), ("user", "first"), is_answer_kept=True)
    if is_stream:
        chunks = await caller.stream(first)
        response_id = chunks[0].response_id
        said = "".join(block.text for c in chunks if c.choices for block in c.choices[0].delta.blocks)
    else:
        reply = await caller.chat(first)
        response_id, said = reply.response_id, text_of(reply)
    assert said == "You said: first"
    assert response_id.startswith("resp_")
    turns = [("system", "new rules"), ("user", "second")]
    second = await caller.chat(asking(model, *turns, previous_response_id=response_id, is_answer_kept=True))
    assert text_of(second) == "You said: second"
    assert second.response_id not in ("", response_id)
    sent = json.dumps((await Simulated(upstream.url).last(model))["body"])
    places = [sent.find(text) for text in ("first", "You said: first", "second")]
    assert places == sorted(places)
    assert -1 not in (sent.find("new rules"), *places)
    assert "old rules" not in sent
    third = await caller.chat(asking(model, ("user", "third"), previous_response_id=second.response_id))
    assert third.response_id == ""
    sent = json.dumps((await Simulated(upstream.url).last(model))["body"])
    assert all(text in sent for text in ("first", "second", "third"))


async def test_both_protocols_have_the_same_answers(gateway: InProcess, caller: Caller) -> None:
    """Kept over gRPC, read and continued over HTTP, and back."""
    model = f"openai/{unique('sim')}"
    kept = await caller.chat(asking(model, ("user", "one"), is_answer_kept=True))
    async with AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
        read = await client.responses.retrieve(kept.response_id)
        assert read.output_text == "You said: one"
        listed = await client.responses.input_items.list(kept.response_id)
        items: list[Any] = listed.data
        assert [item.content[0].text for item in items] == ["one"]
        second = await client.responses.create(model=model, input="two", previous_response_id=kept.response_id)
        assert second.output_text == "You said: two"
        third = await caller.chat(asking(model, ("user", "three"), previous_response_id=second.id, is_answer_kept=True))
        await client.responses.delete(third.response_id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asked = responses_pb2.GetResponseRequest(id=third.response_id)
        await caller.stub.GetResponse(asked, metadata=caller.metadata)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_calls_of_tools_are_continued_by_their_results_alone(caller: Caller) -> None:
    """No message of before is sent again."""
    model = f"openai/{unique('sim-tools-2')}"
    tool = types_pb2.Tool(function=types_pb2.FunctionTool(name="f", parameters_json='{"type": "object"}'))
    request = asking(model, ("user", "call"), is_answer_kept=True)
    request.tools.append(tool)
    reply = await caller.chat(request)
    calls = [block.tool_use for block in reply.choices[0].message.blocks if block.HasField("tool_use")]
    assert len(calls) == 2
    again = asking(model, previous_response_id=reply.response_id)
    again.tools.append(tool)
    for call in calls:
        result = types_pb2.ToolResultBlock(tool_use_id=call.id, blocks=[types_pb2.Block(text="rain")])
        again.messages.add(role="tool", blocks=[types_pb2.Block(tool_result=result)])
    assert text_of(await caller.chat(again)) == "The tool said: rain; rain"


async def test_another_keys_answer_is_unknown(caller: Caller, channel: grpc.aio.Channel) -> None:
    """As one that never was, by the same name as over HTTP."""
    kept = await caller.chat(asking(f"openai/{unique('sim')}", ("user", "one"), is_answer_kept=True))
    other = Caller(channel, OTHER)
    for asked in (kept.response_id, "resp_never"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await other.chat(asking("openai/sim", ("user", "two"), previous_response_id=asked))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert f"Previous response with id '{asked}' not found." in str(caught.value.details())


async def test_a_call_that_keeps_nothing_has_no_id(caller: Caller) -> None:
    """Nor has one whose stream was left early: it is not found later."""
    reply = await caller.chat(asking(f"openai/{unique('sim')}", ("user", "one")))
    assert reply.response_id == ""
    call = caller.stub.StreamChat(
        asking(f"openai/{unique('sim-chunks-500-pace-20')}", ("user", "one"), is_answer_kept=True),
        metadata=caller.metadata,
    )
    first = await call.read()
    call.cancel()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asked = responses_pb2.GetResponseRequest(id=first.response_id)
        await caller.stub.GetResponse(asked, metadata=caller.metadata)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
