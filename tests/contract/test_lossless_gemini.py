"""Gemini in, Gemini out: JSON -> message -> bytes -> message -> JSON is the identity for bodies and for streams."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.gemini import chat
from gateway.wire.gemini.chunks import encode_chunk
from gateway.wire.gemini.groups import snake
from gateway.wire.json import dumps, loads
from tests.contract import gemini_bodies, lossless
from tests.contract.lossless import nested, same, settled

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any], st.SearchStrategy[Any]]


def _decode_alone(frame: Any) -> Any:
    return chat.ChunkDecoder().read(frame)


CODECS: dict[str, Codec] = {
    "request": (chat.decode_request, chat.encode_request, gemini_bodies.request),
    "response": (chat.decode_response, chat.encode_response, gemini_bodies.answer),
    "frame": (_decode_alone, encode_chunk, gemini_bodies.answer),
}
MEMBERS = {
    "request": ["contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig",
                "cachedContent"],
    "response": ["candidates", "usageMetadata", "modelVersion", "responseId", "promptFeedback"],
    "frame": ["candidates", "usageMetadata", "modelVersion", "responseId", "promptFeedback"],
}  # fmt: skip


def assert_identity(name: str, body: Any) -> None:
    decode, encode, _ = CODECS[name]
    message = decode(body)
    rendered = encode(type(message).FromString(message.SerializeToString()))
    assert same(rendered, body), (rendered, body)
    assert same(loads(dumps(rendered), depth_max=lossless.DEEP), body)


@pytest.mark.parametrize("name", CODECS)
def test_a_plausible_gemini_body_spoiled_anywhere_comes_back(name: str) -> None:
    """Wrong types, nulls, unknown members, both spellings and odd unicode at every level survive."""

    @settings(max_examples=400)
    @given(CODECS[name][2].map(settled))
    def check(body: Any) -> None:
        assert_identity(name, body)

    check()


@pytest.mark.parametrize("name", CODECS)
def test_any_object_comes_back_as_gemini(name: str) -> None:
    """An object that has nothing to do with the format survives, also in the place of a known member."""

    @settings(max_examples=100)
    @given(st.dictionaries(lossless.texts, lossless.anything, max_size=4).map(settled))
    def check(body: Any) -> None:
        assert_identity(name, body)
        for member in MEMBERS[name]:
            assert_identity(name, {member: body})
            assert_identity(name, {member: [body]})
            assert_identity(name, {snake(member): [body], member: body})

    check()


@pytest.mark.parametrize("name", CODECS)
def test_null_and_depth_come_back_as_gemini(name: str) -> None:
    """null in place of each known member, and values nested 300 deep, are kept."""
    assert_identity(name, dict.fromkeys(MEMBERS[name]))
    for member in MEMBERS[name]:
        assert_identity(name, {member: None})
        assert_identity(name, {member: nested(300)})
        assert_identity(name, {member: [{"parts": nested(300)}], "generationConfig": {"x": nested(300)}})


def test_every_gemini_stream_comes_back() -> None:
    """Frame by frame, whatever came before: one chunk per frame, and each chunk gives back its frame."""

    @settings(max_examples=200)
    @given(st.lists(gemini_bodies.answer.map(settled), max_size=5))
    def check(frames: list[Any]) -> None:
        decoder, renderer = chat.ChunkDecoder(), chat.ChunkRenderer()
        for frame in frames:
            chunk = decoder.decode(dumps(frame))
            received = type(chunk).FromString(chunk.SerializeToString())
            ((event, data),) = renderer.render(received)
            assert event is None
            assert same(loads(data, depth_max=lossless.DEEP), frame)
        assert renderer.finish() == []

    check()


TYPICAL = {
    "contents": [
        {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
        {"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                                    {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}}]},
    ],
    "systemInstruction": {"parts": [{"text": "be brief"}]},
    "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {
        "type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {"temperature": 0.5, "topK": 3, "maxOutputTokens": 9, "stopSequences": ["x"],
                         "responseMimeType": "application/json", "thinkingConfig": {"thinkingBudget": 1024}},
}  # fmt: skip


def test_a_usual_gemini_body_is_all_typed() -> None:
    """Nothing of what every client sends lies in `extra`, `nulls` or opaque blocks: it is readable over gRPC."""
    assert lossless.kept_of(chat.decode_request(settled(TYPICAL))) == []
