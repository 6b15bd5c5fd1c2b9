"""A dialect without custom tools, for one request: what is sent, what is read, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.freeform import FreeForm, freed
from gateway.providers.registry import DIALECTS
from gateway.rpc.contract import CHAT
from gateway.wire.openai import chat
from gateway.wire.pb import chat_pb2, types_pb2

ANTHROPIC = DIALECTS["anthropic"]
PATCH: Any = {"type": "custom", "custom": {"name": "patch"}}


def asked(*tools: Any) -> chat_pb2.ChatRequest:
    return chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": list(tools)})


def test_only_requests_with_custom_tools_are_changed() -> None:
    """Everything else meets the dialect itself."""
    assert freed(ANTHROPIC, asked()) is ANTHROPIC
    assert freed(ANTHROPIC, asked({"type": "function", "function": {"name": "patch"}})) is ANTHROPIC
    assert isinstance(freed(ANTHROPIC, asked(PATCH)), FreeForm)
    assert freed(ANTHROPIC, asked(PATCH)).NAME == ANTHROPIC.NAME


def test_a_whole_answer_is_read_back() -> None:
    """The text of the function is the text of the tool."""
    use = {"type": "tool_use", "id": "c", "name": "patch", "input": {"input": "a\nb"}}
    body = {"id": "m", "type": "message", "role": "assistant", "content": [use], "stop_reason": "tool_use"}
    reply: Any = freed(ANTHROPIC, asked(PATCH)).decode_reply(CHAT, json.dumps(body).encode())
    (block,) = reply.choices[0].message.blocks
    assert (block.tool_use.type, block.tool_use.name, block.tool_use.arguments) == ("custom", "patch", "a\nb")


def test_a_tool_that_is_no_json() -> None:
    """A gRPC caller's mistake is the caller's."""
    request = chat_pb2.ChatRequest(model="m", tools=[types_pb2.Tool(type="custom", custom_json="{")])
    with pytest.raises(GatewayError) as caught:
        freed(ANTHROPIC, request)
    assert caught.value.kind is Kind.INVALID_REQUEST
