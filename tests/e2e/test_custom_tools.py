"""Custom tools and deprecated functions of OpenAI's clients at every upstream format: a call, and its result back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from gateway.simulator.server import Running, serve
from tests.support.matrix.upstreams import UPSTREAMS, layer
from tests.support.single import InProcess, single

WITH_TOOLS = [upstream.name for upstream in UPSTREAMS if "tools" not in upstream.refuses]
TEXT = '*** Begin Patch\n"a"\n*** End Patch'
FLAT: Any = {"type": "custom", "name": "patch", "description": "Change files."}
CHAT: Any = {"type": "custom", "custom": {"name": "patch", "description": "Change files."}}
OLD: Any = {"name": "patch", "description": "Change files.", "parameters": {"type": "object", "properties": {}}}
NATIVE = ("openai", "azure", "responses")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upstream() -> AsyncIterator[Running]:
    """Its models call the tool with TEXT: as free text, or as the text a function takes."""
    running = await serve()
    async with aiohttp.ClientSession(running.url) as session:
        for name, arguments in (("free", TEXT), ("function", {"input": TEXT})):
            turns = [{"calls": [{"name": "patch", "arguments": arguments}]}, {"text": "Done."}]
            async with session.put(f"/_sim/scripts/{name}", json={"turns": turns}) as answer:
                assert answer.status == 200  # an HTTP status
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    async with single(layer(upstream.url)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(gateway: InProcess) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20) as made:
        yield made


def model_of(name: str) -> str:
    return f"{name}/sim-script-{'free' if name in NATIVE else 'function'}"


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("name", WITH_TOOLS)
async def test_a_response(client: AsyncOpenAI, name: str, is_stream: bool) -> None:
    """The item of the call holds the text; its output is the model's next turn."""
    given: list[Any] = [{"role": "user", "content": "go"}]
    if is_stream:
        async with client.responses.stream(model=model_of(name), input=given, tools=[FLAT]) as stream:
            answer: Any = await stream.get_final_response()
    else:
        answer = await client.responses.create(model=model_of(name), input=given, tools=[FLAT])
    (call,) = (item for item in answer.output if item.type == "custom_tool_call")
    assert (call.name, call.input) == ("patch", TEXT)
    said = {"type": "custom_tool_call", "call_id": call.call_id, "name": call.name, "input": call.input}
    output = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "applied"}
    back: list[Any] = [*given, said, output]
    last = await client.responses.create(model=model_of(name), input=back, tools=[FLAT])
    assert last.output_text == "Done."


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("name", WITH_TOOLS)
async def test_a_chat(client: AsyncOpenAI, name: str, is_stream: bool) -> None:
    """The same in a chat."""
    given: list[Any] = [{"role": "user", "content": "go"}]
    create = client.chat.completions.create
    answer: Any = await create(model=model_of(name), messages=given, tools=[CHAT], stream=is_stream)
    if is_stream:
        deltas = [choice.delta async for chunk in answer for choice in chunk.choices]
        calls = [call.model_dump()["custom"] for delta in deltas for call in delta.tool_calls or ()]
        assert "".join(call["input"] for call in calls) == TEXT
        assert calls[0]["name"] == "patch"
        return
    (call,) = answer.choices[0].message.tool_calls
    assert (call.type, call.custom.name, call.custom.input) == ("custom", "patch", TEXT)
    assert answer.choices[0].finish_reason == "tool_calls"
    back = [*given, answer.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "applied"}]  # fmt: skip
    last: Any = await create(model=model_of(name), messages=back, tools=[CHAT])
    assert last.choices[0].message.content == "Done."


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("name", [name for name in WITH_TOOLS if name not in ("openai", "azure")])
async def test_a_function(client: AsyncOpenAI, name: str, is_stream: bool) -> None:
    """Deprecated `functions` where there are only tools: the call is a `function_call`, its result goes back."""
    given: list[Any] = [{"role": "user", "content": "go"}]
    create = client.chat.completions.create
    asked: Any = {"model": f"{name}/sim-script-function", "functions": [OLD], "function_call": {"name": "patch"}}
    answer: Any = await create(messages=given, stream=is_stream, **asked)
    if is_stream:
        choices = [choice async for chunk in answer for choice in chunk.choices]
        calls = [choice.delta.function_call for choice in choices if choice.delta.function_call]
        called = "".join(call.name or "" for call in calls), "".join(call.arguments or "" for call in calls)
        finish = next(choice.finish_reason for choice in choices if choice.finish_reason)
        assert not any(choice.delta.tool_calls for choice in choices)
    else:
        choice = answer.choices[0]
        called, finish = (
            (choice.message.function_call.name, choice.message.function_call.arguments),
            choice.finish_reason,
        )
        assert choice.message.tool_calls is None
    assert (called[0], json.loads(called[1]), finish) == ("patch", {"input": TEXT}, "function_call")
    said = {"role": "assistant", "content": None, "function_call": {"name": called[0], "arguments": called[1]}}
    back = [*given, said, {"role": "function", "name": "patch", "content": "applied"}]
    last: Any = await create(messages=back, **asked)
    assert (last.choices[0].message.content, last.choices[0].finish_reason) == ("Done.", "stop")
