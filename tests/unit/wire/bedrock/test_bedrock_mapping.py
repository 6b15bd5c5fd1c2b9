"""What requests become in Converse's format, and what its answers and events become."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.anthropic import chat as anthropic_chat
from gateway.wire.bedrock.answers import COUNTS, anthropic_answer
from gateway.wire.bedrock.events import EventTranslator
from gateway.wire.bedrock.request import encode_request
from gateway.wire.json import dumps
from gateway.wire.openai import chat
from tests.contract import anthropic_json, lossless
from tests.contract.lossless import settled

SCHEMA: Any = {"type": "object", "properties": {}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
SPEC = {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}}
HI = {"role": "user", "content": "hi"}


def sent(messages: Any = (HI,), **members: Any) -> tuple[dict[str, Any], list[str]]:
    """The body for an OpenAI request, and what is unsupported in it."""
    unsupported: list[str] = []
    body = encode_request(chat.decode_request({"model": "m", "messages": list(messages), **members}), unsupported)
    return body, unsupported


def test_parameters() -> None:
    """Each has its place."""
    body, unsupported = sent(temperature=0.5, top_p=0.9, max_tokens=9, stop=["a"], user="u")
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a"]},
    }
    assert unsupported == []
    thinking = sent(reasoning_effort="low")[0]["additionalModelRequestFields"]
    assert thinking == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert sent(seed=1, parallel_tool_calls=False, tools=[TOOL])[1] == ["seed", "parallel_tool_calls"]


def test_a_conversation() -> None:
    """Instructions apart, results in the user's turn, images and documents as bytes."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    link = {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}
    file = {"type": "file", "file": {"filename": "a_b.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    body, unsupported = sent(
        [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "see"}, image, file, link]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "rain"},
        ],
        tools=[TOOL],
    )
    assert body["system"] == [{"text": "be kind"}]
    assert body["toolConfig"] == {"tools": [SPEC]}
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"text": "see"},
                {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
                {"document": {"format": "pdf", "name": "a b pdf", "source": {"bytes": "JVBERg=="}}},
            ],
        },
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": "rain"}]}}]},
    ]
    assert unsupported == ["messages[0].content[3]"]


def test_choices_of_tools() -> None:
    """None is sending no tools, where the conversation allows it."""
    assert sent(tools=[TOOL], tool_choice="required")[0]["toolConfig"]["toolChoice"] == {"any": {}}
    named = sent(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}})[0]
    assert named["toolConfig"]["toolChoice"] == {"tool": {"name": "f"}}
    assert sent(tools=[TOOL], tool_choice="none") == sent()
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [HI, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    body, unsupported = sent(turns, tools=[TOOL], tool_choice="none")
    assert (body["toolConfig"], unsupported) == ({"tools": [SPEC]}, ["tool_choice"])


def test_anthropics_own_members() -> None:
    """Thinking with its proof, cache markers, failed tools."""
    mark = {"type": "ephemeral"}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "bad", "is_error": True}
    request = anthropic_chat.decode_request(
        {
            "model": "m", "max_tokens": 9, "top_k": 3, "container": "c",
            "system": [{"type": "text", "text": "long", "cache_control": mark}],
            "messages": [
                {"role": "assistant", "content": [thinking, {"type": "redacted_thinking", "data": "ZA=="}, use]},
                {"role": "user", "content": [result, {"type": "search_result", "source": "x"}]},
            ],
        }
    )  # fmt: skip
    unsupported: list[str] = []
    body = encode_request(request, unsupported)
    assert body["system"] == [{"text": "long"}, {"cachePoint": {"type": "default"}}]
    assert body["additionalModelRequestFields"] == {"top_k": 3}
    first, second = (message["content"] for message in body["messages"])
    assert first[0] == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    assert first[1] == {"reasoningContent": {"redactedContent": "ZA=="}}
    assert second == [{"toolResult": {"toolUseId": "t", "content": [{"text": "bad"}], "status": "error"}}]
    assert unsupported == ["container", "messages[2].content[1]"]


@settings(max_examples=100)
@given(
    st.one_of(lossless.chat_request.map(chat.decode_request), anthropic_json.request.map(anthropic_chat.decode_request))
)
def test_any_request_becomes_json(request: Any) -> None:
    """And stays as it was."""
    before = request.SerializeToString()
    assert dumps(encode_request(request, []))
    assert request.SerializeToString() == before


