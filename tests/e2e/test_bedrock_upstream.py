"""OpenAI and gRPC clients reach a provider that speaks Amazon Bedrock, and see nothing of it.

Rules: the official OpenAI SDK, the generated gRPC classes, a gateway in this process, the simulator as the vendor.
Not here: what holds for every format (test_mapped_upstreams),
    the mapping member by member (tests/unit/wire/bedrock), faults of the dialect (tests/contract/test_dialects).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import anthropic
import openai
import pytest
import pytest_asyncio

from gateway.wire.pb import chat_pb2, types_pb2
from tests.support.matrix.pair import AWS_KEY_ID, Pair, paired
from tests.support.sdk import collect


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair() -> AsyncIterator[Pair]:
    async with paired("bedrock") as made:
        yield made


async def test_an_openai_client_gets_an_answer(pair: Pair) -> None:
    """And the provider gets its own format, signed."""
    model = pair.named()
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}]
    answer = await pair.sdk.chat(model, messages, top_p=0.5, max_completion_tokens=9)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await pair.sent(model)
    assert seen["path"] == f"/model/{model.replace('/', '%2F')}/converse"
    assert f"Credential={AWS_KEY_ID}/" in seen["headers"]["authorization"]
    assert seen["body"] == {
        "messages": [{"role": "user", "content": [{"text": "hi there"}]}],
        "system": [{"text": "be kind"}],
        "inferenceConfig": {"maxTokens": 9, "topP": 0.5},
    }


async def test_another_secret_is_refused() -> None:
    """The simulator checks the signature; it is the gateway's credential that failed."""
    async with paired("bedrock", {"UPSTREAM_KEY": "other"}) as pair:
        with pytest.raises(openai.APIStatusError) as caught:
            await pair.sdk.chat(pair.named())
    assert caught.value.code == "provider_auth_failed"


async def test_embeddings(pair: Pair) -> None:
    """Of both vendors, signed; in the dimensions asked for, however the SDK wants the vectors spelled."""
    make = pair.sdk.client.embeddings.create
    cases = (("amazon.titan-embed-text-v2:0", ["a b"], 2), ("us.cohere.embed-v4:0", ["a b", "c"], None))
    for name, given, tokens in cases:  # Cohere's count is in a header
        model = f"bedrock/{name}"
        packed = await pair.sdk(make, model=model, input=given, dimensions=256)
        plain = await pair.sdk(make, model=model, input=given, dimensions=256, encoding_format="float")
        assert [(each.index, len(each.embedding)) for each in plain.data] == [(at, 256) for at in range(len(given))]
        assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]
        assert plain.model == model
        assert (plain.usage and plain.usage.prompt_tokens) == tokens
        seen = await pair.sent(model)
        assert seen["path"] == f"/model/{quote(model, safe='')}/invoke"
        assert f"Credential={AWS_KEY_ID}/" in seen["headers"]["authorization"]


async def test_what_cannot_be_embedded_is_refused(pair: Pair) -> None:
    """By its name, before anybody is asked: several texts for Titan, a model that embeds nothing."""
    make = pair.sdk.client.embeddings.create
    for model, given, param in (
        ("bedrock/amazon.titan-embed-text-v1", ["a", "b"], "input"),
        (pair.named(), "a", "model"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            await pair.sdk(make, model=model, input=given)
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)
        assert await pair.simulator.requests(model) == []


async def test_grpc_clients_see_the_same(pair: Pair) -> None:
    """Whole and streamed, with typed blocks; documents have their place, thinking its signature."""
    blocks = [types_pb2.Block(text="hi there"), types_pb2.Block(document=types_pb2.DocumentBlock(text="a text"))]
    request = chat_pb2.ChatRequest(
        model=pair.named("sim-reasoning"), messages=[types_pb2.Message(role="user", blocks=blocks)]
    )
    async with pair.stub() as stub:
        whole = await stub.Chat(request, metadata=pair.metadata)
        chunks = await collect(stub.StreamChat(request, metadata=pair.metadata))
    said = whole.choices[0].message.blocks
    assert [block.WhichOneof("kind") for block in said] == ["thinking", "text"]
    assert said[1].text == "You said: hi there (with 1 more part)"
    assert said[0].thinking.signature
    added = [block for chunk in chunks for choice in chunk.choices for block in choice.delta.blocks]
    assert "".join(block.text for block in added) == said[1].text
    assert "".join(block.thinking.text for block in added) == said[0].thinking.text
    assert "".join(block.thinking.signature for block in added) == said[0].thinking.signature


async def test_anthropic_clients_see_their_own_format(pair: Pair) -> None:
    """The official SDK's stream helper makes the message that comes whole, thinking signed."""
    arguments: Any = {
        "model": pair.named("sim-reasoning"),
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "hi there"}],
    }
    root = pair.gateway.base_url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=root, api_key=pair.gateway.key, max_retries=0) as client:
        whole = await client.messages.create(**arguments)
        async with client.messages.stream(**arguments) as stream:
            streamed = await stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert [block.model_dump() for block in streamed.content] == [block.model_dump() for block in whole.content]
    assert (streamed.stop_reason, streamed.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)
