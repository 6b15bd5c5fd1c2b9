"""The official Google Gen AI SDK, unmodified, against a gateway, whatever its providers speak.

Rules: every test with `dialect` runs once per upstream format, over a gateway in this process and the simulator.
Not here: array streams, paths and key carriers (test_gemini_http), the mapping member by member
    (tests/unit/wire/gemini).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google import genai
from google.genai import errors, types

from gateway.simulator.server import Running
from tests.support.matrix.upstreams import layer
from tests.support.raw import ask
from tests.support.recorder import COMPLETION, Scripted, recording
from tests.support.simulated import unique
from tests.support.single import InProcess, single

DIALECTS = ("gemini", "openai", "anthropic", "cohere", "bedrock")
PNG = bytes.fromhex("89504e470d0a1a0a") + b"\0" * 8
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="of a city",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
            ),
        )
    ]
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    async with single(layer(upstream.url)) as running:
        yield running


def client_of(gateway: InProcess, key: str | None = None) -> genai.Client:
    """The SDK as its users make it; only the address is the gateway's. It does not try again by itself."""
    options = types.HttpOptions(base_url=gateway.url, timeout=20_000, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=key or gateway.key, http_options=options)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def models(gateway: InProcess) -> AsyncIterator[Any]:
    made = client_of(gateway)
    yield made.aio.models
    await made.aio.aclose()


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_whole_answer(models: Any, dialect: str) -> None:
    """With its finish reason, its usage and the model's name."""
    config = types.GenerateContentConfig(system_instruction="be kind", temperature=0.5, max_output_tokens=2000)
    answer = await models.generate_content(model=f"{dialect}/{unique()}", contents="hello big world", config=config)
    assert answer.text == "You said: hello big world"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (5, 5)
    assert usage.total_token_count == 10
    assert answer.response_id


async def test_a_stream(models: Any, dialect: str) -> None:
    """As it is made; the last frame has the finish reason and the usage."""
    stream = await models.generate_content_stream(model=f"{dialect}/sim-chunks-20", contents="hello big world")
    frames = [frame async for frame in stream]
    assert len([frame for frame in frames if frame.text]) == 20
    assert frames[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert frames[-1].usage_metadata.candidates_token_count == 20
    assert all(not frame.candidates[0].finish_reason for frame in frames[:-1])


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_round_with_tools_and_an_image(models: Any, dialect: str, is_stream: bool) -> None:
    """Two calls go out whole, their results come back by name."""
    model = f"{dialect}/{unique('sim-tools-2')}"
    config = types.GenerateContentConfig(tools=[WEATHER], max_output_tokens=3000)
    asked = types.Content(role="user", parts=[types.Part.from_text(text="where"),
                                              types.Part.from_bytes(data=PNG, mime_type="image/png")])  # fmt: skip
    if is_stream:
        stream = await models.generate_content_stream(model=model, contents=[asked], config=config)
        parts = [part async for frame in stream for part in frame.candidates[0].content.parts or ()]
        said = types.Content(role="model", parts=parts)
    else:
        answer = await models.generate_content(model=model, contents=[asked], config=config)
        said = answer.candidates[0].content
    calls = [part.function_call for part in said.parts or () if part.function_call]
    assert [(call.name, call.args) for call in calls] == [("weather", {"city": "text"})] * 2
    results = [
        types.Part(
            function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": f"rain {n}"})
        )
        for n, call in enumerate(calls)
    ]
    answer = await models.generate_content(
        model=model, contents=[asked, said, types.Content(role="user", parts=results)], config=config
    )
    assert answer.text.startswith("The tool said: rain 0; rain 1")


async def test_the_sdk_calls_functions_by_itself(models: Any, dialect: str) -> None:
    """Its automatic function calling makes the round trip."""
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "rain"

    config = types.GenerateContentConfig(tools=[weather], max_output_tokens=3000)
    answer = await models.generate_content(model=f"{dialect}/sim-tools-1", contents="weather?", config=config)
    assert asked == ["text"]
    assert answer.text.startswith("The tool said: ")


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("sim-status-400", errors.ClientError, "INVALID_ARGUMENT"),
        ("sim-status-429", errors.ClientError, "RESOURCE_EXHAUSTED"),
        ("sim-status-500", errors.ServerError, "INTERNAL"),
        ("sim-status-529", errors.ServerError, "UNAVAILABLE"),
    ],
)
async def test_failures(models: Any, dialect: str, model: str, error: type[errors.APIError], status: str) -> None:
    """Are Google's error object, whole and streamed."""
    with pytest.raises(error) as caught:
        await models.generate_content(model=f"{dialect}/{model}", contents="hi")
    assert (caught.value.code // 100, caught.value.status) == (int(model[-3]), status)
    assert caught.value.message
    stream = await models.generate_content_stream(model=f"{dialect}/{model}", contents="hi")
    with pytest.raises(error) as caught:
        await anext(stream)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "model", ["sim-chunks-9-pace-20-error-4", "sim-chunks-9-pace-20-cut-4", "sim-cut-before-headers"]
)
async def test_a_stream_that_breaks(models: Any, dialect: str, model: str) -> None:
    """Is never taken for a whole one."""
    stream = await models.generate_content_stream(model=f"{dialect}/{model}", contents="hello big world")
    with pytest.raises(Exception, match=r"."):
        _ = [frame async for frame in stream]


