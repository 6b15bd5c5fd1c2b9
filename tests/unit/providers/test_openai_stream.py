"""One stream of the OpenAI format: however its bytes are cut, the same events, the same end, the same usage."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, Kind
from gateway.providers.openai_dialect import OpenAIStreamDecoder, stream_decoder
from gateway.rpc.contract import STREAM_CHAT, STREAM_COMPLETE, Method, with_text
from gateway.wire.openai import chat, completions
from gateway.wire.openai.chunks import encode_chunk
from tests.unit.pipeline.kits import deployment_of

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **members: Any
) -> dict[str, Any]:
    """One chunk; `delta` None = no choices."""
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **members}


def frames(*chunks: Any, end: bytes = DONE, eol: bytes = b"\n") -> bytes:
    """Chunks as a stream of bytes."""
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks) + end
    return body.replace(b"\n", eol)


ROLE = chunk({"role": "assistant", "content": ""})
TEXT = [chunk({"content": text}) for text in ("Hel", "lo", " ☃", "!")]
STOP = chunk({}, "stop")
HELLO = [ROLE, *TEXT, STOP]


def decoder(method: Method = STREAM_CHAT, *, usage: bool = False, chunk_max_bytes: int = 65_536) -> OpenAIStreamDecoder:
    """A decoder; `usage` = the client asked for it."""
    decode = chat.decode_request if method is STREAM_CHAT else completions.decode_request
    request = decode({"model": "m", "stream_options": {"include_usage": usage}})
    return stream_decoder(method, request, deployment_of(chunk_max_bytes=chunk_max_bytes))


def events_of(made: OpenAIStreamDecoder, pieces: list[bytes]) -> list[dict[str, Any]]:
    """The stream's events as JSON, shorthand expanded; raises what the decoder raises."""
    events = [event for piece in pieces for event in made.feed(piece)] + made.finish()
    shown, template = [], None
    for event in events:
        template = event if not isinstance(event, str) else template
        shown.append(encode_chunk(with_text(template, event) if isinstance(event, str) else event))
    return shown


def read(data: bytes, **options: Any) -> list[dict[str, Any]]:
    """All events of a stream fed in one piece."""
    return events_of(decoder(**options), [data])


def failure(data: bytes, **options: Any) -> GatewayError:
    """How a stream fails."""
    with pytest.raises(GatewayError) as caught:
        read(data, **options)
    return caught.value


