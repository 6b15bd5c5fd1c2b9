"""A gRPC caller says with typed fields alone what other clients say in JSON, and is answered so.

Rules: the generated classes, a gateway in this process, the simulator as a provider of Anthropic's format.
Not here: the mapping member by member (tests/unit/wire).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from gateway.simulator.server import Running
from gateway.wire.pb import chat_pb2, inference_pb2_grpc, types_pb2
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

PNG = b"\x89PNG"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    provider = {"dialect": "anthropic", "base_url": f"{upstream.url}/v1", "is_local": True, "auth": "none"}
    model = {
        "names": ["typed/*"],
        "capabilities": ["chat", "vision", "function_calling", "reasoning"],
        "retry": {"attempts_max": 1},
        "candidates": [{"provider": "typed"}],
    }
    async with single({"providers": {"typed": provider}, "models": {"typed": model}}) as running:
        yield running


def conversation(model: str, dialect: str) -> chat_pb2.ChatRequest:
    """A document, thinking that is signed, a call, and its result with an image."""
    request = chat_pb2.ChatRequest(model=model, dialect=dialect, max_tokens=4000)
    request.thinking.type, request.thinking.budget_tokens = "enabled", 2000
    document = types_pb2.DocumentBlock(text="the plan", media_type="text/plain", title="plan")
    asked = request.messages.add(role="user")
    asked.blocks.add(document=document)
    asked.blocks.add(text="what is on it?")
    said = request.messages.add(role="assistant")
    said.blocks.add(thinking=types_pb2.ThinkingBlock(text="I look", signature="c2ln"))
    said.blocks.add(tool_use=types_pb2.ToolUseBlock(id="t1", name="look", arguments="{}"))
    result = types_pb2.ToolResultBlock(tool_use_id="t1")
    result.blocks.add(text="seen")
    result.blocks.add(image=types_pb2.ImageBlock(data=PNG, media_type="image/png"))
    request.messages.add(role="user" if dialect else "tool").blocks.add(tool_result=result)
    parameters = '{"type": "object"}'
    request.tools.add(function=types_pb2.FunctionTool(name="look", parameters_json=parameters))
    return request


@pytest.mark.parametrize("dialect", ["", "anthropic"])
async def test_everything_has_a_field(gateway: InProcess, upstream: Running, dialect: str) -> None:
    """The provider gets every block in its place; the answer's thinking and counts are typed."""
    model = f"typed/{unique('sim-reasoning')}"
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub: Any = inference_pb2_grpc.InferenceStub(channel)
        metadata = (("authorization", f"Bearer {gateway.key}"),)
        reply = await stub.Chat(conversation(model, dialect), metadata=metadata)
    blocks = reply.choices[0].message.blocks
    assert [block.WhichOneof("kind") for block in blocks] == ["thinking", "text"]
    assert blocks[0].thinking.signature
    assert reply.usage.HasField("prompt_tokens_details")
    messages = (await Simulated(upstream.url).last(model))["body"]["messages"]
    kinds = [[block["type"] for block in message["content"]] for message in messages]
    assert kinds == [["document", "text"], ["thinking", "tool_use"], ["tool_result"]]
    assert messages[1]["content"][0]["signature"] == "c2ln"
    assert [part["type"] for part in messages[2]["content"][0]["content"]] == ["text", "image"]
