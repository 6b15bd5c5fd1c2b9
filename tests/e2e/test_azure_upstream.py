"""OpenAI and gRPC clients reach a provider that is Azure OpenAI: the same bodies, other paths, filters that speak.

Rules: the official SDK, raw requests where bytes matter, a gateway in this process, the simulator as the vendor.
Not here: OpenAI's format itself (test_upstream, test_openai_python).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from gateway.simulator.server import Running, serve
from tests.support.raw import ask
from tests.support.sdk import Sdk, sdk_of, text_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

KEY = "an-azure-key"
HI: list[Any] = [{"role": "user", "content": "hi there"}]
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upstream() -> AsyncIterator[Running]:
    running = await serve(key=KEY)
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    def provider(path: str, **more: Any) -> dict[str, Any]:
        key = {"api_key": {"env": "UPSTREAM_KEY"}, "auth": "api-key"}
        return {"dialect": "azure", "base_url": upstream.url + path, "is_local": True, **key, **more}

    def model(name: str, provider: str) -> dict[str, Any]:
        capabilities = ["chat", "completion", "embedding", "vision", "function_calling"]
        candidates = [{"provider": provider}]
        return {
            "names": [f"{name}/*"],
            "capabilities": capabilities,
            "has_dimensions": True,
            "retry": {"attempts_max": 1},
            "candidates": candidates,
        }

    providers = {"paths": provider("", query={"api-version": "2025-01-01"}), "newer": provider("/openai/v1")}
    models = {"paths": model("az", "paths"), "newer": model("v1", "newer")}
    async with single({"providers": providers, "models": models}, environ={"UPSTREAM_KEY": KEY}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk(gateway: InProcess) -> AsyncIterator[Sdk]:
    made = sdk_of("async", gateway.base_url, gateway.key)
    yield made
    await made.close()


async def test_the_path_names_the_model(sdk: Sdk, upstream: Running) -> None:
    """Deployment, version and key where Azure looks for them; no model in the body."""
    model = f"az/{unique('sim')}"
    answer = await sdk.chat(model, HI)
    assert answer.choices[0].message.content == "You said: hi there"
    seen = await Simulated(upstream.url).last(model)
    quoted = model.replace("/", "%2F")
    assert seen["path"] == f"/openai/deployments/{quoted}/chat/completions?api-version=2025-01-01"
    assert (seen["headers"]["api-key"], "authorization" in seen["headers"]) == (KEY, False)
    assert seen["body"] == {"messages": HI}


async def test_the_newer_api_has_openais_paths(sdk: Sdk, upstream: Running) -> None:
    """And the model in the body."""
    model = f"v1/{unique('sim')}"
    await sdk.chat(model, HI)
    seen = await Simulated(upstream.url).last(model)
    assert (seen["path"], seen["body"]) == ("/openai/v1/chat/completions", {"model": model, "messages": HI})


async def test_what_the_filters_say_reaches_an_openai_client(gateway: InProcess, upstream: Running) -> None:
    """A whole answer is the provider's bytes, a stream its chunks, the one without choices first."""
    model = f"az/{unique('sim')}"
    body = {"model": model, "messages": HI, "x_unknown": [None, 1.0]}
    answer = (await ask(f"{gateway.base_url}/chat/completions", body, gateway.key)).ok()
    assert answer.body["prompt_filter_results"][0]["prompt_index"] == 0
    assert answer.body["choices"][0]["content_filter_results"]["hate"]["severity"] == "safe"
    assert (await Simulated(upstream.url).last(model))["body"]["x_unknown"] == [None, 1.0]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    stream = await ask(f"{gateway.base_url}/chat/completions", {**body, **options}, gateway.key)
    first, *rest = stream.chunks
    assert (first["choices"], "prompt_filter_results" in first, stream.is_done) == ([], True, True)
    assert stream.content == "You said: hi there"
    assert rest[-1]["usage"]["completion_tokens"] == 4


async def test_tools_streams_and_embeddings(sdk: Sdk) -> None:
    """All the family's methods have their path."""
    name = f"az/{unique('sim-tools-2')}"
    chunks = await sdk.chunks(name, HI, tools=TOOLS)
    ids = [call.id for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or [] if call.id]
    assert len(ids) == 2
    assert text_of(await sdk.chunks(f"az/{unique('sim')}", HI)) == "You said: hi there"


async def test_embeddings_and_completions(gateway: InProcess) -> None:
    """Each on its own path."""
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
        vectors = await client.embeddings.create(model=f"az/{unique('sim')}", input=["a", "b"], dimensions=8)
        assert [len(item.embedding) for item in vectors.data] == [8, 8]
        written = await client.completions.create(model=f"az/{unique('sim')}", prompt="hi there")
        assert written.choices[0].text == "You said: hi there"


@pytest.mark.parametrize("prefix", ["az", "v1"])
async def test_a_filtered_prompt_is_told_as_such(sdk: Sdk, prefix: str) -> None:
    """Azure's error inside the error, and its newer API's plain one."""
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat(f"{prefix}/{unique('sim-flagged')}", HI)
    assert caught.value.code == "content_filter"
