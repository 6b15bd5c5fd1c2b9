"""A client asks for an answer that fits a schema; each upstream format meets it in each declared way.

Rules: the official OpenAI and Anthropic SDKs, one gateway in this process, the simulator as every vendor.
Not here: requests and answers member by member (tests/unit/wire/test_structured.py).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from gateway.simulator.server import Running
from gateway.wire.anthropic.mapping import JSON_TOOL
from tests.support.matrix.upstreams import UPSTREAMS
from tests.support.raw import ask
from tests.support.sdk import Sdk, sdk_of, text_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["city", "size"],
    "additionalProperties": False,
}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
WAYS = ("native", "tool", "instruction", "none")
TALKERS = [upstream for upstream in UPSTREAMS if not {"palm", "anthropic_complete"} & {upstream.name}]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    layer: dict[str, Any] = {"providers": {}, "models": {}}
    for each in TALKERS:
        layer["providers"][f"up-{each.name}"] = each.provider(upstream.url)
        for way in WAYS:
            model = each.model() | {"names": [f"{each.name}.{way}/*"]}
            model["candidates"] = [{**model["candidates"][0], "structured_output": way}]
            layer["models"][f"m-{each.name}-{way}"] = model
    async with single(layer) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk(gateway: InProcess) -> AsyncIterator[Sdk]:
    made = sdk_of("async", gateway.base_url, gateway.key)
    yield made
    await made.close()


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("way", ["native", "tool"])
@pytest.mark.parametrize("at", TALKERS, ids=lambda at: at.name)
async def test_the_answer_is_the_object(sdk: Sdk, upstream: Running, at: Any, way: str, is_stream: bool) -> None:
    """In the text of the answer, which ends with `stop`, whichever way it took."""
    model = f"{at.name}.{way}/{unique('sim')}"
    if is_stream:
        chunks = await sdk.chunks(model, response_format=FORMAT)
        text = text_of(chunks)
        reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
        assert not any(c.choices[0].delta.tool_calls for c in chunks if c.choices)
    else:
        choice = (await sdk.chat(model, response_format=FORMAT)).choices[0]
        text, reasons = choice.message.content, [choice.finish_reason]
        assert not choice.message.tool_calls
    assert set(json.loads(text)) == {"city", "size"}
    assert reasons == ["stop"]
    seen = json.dumps((await Simulated(upstream.url).last(model))["body"])
    assert (JSON_TOOL in seen) is (way == "tool")


@pytest.mark.parametrize("at", TALKERS, ids=lambda at: at.name)
async def test_an_instruction_holds_the_schema(sdk: Sdk, upstream: Running, at: Any) -> None:
    """And nothing of the format is sent."""
    model = f"{at.name}.instruction/{unique('sim')}"
    assert await sdk.chat(model, response_format=FORMAT)
    body = (await Simulated(upstream.url).last(model))["body"]
    seen = json.dumps(body)
    assert "additionalProperties" in seen
    assert JSON_TOOL not in seen
    assert not {"response_format", "output_config", "outputConfig"} & set(body)
    assert not {"responseSchema", "responseMimeType"} & set(body.get("generationConfig", ()))


@pytest.mark.parametrize("at", TALKERS, ids=lambda at: at.name)
async def test_what_cannot_is_refused_by_name(sdk: Sdk, at: Any) -> None:
    """Unless the model drops what is unsupported."""
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat(f"{at.name}.none/{unique('sim')}", response_format=FORMAT)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "response_format")


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_an_anthropic_client_at_an_openai_model_without_schemas(
    gateway: InProcess, upstream: Running, is_stream: bool
) -> None:
    """Its `output_config` becomes the tool, the tool's arguments its text block."""
    model = f"openai.tool/{unique('sim')}"
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    turns = [{"role": "user", "content": "hi"}]
    body = {"model": model, "max_tokens": 99, "messages": turns, "output_config": wanted, "stream": is_stream}
    answer = (await ask(f"{gateway.url}/v1/messages", body, gateway.key)).ok()
    if is_stream:
        events = [json.loads(event) for event in answer.events]
        text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
        kinds = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
        reason = next(event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta")
    else:
        (block,) = answer.body["content"]
        text, kinds, reason = block["text"], [block["type"]], answer.body["stop_reason"]
    assert set(json.loads(text)) == {"city", "size"}
    assert (kinds, reason) == (["text"], "end_turn")
    assert JSON_TOOL in json.dumps((await Simulated(upstream.url).last(model))["body"])
