"""The official Anthropic SDK, unmodified, finds in the simulator what it expects of the vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic

from gateway.simulator.server import Running, serve

HI: list[Any] = [{"role": "user", "content": "hello big world"}]
TOOL: Any = {
    "name": "weather",
    "description": "d",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
KEY = "sk-ant-test"


@pytest_asyncio.fixture(scope="session")
async def simulator() -> AsyncIterator[Running]:
    running = await serve(key=KEY)
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="session")
async def client(simulator: Running) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=simulator.url, api_key=KEY, max_retries=0, timeout=20) as made:
        yield made


async def ask(client: AsyncAnthropic, model: str = "sim", messages: Any = HI, **more: Any) -> Any:
    return await client.messages.create(**{"model": model, "max_tokens": 100, "messages": messages, **more})


async def test_a_whole_answer(client: AsyncAnthropic) -> None:
    """Text, reason, usage; what is marked for the cache was read from it."""
    system = [{"type": "text", "text": "one two three", "cache_control": {"type": "ephemeral"}}]
    message = await ask(client, system=system)
    assert message.content[0].text == "You said: hello big world"
    assert (message.stop_reason, message.stop_sequence, message.role) == ("end_turn", None, "assistant")
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens) == (3, 3, 5)


async def test_the_stream_helper_makes_the_same_message(client: AsyncAnthropic) -> None:
    """With thinking and two calls, however many events it takes."""
    arguments: Any = {"tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
    whole = await ask(client, "sim-tools-2", **arguments)
    async with client.messages.stream(model="sim-tools-2", messages=HI, **arguments) as stream:
        events = [event.type async for event in stream]
        streamed = await stream.get_final_message()
    assert [block.model_dump() for block in streamed.content] == [block.model_dump() for block in whole.content]
    assert [block.type for block in streamed.content] == ["thinking", "tool_use", "tool_use"]
    assert streamed.content[1].input == {"city": "text"}
    assert (streamed.stop_reason, streamed.usage.output_tokens) == ("tool_use", whole.usage.output_tokens)
    assert (events[0], events[-1]) == ("message_start", "message_stop")


async def test_a_round_with_a_tool_and_an_image(client: AsyncAnthropic) -> None:
    """The result of the tool is what the answer is about."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    first = [{"role": "user", "content": [image, {"type": "text", "text": "where"}]}]
    called = await ask(client, "sim-tools", first, tools=[TOOL])
    (call,) = called.content
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
    messages = [*first, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    assert (await ask(client, "sim-tools", messages, tools=[TOOL])).content[0].text == "The tool said: rain"


async def test_stop_sequences_and_limits(client: AsyncAnthropic) -> None:
    """Each has its reason."""
    stopped = await ask(client, stop_sequences=["big"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "big")
    assert (await ask(client, max_tokens=1)).stop_reason == "max_tokens"
    assert (await ask(client, "sim-refusal")).stop_reason == "refusal"


async def test_counting_and_models(client: AsyncAnthropic) -> None:
    """As the vendor has them."""
    assert (await client.messages.count_tokens(model="sim", messages=HI)).input_tokens == 3
    models = [model.id async for model in client.models.list()]
    assert "claude-sonnet-4-5" in models
    assert (await client.models.retrieve("sim")).type == "model"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sim-status-401", anthropic.AuthenticationError),
        ("sim-status-429-after-1", anthropic.RateLimitError),
        ("sim-status-529", anthropic.InternalServerError),
        ("sim-context-1", anthropic.BadRequestError),
        ("sim-nonsense", anthropic.NotFoundError),
    ],
)
async def test_failures(client: AsyncAnthropic, model: str, error: type[anthropic.APIStatusError]) -> None:
    """Each status is the SDK's own exception, with the vendor's error object."""
    with pytest.raises(error) as caught:
        await ask(client, model)
    assert caught.value.body["type"] == "error"  # type: ignore[index]  # the SDK types it as object


async def test_an_error_in_a_stream_has_its_event(client: AsyncAnthropic) -> None:
    """The SDK sees only events with a name."""
    with pytest.raises(anthropic.APIStatusError):
        async with client.messages.stream(model="sim-error-2", max_tokens=9, messages=HI) as stream:
            await stream.get_final_message()


@pytest.mark.parametrize(
    "more",
    [
        {"extra_body": {"temperature": 1.5}},
        {"extra_body": {"stop": ["x"]}},
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}]},
        {"thinking": {"type": "enabled", "budget_tokens": 5000}},
        {"tool_choice": {"type": "any"}},
    ],
)
async def test_what_the_vendor_refuses(client: AsyncAnthropic, more: Any) -> None:
    """So that a wrong translation fails here as it would there."""
    with pytest.raises(anthropic.BadRequestError):
        await ask(client, **more)


async def test_a_wrong_key(simulator: Running) -> None:
    """Is refused."""
    async with AsyncAnthropic(base_url=simulator.url, api_key="other", max_retries=0) as other:
        with pytest.raises(anthropic.AuthenticationError):
            await ask(other)