def test_an_answer() -> None:
    """In Anthropic's words, so that its clients see what they know."""
    content = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"text": "hello"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
        {"videoOfTheFuture": {}},
    ]
    counts = dict.fromkeys(COUNTS, 3)
    answer = {"output": {"message": {"content": content}}, "stopReason": "tool_use", "usage": counts}
    made = anthropic_answer(answer, id_="x", model="m")
    assert [block["type"] for block in made["content"]] == ["thinking", "text", "tool_use"]
    assert (made["stop_reason"], made["usage"]) == ("tool_use", dict.fromkeys(COUNTS.values(), 3))
    shown = chat.encode_response(anthropic_chat.decode_response(made))
    assert (shown["choices"][0]["finish_reason"], shown["usage"]["prompt_tokens"]) == ("tool_calls", 9)
    filtered = anthropic_answer({**answer, "stopReason": "guardrail_intervened"}, id_="x", model="m")
    assert anthropic_chat.decode_response(filtered).choices[0].finish_reason == "content_filter"


def test_events() -> None:
    """Texts and thoughts are announced, the end has the counts."""
    translator = EventTranslator(id_="x", model="m", is_native=False)
    given: list[tuple[str, Any]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "a"}}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("somethingNew", {}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2}}),
    ]
    made = [event for type_, obj in given for event in translator.events(type_, obj)]
    assert [(event["type"].removeprefix("content_block_"), event.get("index")) for event in made] == [
        ("message_start", None), ("start", 0), ("delta", 0), ("delta", 0), ("stop", 0), ("start", 1), ("delta", 1),
        ("stop", 1), ("start", 2), ("delta", 2), ("stop", 2), ("message_delta", None), ("message_stop", None),
    ]  # fmt: skip
    assert made[-2]["usage"] == {"input_tokens": 1, "output_tokens": 2}
    assert made[-2]["delta"]["stop_reason"] == "tool_use"
    assert translator.is_done


@settings(max_examples=100)
@given(st.sampled_from(["contentBlockStart", "contentBlockDelta", "messageStop", "metadata"]), lossless.anything)
def test_any_event_is_read(type_: str, value: Any) -> None:
    """Whatever its members are."""
    body = settled(value)
    for obj in ({"contentBlockIndex": 0, "delta": body, "start": body}, {"stopReason": body, "usage": body}):
        assert dumps(EventTranslator(id_="x", model="m", is_native=False).events(type_, obj))


def test_what_an_anthropic_client_wants_of_the_answer() -> None:
    """Its schema is Converse's own, its effort goes to Anthropic's models."""
    config = {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}
    given = {"model": "m", "max_tokens": 9, "messages": [HI], "output_config": config}
    unsupported: list[str] = []
    body = encode_request(anthropic_chat.decode_request(given), unsupported)
    assert unsupported == []
    assert body["additionalModelRequestFields"] == {"output_config": {"effort": "low"}}
    schema = {"schema": dumps(SCHEMA).decode(), "name": "answer"}
    assert body["outputConfig"] == {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def test_instructions_in_the_middle() -> None:
    """Join the others: Converse knows turns of user and assistant only, and they alternate."""
    turns = [HI, {"role": "system", "content": "be brief"}, HI]
    given = {"model": "m", "max_tokens": 9, "system": "be kind", "messages": turns}
    body = encode_request(anthropic_chat.decode_request(given), [])
    assert body["system"] == [{"text": "be kind"}, {"text": "be brief"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}, {"text": "hi"}]}]


def test_a_model_that_takes_a_schema() -> None:
    """Every client's is Converse's own then, and there is no tool."""
    asked = {"model": "m", "messages": [HI], "response_format": {"type": "json_schema", "json_schema": {"name": "n",
             "schema": SCHEMA}}}  # fmt: skip
    body = encode_request(chat.decode_request(asked), [], is_schema_native=True)
    structure = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert structure == {"schema": dumps(SCHEMA).decode(), "name": "answer"}
    assert "toolConfig" not in body


def test_models_that_are_none_of_anthropics() -> None:
    """What only those understand is not sent, and named as its client knows it."""
    unsupported: list[str] = []
    asked = {"model": "m", "messages": [HI], "reasoning_effort": "low", "top_k": 3, "max_tokens": 9000}
    body = encode_request(chat.decode_request(asked), unsupported, has_anthropic_fields=False)
    assert "additionalModelRequestFields" not in body
    assert unsupported == ["reasoning_effort"]
    native = {"model": "m", "max_tokens": 9, "top_k": 3, "messages": [HI]}
    encode_request(anthropic_chat.decode_request(native), unsupported, has_anthropic_fields=False)
    assert unsupported == ["reasoning_effort", "top_k"]