TRANSCRIPTS = {
    "plain": (frames(*HELLO), HELLO),
    "usage at the end": (frames(*HELLO, chunk(None, usage=USAGE)), HELLO),
    "usage null on every chunk": (frames(*[{**each, "usage": None} for each in HELLO]), HELLO),
    "usage on every chunk": (frames(*[{**each, "usage": USAGE} for each in HELLO]), HELLO),
    "CRLF": (frames(*HELLO, eol=b"\r\n"), HELLO),
    "CR": (frames(*HELLO, eol=b"\r"), HELLO),
    "no space, BOM, comments": (
        b"\xef\xbb\xbf: ping\n\n" + frames(*HELLO).replace(b"data: ", b"data:") + b": bye\n\n", HELLO,
    ),
    "DONE without blank line": (frames(*HELLO, end=b"data: [DONE]"), HELLO),
    "DONE with more behind it": (frames(*HELLO, end=b"data: [DONE] \n\ndata: {garbage\n\n"), HELLO),
    "finished without DONE": (frames(*HELLO, end=b""), HELLO),
    "empty data lines": (b"data:\n\ndata: \n\n" + frames(*HELLO), HELLO),
    "named events": (frames(*HELLO).replace(b"data: {", b"event: message\nid: 7\nretry: 9\ndata: {"), HELLO),
    "null error members": (frames(*[{**each, "error": None} for each in HELLO]), [{**e, "error": None} for e in HELLO]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_cut_at_every_byte_the_events_are_the_same(name: str) -> None:
    """In one piece, in two at every place, and byte by byte."""
    data, wanted = TRANSCRIPTS[name]
    assert read(data) == wanted
    for at in range(1, len(data)):
        assert events_of(decoder(), [data[:at], data[at:]]) == wanted, at
    assert events_of(decoder(), [data[at : at + 1] for at in range(len(data))]) == wanted


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_what_is_counted_does_not_depend_on_the_cuts(name: str) -> None:
    """Delivered text, usage, and that content came."""
    data, _ = TRANSCRIPTS[name]
    for pieces in ([data], [data[at : at + 7] for at in range(0, len(data), 7)]):
        made = decoder()
        events_of(made, pieces)
        assert (made.has_content, made.output_chars) == (True, len("Hello ☃!"))
        assert (made.usage is not None) is (b'"usage": {' in data)


def test_usage_is_given_to_who_asked() -> None:
    """The usage chunk and nulls stay as they were."""
    sent = [*[{**each, "usage": None} for each in HELLO], chunk(None, usage=USAGE)]
    assert read(frames(*sent), usage=True) == sent


def test_the_last_usage_counts_and_nothing_is_summed() -> None:
    """vLLM reports running totals; null after a number changes nothing."""
    made = decoder()
    running = [{**each, "usage": {**USAGE, "completion_tokens": at}} for at, each in enumerate(HELLO)]
    events_of(made, [frames(*running, {**STOP, "usage": None})])
    assert made.usage is not None
    assert made.usage.completion_tokens == len(HELLO) - 1


def test_every_cut_before_the_end_is_a_cut() -> None:
    """A stream that ends anywhere before its end mark (and its last finish reason) is no complete answer."""
    whole = frames(*HELLO, end=b"")
    for at in range(len(whole) - 1):  # its very last newline is dispensable to nobody but a blank line
        error = failure(whole[:at])
        assert error.kind is Kind.STREAM_CUT, (at, whole[:at][-40:])


def test_an_empty_stream_is_a_cut() -> None:
    """Nothing, comments, or an answer that never said anything."""
    for data in (b"", b": ping\n\n", b"\n\n\n", frames(chunk(None), end=b"")):
        assert failure(data).kind is Kind.STREAM_CUT


def test_done_alone_is_an_end_without_content() -> None:
    """The pipeline decides what an empty answer is; the decoder says it is over."""
    made = decoder()
    assert (made.feed(DONE), made.is_done, made.has_content) == ([], True, False)
    assert made.finish() == []


def test_all_choices_have_to_finish() -> None:
    """With n > 1 one finish reason is not the end of the others."""
    both = [chunk({"content": "a"}, index=0), chunk({"content": "b"}, index=1), chunk({}, "stop", index=0)]
    assert failure(frames(*both, end=b"")).kind is Kind.STREAM_CUT
    assert len(read(frames(*both, chunk({}, "stop", index=1), end=b""))) == 4


def test_tool_calls_come_through_and_are_content() -> None:
    """Parallel calls, arguments in pieces: a call is content although it is no text."""
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}
    sent = [
        ROLE,
        chunk({"tool_calls": [call]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({"tool_calls": [{**call, "index": 1, "id": "u"}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
    ]
    made = decoder()
    assert events_of(made, [frames(*sent)]) == sent
    assert made.has_content
    assert made.output_chars == len('{"a":1}{}')


@pytest.mark.parametrize("delta", [{"reasoning_content": "hm"}, {"refusal": "no"}, {"reasoning": "hm"}])
def test_other_content_is_content(delta: dict[str, str]) -> None:
    """Reasoning and refusals commit a stream, too."""
    made = decoder()
    made.feed(frames(chunk(delta), end=b""))
    assert made.has_content


def test_a_role_and_empty_texts_are_no_content() -> None:
    """A provider may send them and then fail: another one can still be asked."""
    made = decoder()
    made.feed(frames(ROLE, chunk({"content": ""}), chunk(None), end=b""))
    assert not made.has_content


ERRORS = {
    "an object": ({"error": {"message": "m", "code": 429}}, Kind.PROVIDER_RATE_LIMITED),
    "words": ({"error": "overloaded"}, Kind.PROVIDER_ERROR),
    "inside a chunk": ({**TEXT[0], "error": {"message": "m"}}, Kind.PROVIDER_ERROR),
    "with a known code": ({"error": {"code": "context_length_exceeded"}}, Kind.CONTEXT_LENGTH_EXCEEDED),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_error_in_the_stream_is_the_error(name: str, before: int) -> None:
    """Before and after content, and whatever follows it, also `[DONE]`."""
    error, kind = ERRORS[name]
    assert failure(frames(*HELLO[:before], error)).kind is kind


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'event: error\ndata: {"message":"overloaded","type":"server_error"}\n\n', Kind.PROVIDER_ERROR),
        (b'event: error\ndata: {"error":{"message":"m","code":429}}\n\n', Kind.PROVIDER_RATE_LIMITED),
        (b"event: error\ndata: overloaded\n\n", Kind.PROVIDER_ERROR),
        (b'data: {"object":"error","message":"too long","code":400}\n\n', Kind.INVALID_REQUEST),
    ],
)
def test_an_error_without_its_wrapper_is_an_error(frame: bytes, kind: Kind) -> None:
    """Told by the event's name, or as vLLM told it; never a chunk that is passed on, never a success."""
    assert failure(frames(*HELLO[:2], end=b"") + frame + DONE).kind is kind


@pytest.mark.parametrize("data", [b"{", b"nonsense", b"[1]", b'"text"', b"5", b"{]", b"\xff"])
def test_a_malformed_chunk_is_the_providers_fault(data: bytes) -> None:
    """It is neither skipped nor passed on."""
    error = failure(frames(*HELLO[:2], end=b"data: " + data + b"\n\n" + DONE))
    assert error.kind is Kind.PROVIDER_INVALID


def test_a_huge_chunk_is_refused_by_its_bound() -> None:
    """One event over `chunk_max_bytes` ends the stream and names the key; many small ones do not."""
    error = failure(frames(chunk({"content": "x" * 10_000})), chunk_max_bytes=5_000)
    assert error.kind is Kind.PROVIDER_INVALID
    assert "chunk_max_bytes" in error.message
    assert len(read(frames(*HELLO * 100), chunk_max_bytes=5_000)) == 600


def test_events_before_an_endless_line_are_not_lost() -> None:
    """The bound counts one event, fed in any pieces."""
    made = decoder(chunk_max_bytes=4_096)
    assert len(made.feed(frames(*HELLO[:2], end=b""))) == 2
    with pytest.raises(GatewayError):
        for _ in range(10):
            made.feed(b"data: " + b"x" * 1_000)


def test_legacy_completions_stream_alike() -> None:
    """Text is content and is counted; the end is told by finish reasons, too."""
    sent = [
        {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": end}]}
        for text, end in (("", None), ("ab", None), ("c", None), ("", "stop"))
    ]
    made = decoder(STREAM_COMPLETE)
    events = made.feed(frames(*sent, end=b"")) + made.finish()
    assert (len(events), made.output_chars, made.has_content) == (4, 3, True)


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"data: ", b"\n\n", b"{}", DONE, frames(ROLE, end=b"")])))
def test_no_bytes_make_the_decoder_fail_otherwise(pieces: list[bytes]) -> None:
    """Any bytes are events or a failure of the table."""
    made = decoder(chunk_max_bytes=4_096)
    with contextlib.suppress(GatewayError):
        for piece in pieces:
            made.feed(piece)
        made.finish()
