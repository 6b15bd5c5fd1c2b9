"""OpenAI and gRPC clients reach a provider that speaks Cohere v2, and see nothing of it.

Rules: the official OpenAI SDK, the generated gRPC classes, a gateway in this process, the simulator as the vendor.
Not here: what holds for every format (test_mapped_upstreams),
    the mapping member by member (tests/unit/wire/cohere), faults of the dialect (tests/contract/test_dialects).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from gateway.wire.pb import chat_pb2, embeddings_pb2, types_pb2
from tests.support.matrix.pair import KEY, Pair, paired
from tests.support.sdk import collect

CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair() -> AsyncIterator[Pair]:
    async with paired("cohere") as made:
        yield made


async def test_an_openai_client_gets_an_answer(pair: Pair) -> None:
    """And the provider gets its own format, with its key."""
    model = pair.named()
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}]
    answer = await pair.sdk.chat(model, messages, top_p=0.5, max_completion_tokens=9)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await pair.sent(model)
    assert (seen["path"], seen["headers"]["authorization"]) == ("/v2/chat", f"Bearer {KEY}")
    assert seen["body"] == {"model": model, "messages": messages, "p": 0.5, "max_tokens": 9, "stream": False}


async def test_a_plan_comes_and_goes_back(pair: Pair) -> None:
    """What the model says before its calls is the text beside them, in both directions."""
    model = pair.named("sim-tools")
    messages: list[Any] = [{"role": "user", "content": "where"}]
    message = (await pair.sdk.chat(model, messages, tools=TOOLS)).choices[0].message
    assert message.content == "I will use the tools."
    messages.append(message.model_dump(include={"role", "content", "tool_calls"}))
    messages.append({"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"})
    await pair.sdk.chat(model, messages, tools=TOOLS)
    assert (await pair.sent(model))["body"]["messages"][1]["tool_plan"] == "I will use the tools."


async def test_an_answer_that_says_it_failed(pair: Pair) -> None:
    """Is a failure, whole and streamed."""
    with pytest.raises(openai.InternalServerError):
        await pair.sdk.chat(pair.named("sim-filter"))
    with pytest.raises(openai.APIError):
        await pair.sdk.chunks(pair.named("sim-filter"))


async def test_embeddings(pair: Pair) -> None:
    """In order, in the dimensions asked for, however the SDK wants them spelled."""
    model = pair.named()
    make = pair.sdk.client.embeddings.create
    packed = await pair.sdk(make, model=model, input=["a b", "c"], dimensions=256)
    plain = await pair.sdk(make, model=model, input=["a b", "c"], dimensions=256, encoding_format="float")
    assert [(e.index, len(e.embedding)) for e in plain.data] == [(0, 256), (1, 256)]
    assert [e.embedding for e in packed.data] == [e.embedding for e in plain.data]
    assert plain.usage.prompt_tokens == 3
    seen = await pair.sent(model)
    assert (seen["path"], seen["body"]["input_type"]) == ("/v2/embed", "search_document")


async def test_grpc_clients_see_the_same(pair: Pair) -> None:
    """Whole and streamed, with typed blocks; documents have their place, vectors are numbers."""
    blocks = [types_pb2.Block(text="hi there"), types_pb2.Block(document=types_pb2.DocumentBlock(text="a text"))]
    request = chat_pb2.ChatRequest(
        model=pair.named("sim-reasoning"), messages=[types_pb2.Message(role="user", blocks=blocks)]
    )
    vectors = embeddings_pb2.EmbeddingRequest(model=pair.named(), dimensions=256)
    vectors.input.form = types_pb2.INPUT_FORM_STRINGS
    vectors.input.texts.append("a")
    async with pair.stub() as stub:
        whole = await stub.Chat(request, metadata=pair.metadata)
        chunks = await collect(stub.StreamChat(request, metadata=pair.metadata))
        embedded = await stub.Embed(vectors, metadata=pair.metadata)
    said = whole.choices[0].message.blocks
    assert [block.WhichOneof("kind") for block in said] == ["thinking", "text"]
    assert said[1].text == "You said: hi there (with 1 more part)"
    assert whole.choices[0].native_finish_reason == "COMPLETE"
    added = [block for chunk in chunks for choice in chunk.choices for block in choice.delta.blocks]
    assert "".join(block.text for block in added) == said[1].text
    assert "".join(block.thinking.text for block in added) == said[0].thinking.text
    assert len(embedded.data[0].values) == 256
