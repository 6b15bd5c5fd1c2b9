"""OpenAI and gRPC clients reach a provider that speaks Anthropic Messages, and see nothing of it.

Rules: the official OpenAI SDK, the generated gRPC classes, a gateway in this process, the simulator as the vendor.
Not here: what holds for every format (test_mapped_upstreams),
    the mapping member by member (tests/unit/wire/anthropic), faults of the dialect (tests/unit/providers).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from gateway.wire.pb import chat_pb2, types_pb2
from tests.support.matrix.pair import KEY, Pair, paired
from tests.support.sdk import collect


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair() -> AsyncIterator[Pair]:
    async with paired("anthropic") as made:
        yield made


async def test_an_openai_client_gets_an_answer(pair: Pair) -> None:
    """And the provider gets its own format, with its key and version."""
    model = pair.named()
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}]
    answer = await pair.sdk.chat(model, messages)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await pair.sent(model)
    assert (seen["path"], seen["headers"]["anthropic-version"], seen["headers"]["x-api-key"]) == (
        "/v1/messages", "2023-06-01", KEY,
    )  # fmt: skip
    assert seen["body"] == {
        "model": model,
        "max_tokens": 4096,
        "system": "be kind",
        "messages": [{"role": "user", "content": "hi there"}],
    }


async def test_grpc_clients_see_the_same(pair: Pair) -> None:
    """Whole and streamed, with typed blocks: thinking has its signature."""
    request = chat_pb2.ChatRequest(
        model=pair.named("sim-reasoning"),
        max_tokens=2000,
        messages=[types_pb2.Message(role="user", blocks=[types_pb2.Block(text="hi there")])],
    )
    async with pair.stub() as stub:
        whole = await stub.Chat(request, metadata=pair.metadata)
        chunks = await collect(stub.StreamChat(request, metadata=pair.metadata))
    blocks = whole.choices[0].message.blocks
    assert [block.WhichOneof("kind") for block in blocks] == ["thinking", "text"]
    assert (blocks[0].thinking.signature != "", blocks[1].text) == (True, "You said: hi there")
    added = [block for chunk in chunks for choice in chunk.choices for block in choice.delta.blocks]
    assert "".join(block.text for block in added) == "You said: hi there"
    assert "".join(block.thinking.signature for block in added) == blocks[0].thinking.signature
    assert chunks[-1].choices[0].finish_reason == "stop" or chunks[-1].usage.total_tokens


async def test_grpc_clients_count_tokens(pair: Pair) -> None:
    """The gateway's estimate, marked as one; whoever may not make the call may not ask."""
    turns = [types_pb2.Message(role="user", blocks=[types_pb2.Block(text="hi there")])]
    request = chat_pb2.ChatRequest(model=pair.named(), messages=turns)
    async with pair.stub() as stub:
        count = await stub.CountTokens(request, metadata=pair.metadata)
        assert (count.input_tokens, count.is_estimate) == (6, True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CountTokens(request)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
