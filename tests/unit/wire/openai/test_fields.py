"""Every member the format documents has its typed field: nothing standard hides in `extra`.

The bodies name all members of the API's own lists for chat, completions, embeddings.
"""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.wire.json import dumps, loads
from gateway.wire.openai import chat, completions, embeddings
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer
from gateway.wire.pb import types_pb2
from tests.contract.lossless import kept_of, same

FUNCTION_TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True},
}
CUSTOM_TOOL = {"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"city":"Oslo"}'}}
CUSTOM_CALL = {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "x"}}
PARTS = [
    {"type": "text", "text": "What is this?"},
    {"type": "text", "text": "cached", "cache_control": {"type": "ephemeral"}},
    {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    {"type": "image_url", "image_url": "https://x/y.png"},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "file", "file": {"file_data": "JVBERg=="}},
    {"type": "file", "file": {"file_data": "https://x/y.pdf"}},
]
MESSAGES = [
    {"role": "developer", "content": "Be brief.", "name": "d"},
    {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
    {"role": "user", "content": PARTS, "name": "u"},
    {"role": "user", "content": ""},
    {"role": "user", "content": []},
    {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
    {"role": "assistant", "content": "x", "reasoning_content": "because", "audio": {"id": "audio_1"}},
    {"role": "assistant", "content": "x", "reasoning": "because", "refusal": "no"},
    {"role": "assistant", "tool_calls": [CALL, CUSTOM_CALL]},
    {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "tool", "tool_call_id": "call_1", "content": "4 degrees"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "x"}]},
    {"role": "function", "name": "f", "content": "4"},
]
CHAT = {
    "model": "m", "messages": MESSAGES, "audio": {"format": "wav", "voice": "alloy"}, "frequency_penalty": 0.5,
    "presence_penalty": -0.5, "function_call": "auto", "functions": [{"name": "f"}], "logit_bias": {"50256": -100},
    "logprobs": True, "top_logprobs": 5, "max_completion_tokens": 100, "max_tokens": 100, "metadata": {"a": "b"},
    "modalities": ["text", "audio"], "n": 2, "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"}, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {
        "name": "s", "description": "d", "schema": {"type": "object"}, "strict": True}},
    "safety_identifier": "s", "user": "u", "seed": 2**63 - 1, "service_tier": "auto", "stop": ["a", "b"],
    "store": False, "stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False},
    "temperature": 1,
    "top_p": 0.9, "tool_choice": "auto", "tools": [FUNCTION_TOOL, CUSTOM_TOOL], "verbosity": "low",
    "web_search_options": {"search_context_size": "low"}, "top_k": 40,
    "thinking": {"type": "enabled", "budget_tokens": 1024}, "safety_settings": [{"category": "x"}],
    "cached_content": "c", "moderation": {"model": "x"}, "prompt_cache_options": {"mode": "x", "ttl": "1h"},
}  # fmt: skip
USAGE = {
    "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15,
    "prompt_tokens_details": {
        "cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 1, "text_tokens": 2, "image_tokens": 3},
    "completion_tokens_details": {
        "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        "text_tokens": 2, "image_tokens": 3},
}  # fmt: skip
LOGPROBS = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}], "refusal": None}
ANSWER = {
    "role": "assistant", "content": "Hi.", "refusal": "r", "reasoning_content": "t", "tool_calls": [CALL],
    "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "url": "u"}}],
    "audio": {"id": "audio_1", "data": "AAAA", "expires_at": 1767600000, "transcript": "Hi."},
}  # fmt: skip
ENVELOPE = {
    "id": "chatcmpl-1", "created": 1767600000, "model": "m", "service_tier": "default", "system_fingerprint": "fp",
    "usage": USAGE,
}  # fmt: skip
ENDING = {"index": 0, "finish_reason": "stop", "logprobs": LOGPROBS}
OURS = {"native_finish_reason": "end", "stop_sequence": "x"}
COMPLETION = {
    "model": "m", "prompt": "p", "best_of": 1, "echo": False, "frequency_penalty": 0, "logit_bias": {}, "logprobs": 5,
    "max_tokens": 16, "n": 1, "presence_penalty": 0, "seed": 1, "stop": "x", "stream": False,
    "stream_options": {"include_usage": True}, "suffix": "s", "temperature": 1, "top_p": 1, "user": "u",
}  # fmt: skip
COMPLETION_ANSWER = {
    "id": "cmpl-1", "object": "text_completion", "created": 1767600000, "model": "m", "system_fingerprint": "fp_1",
    "choices": [{"text": " world"} | ENDING], "usage": USAGE,
}  # fmt: skip
EMBEDDING = {"model": "m", "input": "x", "dimensions": 256, "encoding_format": "base64", "user": "u"}
EMBEDDINGS = {
    "object": "list", "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5},
    "data": [{"object": "embedding", "index": 0, "embedding": [0.01, -0.02, 1.0]},
             {"object": "embedding", "index": 1, "embedding": "AACAPwAAIMA="}],
}  # fmt: skip

