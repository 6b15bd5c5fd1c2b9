"""Clients of every format reach providers that speak formats of before chats: text only, some without streams.

Rules: the official SDKs, a gateway in this process, the simulator as the vendors; every test runs for each format.
Not here: the mapping member by member (tests/unit/wire), faults of the dialects (tests/contract/test_dialects).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from gateway.simulator.server import Running, serve
from tests.support.sdk import Sdk, sdk_of, text_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

KEY = "an-old-key"
VERTEX = "/v1/projects/p/locations/l/publishers/google"
FORMATS: dict[str, dict[str, Any]] = {
    "palm": {"dialect": "palm", "base_url": "/v1beta2", "auth": "x-goog-api-key"},
    "vertex": {"dialect": "palm", "base_url": VERTEX},
    "complete": {"dialect": "anthropic_complete", "base_url": "/v1", "auth": "x-api-key"},
}
TURNS: list[Any] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "hi there"},
]
BODIES: dict[str, dict[str, Any]] = {
    "palm": {
        "prompt": {
            "context": "be kind",
            "messages": [
                {"author": "0", "content": "one"},
                {"author": "1", "content": "two"},
                {"author": "0", "content": "hi there"},
            ],
        },
        "temperature": 0.5,
    },
    "vertex": {
        "instances": [
            {
                "context": "be kind",
                "messages": [
                    {"author": "user", "content": "one"},
                    {"author": "bot", "content": "two"},
                    {"author": "user", "content": "hi there"},
                ],
            }
        ],
        "parameters": {"temperature": 0.5},
    },
    "complete": {
        "prompt": "be kind\n\nHuman: one\n\nAssistant: two\n\nHuman: hi there\n\nAssistant:",
        "max_tokens_to_sample": 4096,
        "temperature": 0.5,
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upstream() -> AsyncIterator[Running]:
    running = await serve(key=KEY)
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    providers: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for name, told in FORMATS.items():
        key = {"api_key": {"env": "UPSTREAM_KEY"}, "is_local": True}
        providers[f"old_{name}"] = {**told, **key, "base_url": upstream.url + told["base_url"]}
        models[name] = {
            "names": [f"{name}/*"],
            "capabilities": ["chat", "completion", "vision", "function_calling"],
            "retry": {"attempts_max": 1},
            "candidates": [{"provider": f"old_{name}"}],
        }
    async with single({"providers": providers, "models": models}, environ={"UPSTREAM_KEY": KEY}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk(gateway: InProcess) -> AsyncIterator[Sdk]:
    made = sdk_of("async", gateway.base_url, gateway.key)
    yield made
    await made.close()


@pytest.fixture(params=list(FORMATS))
def name(request: pytest.FixtureRequest) -> str:
    """One of the formats."""
    told: str = request.param
    return told


async def test_a_conversation(sdk: Sdk, upstream: Running, name: str) -> None:
    """The provider gets its own format, the client its answer."""
    model = f"{name}/{unique('sim')}"
    answer = await sdk.chat(model, TURNS, temperature=0.5)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    body = (await Simulated(upstream.url).last(model))["body"]
    stated = {key: value for key, value in body.items() if key not in ("model", "stream")}
    assert stated == BODIES[name]


async def test_a_stream(sdk: Sdk, name: str) -> None:
    """One role, the text, one end, whether the provider can stream or not."""
    chunks = await sdk.chunks(f"{name}/{unique('sim')}", TURNS)
    assert text_of(chunks) == "You said: hi there"
    assert [c.choices[0].delta.role for c in chunks if c.choices].count("assistant") == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]


async def test_an_anthropic_client(gateway: InProcess, name: str) -> None:
    """Whole and streamed; its format always has counts: where the provider has none, they are the estimate."""
    base_url = gateway.base_url.removesuffix("/v1")
    messages: Any = [{"role": "user", "content": "hi there"}]
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key=gateway.key, max_retries=0) as client:
        whole = await client.messages.create(model=f"{name}/{unique('sim')}", max_tokens=50, messages=messages)
        assert [getattr(block, "text", None) for block in whole.content] == ["You said: hi there"]
        assert whole.usage.input_tokens > 0
        assert whole.usage.output_tokens > 0
        model = f"{name}/{unique('sim')}"
        async with client.messages.stream(model=model, max_tokens=50, messages=messages) as stream:
            assert await stream.get_final_text() == "You said: hi there"
            usage = (await stream.get_final_message()).usage
        assert usage.output_tokens == whole.usage.output_tokens


async def test_a_responses_client(gateway: InProcess, name: str) -> None:
    """Whole and streamed."""
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
        whole = await client.responses.create(model=f"{name}/{unique('sim')}", input="hi there", store=False)
        assert whole.output_text == "You said: hi there"
        async with client.responses.stream(model=f"{name}/{unique('sim')}", input="hi there", store=False) as stream:
            assert (await stream.get_final_response()).output_text == "You said: hi there"


async def test_what_is_no_text_is_refused_by_name(sdk: Sdk, name: str) -> None:
    """Tools, images, more answers than there is a place for."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    turn = {"role": "user", "content": [{"type": "text", "text": "see"}, image]}
    tools = [{"type": "function", "function": {"name": "f"}}]
    cases: list[tuple[str, dict[str, Any]]] = [("tools", {"tools": tools}), ("seed", {"seed": 1})]
    cases.append(("messages[0].content[1]", {"messages": [turn]}))
    for param, members in cases:
        turns = members.pop("messages", TURNS)
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.chat(f"{name}/{unique('sim')}", turns, **members)
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


async def test_a_legacy_completion(gateway: InProcess) -> None:
    """PaLM has a method for it, on both of its services; streamed by the gateway."""
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
        for name in ("palm", "vertex"):
            model = f"{name}/{unique('sim')}"
            written = await client.completions.create(model=model, prompt="hi there", max_tokens=3)
            assert (written.choices[0].text, written.choices[0].finish_reason) == ("You said: hi", "stop")
            stream = await client.completions.create(model=model, prompt="hi there", stream=True)
            texts = [chunk.choices[0].text async for chunk in stream if chunk.choices]
            assert "".join(texts) == "You said: hi there"


async def test_several_candidates_and_filtered_ones(sdk: Sdk) -> None:
    """Each is a choice; what was filtered has none, and says so."""
    answer = await sdk.chat(f"palm/{unique('sim')}", TURNS, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]
    for name in ("palm", "vertex"):
        filtered = await sdk.chat(f"{name}/{unique('sim-filter')}", TURNS)
        assert filtered.choices[0].finish_reason == "content_filter"


async def test_counts_of_vertex_and_estimates_of_the_others(sdk: Sdk, name: str) -> None:
    """Vertex counts; where nothing is counted, no counts are made up."""
    answer = await sdk.chat(f"{name}/{unique('sim')}", TURNS)
    assert (answer.usage is not None) is (name == "vertex")
