"""Google's own SDK for Python, unmodified, against the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import errors, types

from gateway.simulator.server import Running, serve


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[Running]:
    """A simulator that wants a key."""
    running = await serve(key="sim-key")
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def client(simulator: Running) -> AsyncIterator[Any]:
    """The SDK's asynchronous client."""
    made = client_of(simulator)
    yield made
    await made.aclose()


def client_of(simulator: Running, key: str = "sim-key") -> Any:
    """The SDK pointed at the simulator."""
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=simulator.url, api_version="v1beta")).aio


async def test_a_whole_answer(client: Any) -> None:
    """Text, finish reason, counts and the model's name."""
    answer = await client.models.generate_content(
        model="sim", contents="hi there", config={"system_instruction": "be brief", "temperature": 0.2}
    )
    assert answer.text == "You said: hi there"
    assert answer.candidates[0].finish_reason is types.FinishReason.STOP
    assert answer.usage_metadata.prompt_token_count == 4
    assert answer.usage_metadata.candidates_token_count == 4
    assert answer.model_version == "sim"


async def test_a_stream(client: Any) -> None:
    """One frame per word; usage grows; the last frame ends the candidate."""
    stream = await client.models.generate_content_stream(model="sim-chunks-5", contents="hi")
    frames = [frame async for frame in stream]
    assert len(frames) == 6
    assert "".join(frame.text or "" for frame in frames) == "You said: hi You said:"
    assert [frame.usage_metadata.candidates_token_count for frame in frames] == [1, 2, 3, 4, 5, 5]
    assert frames[-1].candidates[0].finish_reason is types.FinishReason.STOP


async def test_thoughts(client: Any) -> None:
    """Thoughts are parts of their own, counted apart."""
    answer = await client.models.generate_content(model="sim-reasoning", contents="hi")
    thought, text = answer.candidates[0].content.parts
    assert thought.thought
    assert text.text == "You said: hi"
    assert answer.usage_metadata.thoughts_token_count == 8


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


async def test_the_sdk_calls_a_function_and_sends_its_answer(client: Any) -> None:
    """The SDK's automatic function calling makes the whole round."""
    config = types.GenerateContentConfig(tools=[get_weather])
    answer = await client.models.generate_content(model="sim", contents="weather?", config=config)
    assert answer.text == "The tool said: sunny in text"


async def test_shapes_images_and_candidates(client: Any) -> None:
    """A schema of the SDK's, an inline image, two candidates."""
    shaped = await client.models.generate_content(
        model="sim",
        contents="x",
        config={"response_mime_type": "application/json", "response_schema": {"type": "OBJECT", "properties": {
            "a": {"type": "INTEGER"}}, "required": ["a"]}},
    )  # fmt: skip
    assert shaped.text == '{"a":0}'
    image = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    both = await client.models.generate_content(model="sim", contents=["see", image], config={"candidate_count": 2})
    assert [c.content.parts[0].text for c in both.candidates] == [
        "You said: see (with 1 more part)", "You said: see (with 1 more part) (choice 1)"
    ]  # fmt: skip


async def test_counting_embedding_and_listing(client: Any) -> None:
    """The other methods."""
    assert (await client.models.count_tokens(model="sim", contents="one two three")).total_tokens == 3
    found = await client.models.embed_content(
        model="gemini-embedding-001", contents=["a", "b"], config={"output_dimensionality": 3}
    )
    assert [len(embedding.values) for embedding in found.embeddings] == [3, 3]
    names = [model.name async for model in await client.models.list()]
    assert "models/gemini-2.5-flash" in names
    assert (await client.models.get(model="sim")).display_name == "sim"


@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        ("sim-status-429", 429, "RESOURCE_EXHAUSTED"),
        ("sim-status-500", 500, "INTERNAL"),
        ("sim-context-1", 400, "INVALID_ARGUMENT"),
        ("sim-nosuchoption", 404, "NOT_FOUND"),
    ],
)
async def test_errors_are_googles(client: Any, model: str, code: int, status: str) -> None:
    """Status, status word and message reach the SDK's exception."""
    with pytest.raises(errors.APIError) as caught:
        await client.models.generate_content(model=model, contents="one two three")
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.message


async def test_a_wrong_key(simulator: Running) -> None:
    """The key stands in `x-goog-api-key`."""
    stranger = client_of(simulator, "wrong")
    with pytest.raises(errors.ClientError) as caught:
        await stranger.models.generate_content(model="sim", contents="hi")
    await stranger.aclose()
    assert caught.value.code == 401


@pytest.mark.parametrize(("model", "is_whole"), [("sim-chunks-3", True), ("sim-chunks-3-cut-2", False)])
async def test_without_alt_sse_a_stream_is_one_array(simulator: Running, model: str, is_whole: bool) -> None:
    """Elements separated by commas, closed when whole."""
    url = f"{simulator.url}/v1beta/models/{model}:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    async with (
        aiohttp.ClientSession(headers={"x-goog-api-key": "sim-key"}) as session,
        session.post(url, json=body) as response,
    ):
        assert response.content_type == "application/json"
        if is_whole:
            frames = await response.json()
            assert [len(frame["candidates"]) for frame in frames] == [1, 1, 1, 1]
            assert frames[-1]["candidates"][0]["finishReason"] == "STOP"
        else:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


async def test_vertex_paths_and_bearer_tokens(simulator: Running) -> None:
    """The same model under Vertex's path, with its kind of credential."""
    url = f"{simulator.url}/v1/projects/p/locations/l/publishers/google/models/sim:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with (
        aiohttp.ClientSession(headers={"authorization": "Bearer sim-key"}) as session,
        session.post(url, json=body) as response,
    ):
        assert (await response.json())["candidates"][0]["content"]["parts"] == [{"text": "You said: hi"}]


async def test_a_stream_breaks_off_with_an_error_frame(client: Any) -> None:
    """`error-2`: two frames of text, then Google's error object, which the SDK raises."""
    stream = await client.models.generate_content_stream(model="sim-chunks-5-error-2", contents="hi")
    texts: list[str] = []
    with pytest.raises(errors.APIError):
        texts.extend([(await anext(stream)).text for _ in range(2)])
        await anext(stream)
    assert texts == ["You", " said:"]
