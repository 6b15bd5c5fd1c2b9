"""Custom tools of OpenAI's clients at every upstream format: a call with free text, and its result back."""

from __future__ import annotations

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
    last = await client.responses.create(model=model_of(name), input=[*given, said, output], tools=[FLAT])
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
