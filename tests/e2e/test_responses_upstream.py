"""Clients of every format reach a provider that speaks OpenAI's Responses format; its own clients get it untouched.

Rules: the official SDKs, raw requests where bytes matter, a gateway in this process, the simulator as the vendor.
Not here: what holds for every format (test_mapped_upstreams),
    the mapping member by member (tests/unit/wire/responses), faults (tests/contract/test_dialects).
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

from tests.support.matrix.pair import KEY, Pair, paired
from tests.support.raw import ask

CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY, "strict": True}}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair() -> AsyncIterator[Pair]:
    async with paired("responses") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(pair: Pair) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=pair.gateway.base_url, api_key=pair.gateway.key, max_retries=0) as made:
        yield made


Post = Callable[..., Awaitable[bytes]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def post(pair: Pair) -> AsyncIterator[Post]:
    """Post a body to `/responses`, of the gateway or of the provider itself; the bytes of a success."""
    async with aiohttp.ClientSession() as session:

        async def send(body: dict[str, Any], *, is_direct: bool = False) -> bytes:
            url, key = (f"{pair.upstream.url}/v1", KEY) if is_direct else (pair.gateway.base_url, pair.gateway.key)
            headers = {"authorization": f"Bearer {key}"}
            async with session.post(f"{url}/responses", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.read()

        yield send


async def test_an_openai_client_gets_an_answer(pair: Pair) -> None:
    """And the provider gets its own format, with its key; nothing is kept there."""
    model = pair.named()
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi there"}]
    answer = await pair.sdk.chat(model, messages, top_p=0.5, max_completion_tokens=90)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (answer.choices[0].finish_reason, answer.object) == ("stop", "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 4, 8)
    seen = await pair.sent(model)
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


async def test_streamed_calls_are_numbered(pair: Pair) -> None:
    """Name and id once, fragments with their index; together valid arguments."""
    chunks = await pair.sdk.chunks(pair.named("sim-tools-2"), tools=TOOLS)
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


async def test_an_anthropic_client_thinks_and_calls(pair: Pair) -> None:
    """Thinking has a signature that comes back to the provider as its own reasoning item."""
    model = pair.named("sim-reasoning")
    tools: Any = [{"name": "weather", "input_schema": CITY}]
    asked: Any = [{"role": "user", "content": "weather?"}]
    base_url = pair.gateway.base_url.removesuffix("/v1")
    thinking: Any = {"type": "enabled", "budget_tokens": 2000}
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key=pair.gateway.key, max_retries=0) as client:
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
    body = (await pair.sent(model))["body"]
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


async def test_a_client_of_the_format_is_passed_through(pair: Pair, post: Post) -> None:
    """The body reaches the provider as it is, the answer comes back as it is."""
    model = pair.named()
    body = {"model": model, **BODY}
    answer = await post(body)
    assert (await pair.sent(model))["body"] == body
    assert answer == await post(body, is_direct=True)


async def test_a_stream_of_the_format_is_passed_through(pair: Pair, post: Post) -> None:
    """Names, numbers and members of every event, byte for byte."""
    body = {"model": pair.named("sim-reasoning"), **BODY, "stream": True}
    answer = await post(body)
    assert answer == await post(body, is_direct=True)
    assert answer.count(b"event: ") > 10


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_is_continued_from_the_gateways_store(
    pair: Pair, client: openai.AsyncOpenAI, is_stream: bool
) -> None:
    """By the provider's own id; the provider gets the whole conversation and no id it may not know."""
    model = pair.named("sim-reasoning")
    if is_stream:
        async with client.responses.stream(model=model, input="first") as stream:
            first: Any = await stream.get_final_response()
    else:
        first = await client.responses.create(model=model, input="first")
    kept = await client.responses.retrieve(first.id)
    assert kept.output_text == first.output_text == "You said: first"
    named: list[str | None] = []
    if is_stream:
        async with client.responses.stream(model=model, input="second", previous_response_id=first.id) as stream:
            events: list[Any] = [event async for event in stream]
            second: Any = await stream.get_final_response()
        heads = ("response.created", "response.in_progress", "response.completed")
        named += [event.response.previous_response_id for event in events if event.type in heads]
    else:
        second = await client.responses.create(model=model, input="second", previous_response_id=first.id)
    assert second.output_text == "You said: second"
    kept = await client.responses.retrieve(second.id)
    named += [second.previous_response_id, kept.previous_response_id]
    assert named == [first.id] * (5 if is_stream else 2)
    body = (await pair.sent(model))["body"]
    assert "previous_response_id" not in body
    assert [item["type"] for item in body["input"][:3]] == ["message", "reasoning", "message"]


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_continued_answer_that_is_not_kept(pair: Pair, client: openai.AsyncOpenAI, is_stream: bool) -> None:
    """Names what it continues all the same, also in the failure of its stream; all else is the provider's."""
    first = await client.responses.create(model=pair.named(), input="first")
    body = {"model": pair.named(), "input": "second", "store": False, "previous_response_id": first.id}
    answer = await ask(f"{pair.gateway.base_url}/responses", {**body, "stream": is_stream}, pair.gateway.key)
    told = answer.chunks[-1]["response"] if is_stream else answer.body
    assert (told["previous_response_id"], told["store"]) == (first.id, False)
    failing = {**body, "model": pair.named("sim-error-2-pace-50"), "input": "a b c d e f", "stream": True}
    broken = await ask(f"{pair.gateway.base_url}/responses", failing, pair.gateway.key)
    assert broken.chunks[-1]["type"] == "response.failed"
    assert broken.chunks[-1]["response"]["previous_response_id"] == first.id


async def test_a_failure_in_the_stream(pair: Pair) -> None:
    """Events go on being numbered; `error`, then `response.failed` with the provider's id."""
    body = {"model": pair.named("sim-error-2-pace-50"), "input": "a b c d e f", "stream": True}
    answer = await ask(f"{pair.gateway.base_url}/responses", body, pair.gateway.key)
    events = answer.chunks
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["id"] == events[0]["response"]["id"]


async def test_what_has_no_place_is_refused_by_name(pair: Pair) -> None:
    """`stop` and a seed would change the answer."""
    with pytest.raises(openai.BadRequestError) as caught:
        await pair.sdk.chat(pair.named(), stop=["x"])
    assert caught.value.code == "unsupported_parameter"
    assert caught.value.param == "stop"
