"""Clients of every format reach a provider that speaks OpenAI's Responses format; its own clients get it untouched.

Rules: the official SDKs, raw requests where bytes matter, a gateway in this process, the simulator as the vendor.
Not here: the mapping member by member (tests/unit/wire/responses), faults (tests/contract/test_dialects).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from gateway.simulator.server import Running, serve
from tests.support.raw import ask
from tests.support.sdk import Sdk, sdk_of, text_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

KEY = "an-openai-key"
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY, "strict": True}}]
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
        "dialect": "responses",
        "base_url": f"{upstream.url}/v1",
        "api_key": {"env": "UPSTREAM_KEY"},
        "is_local": True,
    }
    model = {
        "names": ["oai/*"],
        "capabilities": ["chat", "vision", "function_calling", "json_mode", "json_schema", "reasoning"],
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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(gateway: InProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as made:
        yield made


Post = Callable[..., Awaitable[bytes]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def post(gateway: InProcess, upstream: Running) -> AsyncIterator[Post]:
    """Post a body to `/responses`, of the gateway or of the provider itself; the bytes of a success."""
    async with aiohttp.ClientSession() as session:

        async def send(body: dict[str, Any], *, is_direct: bool = False) -> bytes:
            url, key = (f"{upstream.url}/v1", KEY) if is_direct else (gateway.base_url, gateway.key)
            headers = {"authorization": f"Bearer {key}"}
            async with session.post(f"{url}/responses", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.read()

        yield send


def named(model: str = "sim") -> str:
    return f"oai/{unique(model)}"


async def test_an_openai_client_gets_an_answer(sdk: Sdk, upstream: Running) -> None:
    """And the provider gets its own format, with its key; nothing is kept there."""
    model = named()
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}]
    answer = await sdk.chat(model, messages, top_p=0.5, max_completion_tokens=90)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await Simulated(upstream.url).last(model)
    assert (seen["path"], seen["headers"]["authorization"]) == ("/v1/responses", f"Bearer {KEY}")
    said = [{"type": "input_text", "text": "hi there"}]
    assert seen["body"] == {
        "model": model,
        "instructions": "be kind",
        "input": [{"type": "message", "role": "user", "content": said}],
        "top_p": 0.5,
        "max_output_tokens": 90,
        "store": False,
    }


@pytest.mark.parametrize("is_usage_wanted", [True, False])
async def test_a_stream_is_an_openai_stream(sdk: Sdk, is_usage_wanted: bool) -> None:
    """Reasoning first, one id, usage at the end if it was asked for."""
    options: Any = {"stream_options": {"include_usage": True}} if is_usage_wanted else {}
    chunks = await sdk.chunks(named("sim-reasoning"), **options)
    assert text_of(chunks) == "You said: hi there"
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.role for delta in deltas].count("assistant") == 1
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas).startswith("The user")
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage] == ([2] if is_usage_wanted else [])


async def test_parallel_tools_and_back(sdk: Sdk) -> None:
    """Two calls, then their answers."""
    asked: list[Any] = [{"role": "user", "content": "weather?"}]
    model = named("sim-tools-2")
    answer = await sdk.chat(model, asked, tools=TOOLS)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in message.tool_calls] == ["weather", "weather"]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    said = [*asked, message.model_dump(exclude_none=True), *results]
    again = await sdk.chat(model, said, tools=TOOLS)
    assert again.choices[0].message.content == "The tool said: rain; rain"


async def test_streamed_calls_are_numbered(sdk: Sdk) -> None:
    """Name and id once, fragments with their index; together valid arguments."""
    chunks = await sdk.chunks(named("sim-tools-2"), tools=TOOLS)
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            kept = calls.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
            kept["id"] += call.id or ""
            kept["name"] += call.function.name or ""
            kept["arguments"] += call.function.arguments or ""
    assert [call["name"] for call in calls.values()] == ["weather", "weather"]
    assert sorted(calls) == [0, 1]
    assert all(set(json.loads(call["arguments"])) == {"city"} for call in calls.values())


async def test_images_and_structured_answers(sdk: Sdk, client: openai.AsyncOpenAI) -> None:
    """A data URI arrives as `input_image`, a schema as `text.format`."""
    model = named()
    answer = await sdk.chat(model, [{"role": "user", "content": [{"type": "text", "text": "what"}, IMAGE]}])
    assert answer.choices[0].message.content == "You said: what (with 1 more part)"
    parsed = await client.chat.completions.parse(
        model=model, messages=[{"role": "user", "content": "where"}], response_format=Place
    )
    assert isinstance(parsed.choices[0].message.parsed, Place)


async def test_an_anthropic_client_thinks_and_calls(gateway: InProcess, upstream: Running) -> None:
    """Thinking has a signature that comes back to the provider as its own reasoning item."""
    model = named("sim-reasoning")
    tools: Any = [{"name": "weather", "input_schema": CITY}]
    asked: Any = [{"role": "user", "content": "weather?"}]
    base_url = gateway.base_url.removesuffix("/v1")
    thinking: Any = {"type": "enabled", "budget_tokens": 2000}
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key=gateway.key, max_retries=0) as client:
        first: Any = await client.messages.create(
            model=model, max_tokens=4000, messages=asked, tools=tools, thinking=thinking
        )
        assert [block.type for block in first.content] == ["thinking", "tool_use"]
        assert first.stop_reason == "tool_use"
        result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "rain"}
        said = [*asked, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        async with client.messages.stream(
            model=model, max_tokens=4000, messages=said, tools=tools, thinking=thinking
        ) as stream:
            second: Any = await stream.get_final_message()
    assert second.content[-1].text == "The tool said: rain"
    assert second.usage.output_tokens > 0
    body = (await Simulated(upstream.url).last(model))["body"]
    assert [item["type"] for item in body["input"]] == ["message", "reasoning", "function_call", "function_call_output"]
    assert body["input"][1]["encrypted_content"].startswith("proof-")
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}


BODY: dict[str, Any] = {
    "instructions": "be kind",
    "input": [
        {"role": "system", "content": "and short"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi", "x": 1}]},
    ],
    "tools": [{"type": "web_search", "search_context_size": "low"}],
    "tool_choice": "none",
    "reasoning": {"effort": "low", "summary": "auto", "x": None},
    "text": {"verbosity": "low"},
    "include": ["reasoning.encrypted_content"],
    "x_unknown": {"deep": [1, 2.0, None]},
    "metadata": {"a": "b"},
    "top_logprobs": 0,
    "truncation": "auto",
    "user": None,
}


async def test_a_client_of_the_format_is_passed_through(post: Post, upstream: Running) -> None:
    """The body reaches the provider as it is, the answer comes back as it is."""
    model = named()
    body = {"model": model, **BODY}
    answer = await post(body)
    assert (await Simulated(upstream.url).last(model))["body"] == body
    assert answer == await post(body, is_direct=True)


async def test_a_stream_of_the_format_is_passed_through(post: Post) -> None:
    """Names, numbers and members of every event, byte for byte."""
    body = {"model": named("sim-reasoning"), **BODY, "stream": True}
    answer = await post(body)
    assert answer == await post(body, is_direct=True)
    assert answer.count(b"event: ") > 10


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_is_continued_from_the_gateways_store(
    client: openai.AsyncOpenAI, upstream: Running, is_stream: bool
) -> None:
    """By the provider's own id; the provider gets the whole conversation and no id it may not know."""
    model = named("sim-reasoning")
    if is_stream:
        async with client.responses.stream(model=model, input="first") as stream:
            first: Any = await stream.get_final_response()
    else:
        first = await client.responses.create(model=model, input="first")
    kept = await client.responses.retrieve(first.id)
    assert kept.output_text == first.output_text == "You said: first"
    second = await client.responses.create(model=model, input="second", previous_response_id=first.id)
    assert second.output_text == "You said: second"
    body = (await Simulated(upstream.url).last(model))["body"]
    assert "previous_response_id" not in body
    assert [item["type"] for item in body["input"][:3]] == ["message", "reasoning", "message"]


async def test_a_failure_in_the_stream(gateway: InProcess) -> None:
    """Events go on being numbered; `error`, then `response.failed` with the provider's id."""
    body = {"model": named("sim-error-2-pace-50"), "input": "a b c d e f", "stream": True}
    answer = await ask(f"{gateway.base_url}/responses", body, gateway.key)
    events = answer.chunks
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["id"] == events[0]["response"]["id"]


async def test_what_has_no_place_is_refused_by_name(sdk: Sdk) -> None:
    """`stop` and a seed would change the answer."""
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat(named(), stop=["x"])
    assert caught.value.code == "unsupported_parameter"
    assert caught.value.param == "stop"
