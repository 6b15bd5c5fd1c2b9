"""Every chunk of every stream comes out of decoder, link and renderer as it went in."""

from typing import Any

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rpc.contract import with_text
from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer
from gateway.wire.openai.completions import CompletionChunkDecoder, CompletionChunkRenderer
from tests.contract import lossless
from tests.contract.lossless import same, settled, spellings


def text_chunk(text: str, **members: Any) -> dict[str, Any]:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return chunk | {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} | members


def completion_chunk(text: str, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": None}
    return {"id": "c", "object": "text_completion", "created": 1, "choices": [choice], "model": "m"} | members


def reasoning_chunk(text: str) -> dict[str, Any]:
    return text_chunk("") | {"choices": [{"index": 0, "delta": {"content": None, "reasoning_content": text}}]}


def arguments_chunk(text: str) -> dict[str, Any]:
    call = {"index": 0, "function": {"arguments": text}}
    return text_chunk("") | {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}


TRAPS = [
    {"choices": [{"delta": {"content": "a", "x": {"content": "b"}}}]},
    {"content": "a", "choices": [{"delta": {"content": "b"}}]},
    {"choices": [{"delta": {"content": '"content":"'}}]},
    {"choices": [{"delta": {"content": "a"}, "y": '","content":"'}]},
    {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]},
    {"choices": [{"delta": {"content": "a", "role": "assistant"}}]},
    {"choices": [{"delta": {"content": "a", "refusal": None}}]},
    {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]},
    {"choices": [{"delta": {"content": "a", "refusal": "b"}}]},
    {"choices": [{"delta": {"content": "a"}}], "usage": {"total_tokens": 1}},
    {"choices": [{"delta": {"reasoning_content": "a"}}]},
    {"choices": [{"delta": {"reasoning_content": "b", "content": None}}]},
    {"choices": [{"delta": {"content": "a", "reasoning_content": "b"}}]},
    {"choices": [{"delta": {"content": "c", "reasoning_content": "b"}}]},
    {"choices": [{"delta": {"content": "\ud800"}}]},
    {"choices": [{"delta": {"content": "c"}}]},
    {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "d"}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "e"}, "type": "custom"}]}}]},
    {"choices": [{"delta": {"a\ud800": 1, "content": "a"}}], "big": 2**80},
    {"choices": [], "usage": {"prompt_tokens": 1}},
    {"error": {"message": "m"}},
    {},
]


def pass_on(event: Any) -> Any:
    """What the other end of the link gets."""
    return type(event).FromString(event.SerializeToString()) if isinstance(event, Message) else event


def assert_stream(decoder: Any, renderer: Any, frames: list[bytes]) -> list[Any]:
    events, last = [], None
    for frame in frames:
        expected = loads(frame, depth_max=lossless.DEEP)
        event = decoder.decode(frame)
        rendered = renderer.render(pass_on(event))
        assert same(loads(rendered, depth_max=lossless.DEEP), expected), (rendered, frame)
        if isinstance(event, str):
            whole = with_text(last, event)
            assert same(loads(type(renderer)().render(whole)), expected)
        else:
            last = event
        events.append(event)
    return events


def streams(chunk: Any, any_chunk: st.SearchStrategy[Any]) -> st.SearchStrategy[list[bytes]]:
    one = st.one_of(
        st.builds(chunk, lossless.texts),
        st.builds(chunk, lossless.texts),
        st.builds(chunk, lossless.texts, usage=st.none(), obfuscation=lossless.texts),
        st.builds(reasoning_chunk, lossless.texts),
        st.builds(arguments_chunk, lossless.texts),
        st.sampled_from(TRAPS),
        any_chunk,
    ).map(settled)
    return st.lists(one.flatmap(spellings), max_size=8)


@settings(max_examples=500)
@given(streams(text_chunk, lossless.chat_chunk))
def test_chat_streams_come_back(frames: list[bytes]) -> None:
    """Any chunks in any order and spelling; and what a text stands for is the chunk it came from."""
    assert_stream(ChunkDecoder(), ChunkRenderer(), frames)


