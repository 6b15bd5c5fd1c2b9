"""Requests of the Responses format: any JSON is read, and becomes the right chat for other formats."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.anthropic import chat as messages
from gateway.wire.openai import chat
from gateway.wire.responses.request import decode_request, encode_request

MEMBERS = (
    "model", "input", "instructions", "max_output_tokens", "temperature", "top_logprobs", "include", "tools",
    "tool_choice", "reasoning", "text", "metadata", "stream", "stream_options", "truncation", "store",
)  # fmt: skip
KEYS = st.sampled_from(("type", "role", "content", "text", "call_id", "output", "name", "format", "image_url", "x"))
WORDS = st.sampled_from(
    ("message", "function", "function_call", "function_call_output", "reasoning", "input_text", "input_image",
     "input_file", "user", "assistant", "json_schema", "custom", "\ud800", ""),
)  # fmt: skip
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES))
def test_any_object_is_read_and_can_be_written_for_others(body: dict[str, Any]) -> None:
    """No member of whatever type makes the decoder or another format's encoder fail."""
    request = decode_request(body)
    assert request.dialect == "responses"
    for encode in (chat.encode_request, messages.encode_request):
        json.dumps(encode(request, []))


def as_chat(**body: Any) -> tuple[dict[str, Any], list[str]]:
    """A request as a chat, and what is unsupported in it."""
    unsupported: list[str] = []
    return chat.encode_request(decode_request({"model": "m", **body}), unsupported), unsupported


def test_a_text_is_a_turn_of_the_user() -> None:
    """After the instructions."""
    made, unsupported = as_chat(input="hi", instructions="be kind")
    assert made["messages"] == [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    assert unsupported == []


def test_what_the_model_said_in_a_row_is_one_turn() -> None:
    """Reasoning is not repeated to a chat; custom calls keep their free text."""
    made, unsupported = as_chat(input=[
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "id": "a", "status": "completed",
         "content": [{"type": "output_text", "text": "so", "annotations": []}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** free"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    ])  # fmt: skip
    assert made["messages"] == [
        {"role": "assistant", "content": "so",
         "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** free"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]  # fmt: skip
    assert unsupported == []


def test_the_proof_of_a_reasoning_item_is_a_signature() -> None:
    """A model that wants its thinking back unchanged gets it."""
    items = [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gateway-reasoning:p",
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    made = messages.encode_request(decode_request({"model": "m", "input": items, "reasoning": {"effort": "low"}}), [])
    thinking = {"type": "thinking", "thinking": "hm", "signature": "p"}
    assert thinking in [part for turn in made["messages"] for part in turn["content"]]


def test_tools() -> None:
    """Flat here, nested in a chat; a grammar has an object of its own there."""
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    made, unsupported = as_chat(
        input="hi",
        tools=[
            {"type": "function", "name": "f", "parameters": {}, "strict": True},
            {"type": "custom", "name": "c", "format": grammar},
            {"type": "web_search"},
        ],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    )
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}
    assert made["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}},
        {"type": "custom", "custom": {"name": "c", "format": nested}},
    ]
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    assert made["tool_choice"] == {"type": "allowed_tools", "allowed_tools": allowed}
    assert unsupported == ["tools[2]"]


def test_settings() -> None:
    """Their names in a chat."""
    form = {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True}
    made, unsupported = as_chat(
        input="hi", max_output_tokens=9, reasoning={"effort": "low", "summary": "auto"}, top_logprobs=2,
        text={"format": form, "verbosity": "low"}, truncation="disabled", background=False, store=True,
        metadata={"a": "b"}, include=["reasoning.encrypted_content"], user="u",
    )  # fmt: skip
    assert {name: value for name, value in made.items() if name != "messages"} == {
        "model": "m",
        "max_completion_tokens": 9,
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "verbosity": "low",
        "user": "u",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}, "strict": True}},
    }
    assert unsupported == []


def test_what_changes_the_answer_is_reported() -> None:
    """Members and items that have no place in a chat."""
    _, unsupported = as_chat(
        input=[{"type": "web_search_call", "id": "w"}], truncation="auto", brand_new=1, tool_choice={"type": "mcp"}
    )
    assert sorted(unsupported) == ["brand_new", "messages[0].content[0]", "tool_choice", "truncation"]


def test_reasoning_goes_to_its_own_vendor_only() -> None:
    """OpenAI's own passes; what another vendor thought here is left out for OpenAI, and OpenAI's for the others."""
    summary = [{"type": "summary_text", "text": "hm"}]
    own = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "opaque"}
    lent = [{**own, "id": f"rs_x_{proof}", "encrypted_content": f"gateway-reasoning:{proof}"} for proof in ("p", "")]
    given = [{"role": "user", "content": "a"}, *lent, own, {"role": "user", "content": "b"}]
    asked = decode_request({"model": "m", "input": given})
    assert encode_request(asked)["input"] == [given[0], own, given[-1]]
    unsupported: list[str] = []
    body = messages.encode_request(asked, unsupported)
    said = [block for turn in body["messages"] if turn["role"] == "assistant" for block in turn["content"]]
    assert said == [{"type": "thinking", "thinking": "hm", "signature": "p"}]
    assert unsupported == []