CHAT_ANSWER = ENVELOPE | {
    "object": "chat.completion", "choices": [{"message": ANSWER} | ENDING | OURS], "moderation": {"flagged": False},
}  # fmt: skip

BODIES = {
    "chat request": (chat, "request", CHAT),
    "chat response": (chat, "response", CHAT_ANSWER),
    "completion request": (completions, "request", COMPLETION),
    "completion response": (completions, "response", COMPLETION_ANSWER),
    "embedding request": (embeddings, "request", EMBEDDING),
    "embedding response": (embeddings, "response", EMBEDDINGS),
}  # fmt: skip
DELTAS = [
    {"role": "assistant", "content": ""},
    {"content": "Hi"},
    {"refusal": "no"},
    {"reasoning_content": "hm"},
    {"reasoning": "hm"},
    {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}, {"index": 1, "function": {"arguments": "x"}}]},
    {"tool_calls": [{"index": 2, "id": "call_2", "type": "custom", "custom": {"name": "c", "input": ""}}]},
    {"function_call": {"name": "f", "arguments": ""}},
    {"audio": {"id": "audio_1", "data": "AAAA", "expires_at": 1, "transcript": "x"}},
    {},
]


@pytest.mark.parametrize("name", BODIES)
def test_every_documented_member_is_typed(name: str) -> None:
    """A body with all members fills typed fields only, and comes back."""
    codec, side, body = BODIES[name]
    message = getattr(codec, f"decode_{side}")(body)
    assert kept_of(message) == []
    assert same(getattr(codec, f"encode_{side}")(message), body)


@pytest.mark.parametrize("delta", DELTAS, ids=str)
def test_every_documented_delta_is_typed(delta: dict[str, Any]) -> None:
    """The same for the chunks of a stream."""
    chunk = ENVELOPE | {"object": "chat.completion.chunk", "choices": [{"delta": delta} | ENDING | OURS]}
    chunk |= {"obfuscation": "abc", "moderation": {"flagged": False}}
    event = ChunkDecoder().decode(dumps(chunk))
    assert kept_of(event) == []  # type: ignore[arg-type]  # a message, being the first
    assert same(loads(ChunkRenderer().render(event)), chunk)


@pytest.mark.parametrize("codec_side_body", BODIES.values(), ids=BODIES.keys())
def test_null_is_a_name_and_nothing_more(codec_side_body: tuple[Any, str, dict[str, Any]]) -> None:
    """A known member that is null is listed in `nulls`; its typed field stays unset."""
    codec, side, body = codec_side_body
    message = getattr(codec, f"decode_{side}")(dict.fromkeys(body))
    assert sorted(message.nulls) == sorted(body)
    assert message.extra == ""
    assert [field.name for field, _ in message.ListFields()] == ["nulls"]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ({}, types_pb2.CONTENT_FORM_ABSENT),
        ({"content": None}, types_pb2.CONTENT_FORM_NULL),
        ({"content": ""}, types_pb2.CONTENT_FORM_STRING),
        ({"content": "a"}, types_pb2.CONTENT_FORM_STRING),
        ({"content": []}, types_pb2.CONTENT_FORM_ARRAY),
        ({"content": [{"type": "text", "text": "a"}]}, types_pb2.CONTENT_FORM_ARRAY),
    ],
)
def test_spellings_of_content_are_told_apart(content: dict[str, Any], form: int) -> None:
    """Absent, null, empty, string and one-part array are five things."""
    for role in ("user", "assistant", "tool"):
        body = {"model": "m", "messages": [{"role": role} | content]}
        request = chat.decode_request(body)
        message = request.messages[0]
        assert (message.blocks[0].tool_result if role == "tool" else message).content_form == form
        assert kept_of(request) == []
        assert chat.encode_request(request) == body


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_every_message_may_be_an_answer(message: dict[str, Any]) -> None:
    """Nothing is filled into the message of a choice that was read from JSON, whatever its role."""
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    assert same(chat.encode_response(chat.decode_response(body)), body)