@settings(max_examples=200)
@given(streams(completion_chunk, lossless.completion_response))
def test_completion_streams_come_back(frames: list[bytes]) -> None:
    """The same for the legacy format."""
    assert_stream(CompletionChunkDecoder(), CompletionChunkRenderer(), frames)


@settings(max_examples=300)
@given(st.data(), st.sampled_from([text_chunk("ab"), *TRAPS]))
def test_a_damaged_chunk_is_read_as_it_is_or_refused(data: st.DataObject, chunk: Any) -> None:
    """After a template, a chunk with any bytes changed gives what it says, and is refused only if it is no object."""
    frame = dumps(settled(chunk))
    frames = [frame]
    for _ in range(3):
        at = data.draw(st.integers(0, len(frame)))
        length = data.draw(st.integers(0, 3))
        noise = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\\", b'","content":"', b'"}', b"\x00", b"\xff"]))
        )
        frames.append(frame[:at] + noise + frame[at + length :])
    decoder, renderer = ChunkDecoder(), ChunkRenderer()
    for damaged in frames:
        try:
            expected = loads(damaged)
        except JsonInvalid:
            expected = None
        try:
            event = decoder.decode(damaged)
        except JsonInvalid:
            assert not isinstance(expected, dict)
            continue
        assert same(loads(renderer.render(pass_on(event))), expected), damaged


def test_repeated_chunks_travel_as_text() -> None:
    """The second and later chunks that differ in their text only are texts: that is the hot path."""
    frames = [dumps(text_chunk(text)) for text in ("", "a", "é\n", '"', "\\", "")]
    first, *rest = assert_stream(ChunkDecoder(), ChunkRenderer(), frames)
    assert isinstance(first, Message)
    assert rest == ["a", "é\n", '"', "\\", ""]
    for other in (reasoning_chunk, arguments_chunk):
        assert assert_stream(ChunkDecoder(), ChunkRenderer(), [dumps(other(text)) for text in "abc"])[1:] == ["b", "c"]
    frames = [dumps(completion_chunk(text)) for text in ("", "a", "b")]
    assert assert_stream(CompletionChunkDecoder(), CompletionChunkRenderer(), frames)[1:] == ["a", "b"]


def test_a_namesake_of_the_text_is_not_the_text() -> None:
    """Chunks that differ in another string called like the text are whole messages."""
    for other in (
        lambda text: {"content": text, **text_chunk("b")},
        lambda text: {"choices": [{"delta": {"content": "b"}, "x": {"content": text}}]},
        lambda text: {"choices": [{"x": {"content": text}, "delta": {"content": "b"}}]},
        lambda text: {"choices": [{"x": '"content":"' + text, "delta": {"content": "b"}}]},
        lambda text: {"arguments": text, **arguments_chunk("b")},
        lambda text: {"choices": [{"delta": {"content": text, "reasoning_content": "b"}}]},
    ):
        frames = [dumps(other(text)) for text in ("", "a", "b", "c")]
        assert all(isinstance(event, Message) for event in assert_stream(ChunkDecoder(), ChunkRenderer(), frames))


def test_a_text_no_message_can_hold_is_no_template() -> None:
    """After a lone surrogate, which only `extra` holds, the next chunk is whole: it has a text to replace."""
    frames = [dumps(text_chunk(text)) for text in ("\ud800", "a", "b")]
    events = assert_stream(ChunkDecoder(), ChunkRenderer(), frames)
    assert [isinstance(event, str) for event in events] == [False, False, True]


def test_an_end_is_never_a_text() -> None:
    """Chunks with usage or a finish_reason are whole messages even when they repeat."""
    for members in (
        {"usage": {"total_tokens": 1}},
        {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]},
    ):
        events = assert_stream(ChunkDecoder(), ChunkRenderer(), [dumps(text_chunk("a", **members))] * 3)
        assert all(isinstance(event, Message) for event in events)
