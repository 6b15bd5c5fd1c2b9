"""Any body of the Responses format is either refused by name or can be answered and kept."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Fault, GatewayError
from gateway.frontend import responses
from gateway.wire import json
from gateway.wire.pb import chat_pb2
from gateway.wire.responses.listed import items_of

MEMBERS = (
    "instructions", "max_output_tokens", "tools", "tool_choice", "reasoning", "text", "metadata", "stream", "store",
    "previous_response_id", "conversation", "background", "service_tier", "input",
)  # fmt: skip
KEYS = st.sampled_from(("type", "role", "content", "text", "format", "call_id", "id", "x"))
WORDS = st.sampled_from(("message", "function_call", "item_reference", "user", "assistant", "json_schema", "\ud800"))
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
ITEMS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=3)


def refusal(body: dict[str, Any]) -> GatewayError | None:
    try:
        responses.decode(body)
    except GatewayError as error:
        return error
    return None


@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES), ITEMS | st.text(min_size=1) | VALUES)
def test_any_body(body: dict[str, Any], items: Any) -> None:
    """Nothing a client sends is a failure of the gateway."""
    body = {**body, "input": items}
    if (refused := refusal(body)) is not None:
        assert refused.param
        assert refused.row.fault is Fault.CALLER
        return
    family = responses.family(body, "req_1")
    json.dumps(family.encode(chat_pb2.ChatResponse()))
    assert family.frames is not None
    assert b"response.completed" in family.frames().end()
    for item in items_of(body["input"], "1"):
        assert isinstance(item["id"], str)