async def test_the_key(gateway: InProcess) -> None:
    """A wrong one is 401, UNAUTHENTICATED."""
    client = client_of(gateway, "gw-no.key")
    with pytest.raises(errors.ClientError) as caught:
        await client.aio.models.generate_content(model="openai/sim", contents="hi")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    await client.aio.aclose()


async def test_counting_tokens(models: Any, dialect: str) -> None:
    """An estimate: longer prompts have more; unknown models have none."""
    short = await models.count_tokens(model=f"{dialect}/sim", contents="hello big world")
    long = await models.count_tokens(model=f"{dialect}/sim", contents="a rather long text " * 20)
    assert 0 < short.total_tokens < long.total_tokens
    with pytest.raises(errors.ClientError) as caught:
        await models.count_tokens(model="nobody/knows", contents="hi")
    assert caught.value.status == "NOT_FOUND"


@pytest.mark.parametrize("embedder", ["gemini", "openai", "cohere"])
async def test_embeddings(models: Any, embedder: str) -> None:
    """One vector per text, of the length that was asked for, the same text the same vector."""
    config = types.EmbedContentConfig(output_dimensionality=256)
    answer = await models.embed_content(model=f"{embedder}/sim", contents=["a", "b", "a"], config=config)
    vectors = [embedding.values for embedding in answer.embeddings]
    assert [len(vector) for vector in vectors] == [256] * 3
    assert vectors[0] == vectors[2] != vectors[1]


async def test_what_an_answer_cites() -> None:
    """The SDK's own types hold the links of another format, whole and streamed."""
    place = {"url": "https://example.com/a", "title": "A", "start_index": 0, "end_index": 5}
    cited: dict[str, Any] = {"annotations": [{"type": "url_citation", "url_citation": place}]}
    said = {"role": "assistant", "content": "Hello there", **cited}
    whole = {**COMPLETION, "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()

    stream = Scripted.sse(
        chunk({"content": "Hello "}), chunk({"content": "there"}), chunk(cited), chunk({}, "stop"), b"[DONE]"
    )
    async with recording() as recorder, single(recorder.layer("cited")) as gateway, client_of(gateway).aio as client:
        recorder.answer = lambda seen: stream if seen.json.get("stream") else Scripted(body=json.dumps(whole).encode())
        answer = await client.models.generate_content(model="cited", contents="hi")
        chunks = [each async for each in await client.models.generate_content_stream(model="cited", contents="hi")]
    for candidates in (answer.candidates, chunks[-1].candidates):
        grounding: Any = candidates and candidates[0].grounding_metadata
        assert [(link.web.uri, link.web.title) for link in grounding.grounding_chunks] == [(place["url"], "A")]
        (support,) = grounding.grounding_supports
        assert (support.segment.end_index, support.grounding_chunk_indices) == (5, [0])


async def test_pages_of_models(gateway: InProcess, models: Any) -> None:
    """The SDK turns them; a size or token that is none is Google's INVALID_ARGUMENT."""
    whole = [model.name async for model in await models.list()]
    first = await models.list(config={"page_size": 3})
    assert len(first) == 3
    assert [model.name async for model in first] == whole
    for query in ("pageToken=nobody", "page_token=%C3%BC", "pageSize=-1", "pageSize=many", "pageSize=9999999999"):
        answer = await ask(f"{gateway.url}/v1beta/models?{query}", None, gateway.key, method="GET")
        assert (answer.status, answer.body["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert query.partition("=")[0].replace("page_t", "pageT") in answer.body["error"]["message"]


async def test_models(models: Any) -> None:
    """The list and one model, in Gemini's shape."""
    listed = {model.name: model async for model in await models.list()}
    one = await models.get(model="gemini-2.5-pro")
    assert one == listed["models/gemini-2.5-pro"]
    assert "generateContent" in one.supported_actions
    assert listed["models/gemini-embedding-001"].supported_actions == ["embedContent", "batchEmbedContents"]
    with pytest.raises(errors.ClientError) as caught:
        await models.get(model="nobody")
    assert caught.value.status == "NOT_FOUND"
