"""Requests from what is pleasant to write: each accepted form, each refusal."""

from __future__ import annotations

import base64
import json

import pytest

from gateway.client import function_tool, image, message, text_of, tool_calls_of, tool_result
from gateway.client.content import messages_from, tool_from
from gateway.client.generated.gateway.v1 import (
    Block,
    ChatRequest,
    ContentForm,
    InputForm,
    Message,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from gateway.client.requests import chat_request, completion_request, text_input

PNG = b"\x89PNG\r\n"
PNG_URI = "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "given",
    [
        "hi",
        ("user", "hi"),
        {"role": "user", "content": "hi"},
        message("user", "hi"),
        [("user", "hi")],
        [("user", ["hi"])],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        iter([("user", "hi")]),
    ],
)
def test_ways_to_say_hi(given: object) -> None:
    """Every accepted form is the same message."""
    assert messages_from(given) == [Message(role="user", blocks=[Block(text="hi")])]  # type: ignore[arg-type]  # any shape, right or wrong, on purpose


def test_parts_become_blocks() -> None:
    """Images, audio and files travel as bytes; a URL stays a URL; an unknown part is kept whole."""
    video = {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}
    parts = [
        {"type": "image_url", "image_url": {"url": PNG_URI, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAE=", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAE=", "filename": "a.pdf"}},
        {"type": "refusal", "refusal": "no"},
        video,
    ]
    blocks = messages_from([("user", parts)])[0].blocks
    assert blocks[0] == image(PNG, media_type="image/png", detail="low")
    assert blocks[1].image is not None
    assert blocks[1].image.url == "https://x/y.png"
    assert blocks[2].audio is not None
    assert (blocks[2].audio.data, blocks[2].audio.format) == (b"\x00\x01", "wav")
    assert blocks[3].file is not None
    assert (blocks[3].file.data, blocks[3].file.media_type) == (b"\x00\x01", "application/pdf")
    assert blocks[4].refusal == "no"
    assert blocks[5].opaque is not None
    assert json.loads(blocks[5].opaque.json) == video


def test_a_tool_exchange_round() -> None:
    """The assistant's calls and the tool's answer, in the OpenAI form and by function, are the same messages."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked, answered = messages_from(
        [
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]
    )
    assert [(use.id, use.name, use.arguments) for use in tool_calls_of(asked)] == [("c1", "f", "{}")]
    assert all(block.is_beside_content for block in asked.blocks)
    made = tool_result("c1", "42")
    assert made.blocks[0].tool_result is not None
    made.blocks[0].tool_result.content_form = ContentForm.STRING
    assert answered == made


def test_unknown_members_of_a_message_are_kept() -> None:
    """A member this package does not know travels in `extra`."""
    sent = messages_from([{"role": "user", "content": "hi", "vendor_hint": {"a": 1}}])[0]
    assert (json.loads(sent.extra), text_of(sent)) == ({"vendor_hint": {"a": 1}}, "hi")


def test_tools() -> None:
    """A function tool in both forms; another type and unknown members are kept."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    mapping = {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": True}}
    assert tool_from(mapping) == function_tool("f", "d", schema, strict=True)
    assert tool_from({"type": "web_search", "size": 3}) == Tool(type="web_search", extra='{"size":3}')
    kept = tool_from({"type": "function", "function": {"name": "f", "vendor": 1}})
    assert kept.function is not None
    assert kept.function.extra == '{"vendor":1}'


def test_request_keywords() -> None:
    """Keywords keep their meaning: text or list of stops, JSON members as objects, formats and choices as mappings."""
    made = chat_request(
        None,
        "m",
        "hi",
        {
            "stop": ["a", "b"],
            "logit_bias": {"50256": -100},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "thinking": {"type": "enabled", "budget_tokens": 9},
            "metadata": {"a": "b"},
            "temperature": None,
        },
    )
    assert (made.stop, made.is_stop_string) == (["a", "b"], None)
    assert made.logit_bias_json == '{"50256":-100}'
    assert made.response_format is not None
    assert made.response_format.json_schema is not None
    assert made.response_format.json_schema.schema_json == '{"type":"object"}'
    assert made.tool_choice == ToolChoice(mode="tool", type="function", name="f")
    assert made.thinking is not None
    assert made.thinking.budget_tokens == 9
    assert (made.metadata, made.temperature) == ({"a": "b"}, None)


def test_typed_values_pass_unchanged() -> None:
    """What is a message already is not rebuilt."""
    made = chat_request(ChatRequest(model="m"), None, None, {"response_format": ResponseFormat(type="text")})
    assert made.response_format == ResponseFormat(type="text")
    assert completion_request(None, "m", [[1, 2], [3]], {}).prompt == text_input([[1, 2], [3]], "prompt")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("a", InputForm.STRING),
        (["a", "b"], InputForm.STRINGS),
        ([1, 2], InputForm.TOKENS),
        ([[1], [2, 3]], InputForm.TOKEN_ARRAYS),
    ],
)
def test_text_input_forms(value: object, form: InputForm) -> None:
    """The four spellings of a prompt or input stay distinguishable."""
    assert text_input(value, "input").form is form  # type: ignore[arg-type]  # any shape, right or wrong, on purpose


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ([42], TypeError, r"messages\[0\]"),
        ([("user", "hi"), {"content": "x"}], ValueError, r"messages\[1\]\.role"),
        ([("user", [3])], TypeError, r"messages\[0\]\.content\[0\]"),
        ([("user", [{"type": "image_url", "image_url": {"url": "data:broken"}}])], ValueError, "data: URI"),
        ([("user", [{"type": "text"}])], ValueError, r"content\[0\].*text part"),
        ([("user", [{"type": "input_audio", "input_audio": {"data": "!", "format": "wav"}}])], ValueError, "audio"),
    ],
)
def test_wrong_shapes_name_their_place(bad: list[object], error: type[Exception], words: str) -> None:
    """A mistake is found before sending and says where it is."""
    with pytest.raises(error, match=words):
        messages_from(bad)  # type: ignore[arg-type]  # any shape, right or wrong, on purpose


def test_mixed_input_and_untyped_image() -> None:
    """A list of texts and numbers is refused; so are image bytes of unknown kind."""
    with pytest.raises(TypeError, match="not mixed"):
        text_input(["a", 1], "input")  # type: ignore[list-item]  # any shape, right or wrong, on purpose
    with pytest.raises(ValueError, match="media_type"):
        image(b"\x00")
