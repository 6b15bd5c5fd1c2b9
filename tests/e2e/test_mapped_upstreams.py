"""OpenAI clients reach providers that speak other formats, and see nothing of it: what holds for each of them.

Rules: the official OpenAI SDK, a gateway in this process, the simulator as the vendor; every test for every format.
Not here: what one format sends (test_FORMAT_upstream), the mapping member by member (tests/unit/wire), faults of a
    dialect (tests/contract/test_dialects).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from tests.support.matrix.pair import Pair, paired
from tests.support.sdk import text_of

CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
URI = "data:image/png;base64,AAAA"
IMAGE = {"type": "image_url", "image_url": {"url": URI}}
SENT_IMAGES: dict[str, Any] = {
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
    "bedrock": {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
    "cohere": IMAGE,
    "responses": {"type": "input_image", "image_url": URI, "detail": "auto"},
}
"""Dialect -> a part of a message, as the provider gets it."""


class Place(BaseModel):
    """A structured answer."""

    city: str
    size: int


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=list(SENT_IMAGES))
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    async with paired(request.param) as made:
        yield made


@pytest.mark.parametrize("is_usage_wanted", [True, False])
async def test_a_stream_is_an_openai_stream(pair: Pair, is_usage_wanted: bool) -> None:
    """Reasoning first, one id, usage at the end if it was asked for."""
    options: Any = {"stream_options": {"include_usage": True}} if is_usage_wanted else {}
    chunks = await pair.sdk.chunks(pair.named("sim-reasoning"), reasoning_effort="low", max_tokens=3000, **options)
    assert text_of(chunks) == "You said: hi there"
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.role for delta in deltas].count("assistant") == 1
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas).startswith("The user")
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage] == ([2] if is_usage_wanted else [])


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_round_with_tools_and_an_image(pair: Pair, is_stream: bool) -> None:
    """Parallel calls come with their indexes; their results go back."""
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "where"}, IMAGE]}]
    model = pair.named("sim-tools-2")
    if is_stream:
        completions = pair.sdk.client.chat.completions
        async with completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
            async for _ in stream:
                pass
            choice = (await stream.get_final_completion()).choices[0]
    else:
        choice = (await pair.sdk.chat(model, messages, tools=TOOLS)).choices[0]
    calls = choice.message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [("weather", '{"city":"text"}')] * 2
    assert choice.finish_reason == "tool_calls"
    given = [call.model_dump(include={"id", "type", "function"}) for call in calls]
    messages.append({"role": "assistant", "tool_calls": given})
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"rain {n}"} for n, call in enumerate(calls)]
    answer = await pair.sdk.chat(model, messages, tools=TOOLS)
    assert answer.choices[0].message.content == "The tool said: rain 0; rain 1"
    body = (await pair.sent(model))["body"]
    assert body["input" if pair.dialect == "responses" else "messages"][0]["content"][1] == SENT_IMAGES[pair.dialect]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_structured_answers(pair: Pair, is_stream: bool) -> None:
    """`parse` works, whether the format has schemas for answers or not."""
    messages: Any = [{"role": "user", "content": "where"}]
    completions = pair.sdk.client.chat.completions
    if is_stream:
        async with completions.stream(model=pair.named(), messages=messages, response_format=Place) as stream:
            async for _ in stream:
                pass
            choice = (await stream.get_final_completion()).choices[0]
    else:
        choice = (await completions.parse(model=pair.named(), messages=messages, response_format=Place)).choices[0]
    assert choice.message.parsed == Place(city="text", size=0)
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sim-status-400", openai.BadRequestError),
        ("sim-status-429", openai.RateLimitError),
        ("sim-status-503", openai.InternalServerError),
        ("sim-status-529", openai.InternalServerError),
        ("sim-nosuchoption", openai.NotFoundError),
        ("sim-cut-before-headers", openai.InternalServerError),
    ],
)
async def test_failures(pair: Pair, model: str, error: type[openai.APIStatusError]) -> None:
    """Are OpenAI's exceptions."""
    with pytest.raises(error):
        await pair.sdk.chat(pair.named(model))


@pytest.mark.parametrize("model", ["sim-error-2", "sim-cut-2", "sim-nodone", "sim-malformed-2"])
async def test_a_stream_that_breaks_says_so(pair: Pair, model: str) -> None:
    """Also one that only lacks its end."""
    with pytest.raises(openai.APIError):
        await pair.sdk.chunks(pair.named(model))


async def test_a_client_that_leaves(pair: Pair) -> None:
    """Closes the provider's connection."""
    model = pair.named("sim-chunks-500-pace-20")
    stream = await pair.sdk.chat(model, stream=True)
    async for _ in stream:
        break
    await stream.close()
    await pair.simulator.until(model, aborted=1, streams_open=0)