def test_blocks_have_one_order() -> None:
    """However the members of a message are ordered, its blocks are: reasoning, content, refusal, audio, calls."""
    members = {"tool_calls": [CALL], "refusal": "r", "content": "c", "audio": {"id": "a"}, "reasoning_content": "t"}
    for names in (members, reversed(members)):
        body = {"messages": [{name: members[name] for name in names}]}
        blocks = chat.decode_request(body).messages[0].blocks
        assert [block.WhichOneof("kind") for block in blocks] == ["thinking", "text", "refusal", "audio", "tool_use"]
        assert [block.is_beside_content for block in blocks] == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("choice", "typed"),
    [
        ("none", {"mode": "none"}),
        ("required", {"mode": "required"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "tool", "type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"mode": "tool", "type": "custom", "name": "c"}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
            {"mode": "allowed_tools", "allowed_tools_json": '{"mode":"auto","tools":[]}'},
        ),
    ],
)
def test_tool_choice_is_typed(choice: Any, typed: dict[str, str]) -> None:
    """All documented spellings."""
    request = chat.decode_request({"tool_choice": choice})
    assert MessageToDict(request.tool_choice, preserving_proto_field_name=True) == typed
    assert kept_of(request) == []
    assert chat.encode_request(request) == {"tool_choice": choice}


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("text", types_pb2.INPUT_FORM_STRING),
        ("", types_pb2.INPUT_FORM_STRING),
        (["a"], types_pb2.INPUT_FORM_STRINGS),
        (["a", "b"], types_pb2.INPUT_FORM_STRINGS),
        ([1, 2], types_pb2.INPUT_FORM_TOKENS),
        ([[1, 2], [], [3]], types_pb2.INPUT_FORM_TOKEN_ARRAYS),
    ],
)
def test_inputs_are_typed(value: Any, form: int) -> None:
    """Text, texts, tokens, arrays of tokens, for prompt and input alike."""
    for codec, member in ((completions, "prompt"), (embeddings, "input")):
        request = codec.decode_request({member: value})
        assert getattr(request, member).form == form
        assert kept_of(request) == []
        assert same(codec.encode_request(request), {member: value})


def test_equal_values_in_another_spelling_are_readable() -> None:
    """1.0 for an integer, 1.0 or a huge integer for a double, objects as arguments: typed as well as kept."""
    body = {
        "temperature": 1.0, "top_p": 2**60, "max_tokens": 5.0, "stop": [],
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}],
    }  # fmt: skip
    request = chat.decode_request(body)
    assert (request.temperature, request.top_p, request.max_tokens) == (1.0, 2.0**60, 5)
    assert request.messages[0].blocks[0].tool_use.arguments == '{"a":1}'
    assert same(chat.encode_request(request), body)


def test_bytes_are_bytes() -> None:
    """Images, audio, files and packed vectors are not base64 inside messages."""
    blocks = chat.decode_request({"messages": [{"role": "user", "content": PARTS}]}).messages[0].blocks
    assert (blocks[3].image.data, blocks[3].image.media_type) == (b"\x89PNG", "image/png")
    assert blocks[5].audio.data == b"\0\0\0"
    assert (blocks[6].file.data, blocks[6].file.media_type) == (b"%PDF", "application/pdf")
    assert blocks[8].file.data == b"%PDF"
    assert blocks[9].file.url == "https://x/y.pdf"
    assert embeddings.decode_response(EMBEDDINGS).data[1].packed == b"\0\0\x80\x3f\0\0\x20\xc0"


def test_what_nobody_knows_is_opaque() -> None:
    """Unknown parts, and things that are no parts, are blocks of their own in their place."""
    parts = [{"type": "video_url", "video_url": {}}, {"type": "text", "text": "a"}, 5, None, {"type": "text"}, "s"]
    blocks = chat.decode_request({"messages": [{"role": "user", "content": parts}]}).messages[0].blocks
    kinds = [block.WhichOneof("kind") for block in blocks]
    assert kinds == ["opaque", "text", "opaque", "opaque", "opaque", "opaque"]
    assert blocks[0].opaque.dialect == "openai"
    assert blocks[0].opaque.json == '{"type":"video_url","video_url":{}}'
