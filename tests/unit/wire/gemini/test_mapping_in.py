"""Requests of OpenAI's clients as a Gemini model gets them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.gemini import chat
from gateway.wire.openai import chat as openai_chat
from gateway.wire.pb import chat_pb2, types_pb2

HI = {"role": "user", "content": "hi"}


def mapped(**members: Any) -> tuple[dict[str, Any], list[str]]:
    """The body a Gemini model gets for an OpenAI request, and what it cannot take."""
    unsupported: list[str] = []
    request = openai_chat.decode_request({"model": "m", "messages": [HI], **members})
    return chat.encode_request(request, unsupported), unsupported


def test_roles_and_instructions() -> None:
    """system and developer turns are the instruction; neighbours of one role are one turn."""
    body, unsupported = mapped(
        messages=[
            {"role": "system", "content": "one"},
            HI,
            {"role": "user", "content": "more"},
            {"role": "assistant", "content": "yes"},
            {"role": "developer", "content": [{"type": "text", "text": "two"}]},
            {"role": "user", "content": "again"},
        ]
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "one"}, {"text": "two"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}, {"text": "more"}]},
            {"role": "model", "parts": [{"text": "yes"}]},
            {"role": "user", "parts": [{"text": "again"}]},
        ],
    }
    assert unsupported == []


def test_empty_texts_beside_calls_are_left_out() -> None:
    """Gemini refuses them; an empty question stays, because it is the client's."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body, unsupported = mapped(
        messages=[
            {"role": "user", "content": ""},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": ""},
            {"role": "assistant", "content": ""},
        ]
    )
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": ""}]},
        {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"output": ""}}}]},
    ]
    assert unsupported == []


def test_a_tool_round_trip_names_the_function() -> None:
    """A result carries the name of its call, found by id, also when calls are parallel and out of order."""
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": f'{{"n":{n}}}'}}
        for n, name in enumerate(("f", "g"))
    ]
    body, unsupported = mapped(
        messages=[
            HI,
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c1", "content": "21 degrees"},
            {"role": "tool", "tool_call_id": "c0", "content": '{"sky":"blue"}'},
        ]
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "c0", "name": "f", "args": {"n": 0}}},
                {"functionCall": {"id": "c1", "name": "g", "args": {"n": 1}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "g", "response": {"output": "21 degrees"}}},
                {"functionResponse": {"id": "c0", "name": "f", "response": {"sky": "blue"}}},
            ],
        },
    ]
    assert unsupported == []


def test_images_and_files() -> None:
    """Bytes go inline, links as file data with a media type; a file id of OpenAI's is named as unsupported."""
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://x.example/cat.png?size=2"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    body, unsupported = mapped(messages=[{"role": "user", "content": parts}])
    assert body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/cat.png?size=2"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
    ]
    assert unsupported == ["messages[0].content[4]"]


def test_sampling_and_limits() -> None:
    """Every number has its member in generationConfig."""
    body, unsupported = mapped(
        temperature=0.5, top_p=1, max_completion_tokens=9, max_tokens=8, n=2, stop="x", presence_penalty=1,
        frequency_penalty=-1, seed=7, logprobs=True, top_logprobs=3, user="u", metadata={"a": "b"}, stream=True,
        stream_options={"include_usage": True}, store=False,
    )  # fmt: skip
    assert body["generationConfig"] == {
        "temperature": 0.5, "topP": 1, "maxOutputTokens": 9, "candidateCount": 2, "stopSequences": ["x"],
        "presencePenalty": 1, "frequencyPenalty": -1, "seed": 7, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip
    assert unsupported == []


@pytest.mark.parametrize(
    ("given", "config"),
    [
        ({"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ({"reasoning_effort": "low"}, {"thinkingBudget": 2048, "includeThoughts": True}),
        ({"reasoning_effort": "high"}, {"thinkingBudget": 16384, "includeThoughts": True}),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, {"thinkingBudget": 5, "includeThoughts": True}),
        ({"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
        ({"thinking": {"type": "adaptive"}}, {"thinkingBudget": -1, "includeThoughts": True}),
    ],
)
def test_reasoning_effort_is_a_budget(given: dict[str, Any], config: dict[str, Any]) -> None:
    """Whoever asks for reasoning also gets the thoughts."""
    assert mapped(**given)[0]["generationConfig"] == {"thinkingConfig": config}


def test_shapes_of_the_answer() -> None:
    """JSON mode and schemas are native."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    shape = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    assert mapped(response_format={"type": "json_object"})[0]["generationConfig"] == {
        "responseMimeType": "application/json"
    }
    assert mapped(response_format=shape)[0]["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
    }


FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}}}}}  # fmt: skip
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (NAMED, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tools_and_their_choice(choice: Any, calling: dict[str, Any]) -> None:
    """Functions become declarations, the choice a calling mode."""
    body, unsupported = mapped(tools=[FUNCTION], tool_choice=choice)
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "f",
                    "description": "d",
                    "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}},
                }
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": calling}
    assert unsupported == []


def test_deprecated_functions() -> None:
    """`function_call` and turns of role function say the same as calls and results of tools."""
    body, _ = mapped(
        messages=[
            HI,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "done"},
        ],
    )
    assert body["contents"][1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "done"}}}]},
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"logit_bias": {"1": 2}}, ["logit_bias"]),
        ({"tools": [FUNCTION], "parallel_tool_calls": False}, ["parallel_tool_calls"]),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, ["tools[0]"]),
        ({"prediction": {"type": "content", "content": "x"}}, ["prediction"]),
        ({"verbosity": "low"}, ["verbosity"]),
        ({"nobody_knows": 1}, ["nobody_knows"]),
        ({"stop": [], "tools": [], "n": 1.0}, []),
    ],
)
def test_what_gemini_cannot_take_is_named(given: dict[str, Any], named: list[str]) -> None:
    """Nothing that would change the answer is lost in silence."""
    assert mapped(**given)[1] == named


def test_the_message_given_stays_as_it_is() -> None:
    """The same request can go to the next deployment."""
    request = openai_chat.decode_request({"model": "m", "messages": [HI], "logit_bias": {"1": 2}})
    before = request.SerializeToString()
    chat.encode_request(request, [])
    assert request.SerializeToString() == before


def test_a_failed_tool_and_its_image() -> None:
    """What typed callers and Anthropic's say of a result: a failure is `error`, media stand beside it."""
    blocks = [types_pb2.Block(text="no"), types_pb2.Block(image=types_pb2.ImageBlock(data=b"\x89PNG"))]
    result = types_pb2.ToolResultBlock(tool_use_id="t", blocks=blocks, is_error=True)
    call = types_pb2.ToolUseBlock(id="t", name="f", arguments="")
    request = chat_pb2.ChatRequest(
        dialect="anthropic",
        messages=[
            types_pb2.Message(role="assistant", blocks=[types_pb2.Block(tool_use=call)]),
            types_pb2.Message(role="user", blocks=[types_pb2.Block(tool_result=result)]),
        ],
    )
    assert chat.encode_request(request)["contents"][1]["parts"] == [
        {"functionResponse": {"id": "t", "name": "f", "response": {"error": "no"}}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
    ]
