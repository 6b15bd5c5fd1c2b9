"""Any Anthropic body and every event of any stream come out of decoder, link and renderer as they went in."""

import itertools
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rpc.contract import with_text
from gateway.wire.anthropic import chat
from gateway.wire.anthropic.canonical import Canonical
from gateway.wire.anthropic.events import EventDecoder
from gateway.wire.anthropic.rendering import EventRenderer
from gateway.wire.foreign import extra_names
from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer
from tests.contract import anthropic_json, lossless
from tests.contract.lossless import same, settled, spellings


def pass_on(event: Any) -> Any:
    """What the other end of the link gets."""
    return type(event).FromString(event.SerializeToString()) if isinstance(event, Message) else event


def assert_same(made: Any, expected: Any) -> None:
    read = loads(dumps(made), depth_max=lossless.DEEP)
    assert same(read, expected), (read, expected)


@settings(max_examples=150)
@given(st.one_of(anthropic_json.request, lossless.chat_request, st.dictionaries(lossless.texts, lossless.anything)))
def test_requests_come_back(body: Any) -> None:
    """Whatever its members: known, unknown, null, of a wrong type."""
    expected = settled(body)
    assert_same(chat.encode_request(pass_on(chat.decode_request(expected))), expected)


@settings(max_examples=150)
@given(st.one_of(anthropic_json.response, lossless.chat_response))
def test_answers_come_back(body: Any) -> None:
    """Whatever their members."""
    expected = settled(body)
    assert_same(chat.encode_response(pass_on(chat.decode_response(expected))), expected)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(anthropic_json.event.map(settled).flatmap(spellings), st.sampled_from(("", "", None, "ping", "x"))),
        max_size=8,
    )
)
def test_streams_come_back(frames: list[tuple[bytes, str | None]]) -> None:
    """Each event has the name it had, else the one its JSON says; a text stands for the one before with that text."""
    decoder, renderer, last = EventDecoder(), EventRenderer(), None
    for frame, told in frames:
        expected = loads(frame, depth_max=lossless.DEEP)
        event = decoder.decode(frame, told)
        passed: Any = pass_on(event)
        ((name, data),) = renderer.render(passed)
        assert same(loads(data, depth_max=lossless.DEEP), expected), (data, frame)
        named = expected.get("type") if isinstance(expected.get("type"), str) else None
        assert name == (named if told == "" or isinstance(event, str) else told)
        if isinstance(event, str):
            ((_, whole),) = EventRenderer().render(with_text(last, event))
            assert same(loads(whole), expected)
        else:
            last = event
    assert renderer.finish() == []


def test_repeated_increments_are_texts() -> None:
    """The hot path: only the first increment of a block is a whole chunk, and it holds no copy of its JSON."""
    frames = [b'{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"%d"}}' % n for n in (1, 2)]
    decoder = EventDecoder()
    first, second = (decoder.decode(frame) for frame in frames)
    assert second == "2"
    assert not isinstance(first, str)
    assert not first.extra


@settings(max_examples=80)
@given(anthropic_json.request)
def test_any_request_is_mapped_to_openai(body: Any) -> None:
    """No member of the Anthropic format leaks, and what is written reads as what OpenAI clients could have sent."""
    mapped = openai_chat.encode_request(chat.decode_request(settled(body)), [])
    known = {name for field in openai_chat.REQUEST.names for name in (field, field.removesuffix("_json"))}
    assert mapped.keys() <= known | {"stop", "stream_options", "tool_choice", "response_format"}
    assert not openai_chat.decode_request(mapped).extra.strip("{}") or "messages" in mapped


@settings(max_examples=80)
@given(lossless.chat_request)
def test_any_openai_request_is_mapped(body: Any) -> None:
    """What is written is of the Anthropic format: nothing of it stays outside the typed fields."""
    mapped = chat.encode_request(openai_chat.decode_request(settled(body)), [])
    again = chat.decode_request(loads(dumps(mapped), depth_max=lossless.DEEP))
    assert isinstance(mapped["max_tokens"], int)
    roles = [message["role"] for message in mapped["messages"]]
    assert all(left != right for left, right in itertools.pairwise(roles))
    assert set(extra_names(again.extra)) <= {"model", "messages"}  # empty ones, which no field holds


@settings(max_examples=80)
@given(st.lists(anthropic_json.event.map(settled).flatmap(spellings), max_size=8))
def test_any_stream_becomes_chunks_and_events_again(frames: list[bytes]) -> None:
    """The way Anthropic -> OpenAI -> Anthropic never breaks, and ends as a stream must."""
    decoder, canonical, chunks = EventDecoder(), Canonical(1, is_usage_wanted=True), ChunkRenderer()
    openai, back = ChunkDecoder(), EventRenderer()
    names: list[str | None] = []
    for frame in frames:
        for chunk in canonical.chunks(decoder.decode(frame)):
            line = chunks.render(pass_on(chunk))
            names += [name for name, _ in back.render(openai.decode(line))]
    names += [name for name, _ in back.finish()]
    assert not names or (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert names.count("content_block_start") == names.count("content_block_stop")


@settings(max_examples=80)
@given(st.lists(lossless.chat_chunk.map(settled).flatmap(spellings), max_size=6))
def test_any_openai_stream_becomes_events(frames: list[bytes]) -> None:
    """Blocks open before their increments, one at a time, numbered in order."""
    decoder, renderer, opened = ChunkDecoder(), EventRenderer(), 0
    for frame in frames:
        for name, data in renderer.render(decoder.decode(frame)):
            event = loads(data)
            if name == "content_block_start":
                assert event["index"] == opened
                opened += 1
            elif name == "content_block_delta":
                assert event["index"] < opened


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"x"', b"{"])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    """An event is a JSON object."""
    with pytest.raises(JsonInvalid):
        EventDecoder().decode(data)
