"""The SSE parser: what a stream means does not depend on how it was cut."""

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire.sse import SseEvent, SseParser, SseTooLarge, encode_event

LARGE = 2 << 20


def read(pieces: Iterable[bytes], max_event_bytes: int = LARGE) -> list[SseEvent]:
    parser = SseParser(max_event_bytes)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.finish()


def reference(stream: bytes) -> tuple[list[SseEvent], bool]:
    """The standard's algorithm, word for word, on the whole stream; the trailing frame is returned as well."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    events: list[SseEvent] = []
    name, data, event_id, retry = "", b"", None, None
    inside = False
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        inside |= last and line != b""
        if line and not line.startswith(b":"):
            inside = True
            field, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            match field:
                case b"event":
                    name = value.decode("utf-8", "replace")
                case b"data":
                    data += value + b"\n"
                case b"id" if b"\0" not in value:
                    event_id = value.decode("utf-8", "replace")
                case b"retry" if re.fullmatch(rb"[0-9]{1,15}", value):
                    retry = int(value)
        if line == b"" or last:
            if data:
                events.append(SseEvent(name or None, data[:-1], event_id, retry))
            name, data, event_id, retry = "", b"", None, None
            if not last:
                inside = False
    return events, inside


lines = st.one_of(
    st.sampled_from(
        [
            b"data: {}",
            b"data:{}",
            b"data:",
            b"data",
            b"data:  x",
            b": ping",
            b":",
            b"event: delta",
            b"event:",
            b"id: 7",
            b"id: a\0b",
            b"retry: 1500",
            b"retry: soon",
            b"retry: " + b"9" * 5000,
            b"unknown: x",
            b"",
            b"",
            b"",
            b"\xef\xbb\xbfdata: x",
            "data: é漢😀".encode(),
            b"data: \xff\xfe",
            b"event: \xff",
        ]
    ),
    st.binary(max_size=6).filter(lambda line: not set(line) & set(b"\r\n")),
)
streams = st.one_of(
    st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n", b"\r"])).map(b"".join), max_size=12).map(b"".join),
    st.lists(st.sampled_from([b"\n", b"\r", b"data:", b":", b" ", b"x", b"\xef", b"\xbb", b"\xbf"])).map(b"".join),
)


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    stream = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + draw(streams) + draw(st.sampled_from([b"", b"data: cut"]))
    cuts = draw(st.lists(st.integers(0, len(stream)), max_size=len(stream)))
    return [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]


@given(cut_streams())
@example([b"data: x\r\n\r", b"\n", b"data: y\n\n"])
@example([b"\xef", b"\xbb"])
@settings(max_examples=400, deadline=None)
def test_any_cut_gives_the_events_of_the_standard(pieces: list[bytes]) -> None:
    """Pieces, the whole, and single bytes all agree with the reference, and so does `incomplete`."""
    stream = b"".join(pieces)
    expected, inside = reference(stream)
    for cut in (pieces, [stream], [stream[i : i + 1] for i in range(len(stream))]):
        parser = SseParser(LARGE)
        events = [event for piece in cut for event in parser.feed(piece)] + parser.finish()
        assert events == expected
        assert parser.incomplete == inside


def read_until_too_large(pieces: Iterable[bytes], max_event_bytes: int) -> tuple[list[SseEvent], bool]:
    parser, events = SseParser(max_event_bytes), list[SseEvent]()
    try:
        for piece in pieces:
            events += parser.feed(piece)
        return events + parser.finish(), False
    except SseTooLarge:
        return events, True


@given(cut_streams(), st.integers(0, 24))
@settings(max_examples=400, deadline=None)
def test_the_size_cap_stands_at_the_same_place_for_every_cut(pieces: list[bytes], cap: int) -> None:
    """Events before an oversized frame are delivered, it and what follows never are."""
    stream = b"".join(pieces)
    expected = read_until_too_large([stream], cap)
    assert read_until_too_large(pieces, cap) == expected
    assert read_until_too_large([stream[i : i + 1] for i in range(len(stream))], cap) == expected


@given(st.binary(max_size=40), st.one_of(st.none(), st.text(min_size=1, max_size=8)))
def test_an_encoded_event_reads_back(data: bytes, name: str | None) -> None:
    """encode_event and the parser are inverse, but for line breaks, which all read back as LF."""
    if name is not None and set(name) & set("\r\n"):
        with pytest.raises(ValueError, match="line break"):
            encode_event(data, name)
        return
    plain = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert read([encode_event(data, name)]) == [SseEvent(name, plain, None, None)]


def test_common_frame_bytes() -> None:
    """The unnamed one-line frame is `data: ...` and a blank line, byte for byte."""
    assert encode_event(b"[DONE]") == b"data: [DONE]\n\n"
    assert encode_event(b"a\nb", "delta") == b"event: delta\ndata: a\ndata: b\n\n"


def test_an_event_is_out_with_its_blank_line_and_not_before() -> None:
    """Nothing waits for the next frame: a lone CR already closes a CRLF frame."""
    parser = SseParser(LARGE)
    assert parser.feed(b"data: 1\n") == []
    assert [event.data for event in parser.feed(b"\ndata: 2\r\n\r")] == [b"1", b"2"]
    assert parser.feed(b"\n") == []
    assert parser.finish() == []
    assert not parser.incomplete


def test_a_cut_frame_is_returned_and_marked() -> None:
    """A vendor that forgets the last blank line is readable, and a cut can be told from an end."""
    parser = SseParser(LARGE)
    parser.feed(b"data: 1\n\ndata: [DONE]")
    assert [event.data for event in parser.finish()] == [b"[DONE]"]
    assert parser.incomplete


@pytest.mark.parametrize("tail", [b"", b"\n", b": bye\n", b"\r\n\r\n"])
def test_an_end_between_frames_is_complete(tail: bytes) -> None:
    """Blank lines and whole comments after the last frame are no cut."""
    parser = SseParser(LARGE)
    parser.feed(b"data: 1\n\n" + tail)
    assert parser.finish() == []
    assert not parser.incomplete


def test_the_cap_is_exact_and_the_parser_stays_refusing() -> None:
    """A frame of exactly the cap passes, one byte more does not, and no later piece revives the parser."""
    assert len(read([b"data: 4567\n\n"], 10)) == 1
    for stream in (b"data: 45678\n\n", b"data: 45678\n\ndata: 1\n\n", b"data: 45678"):
        with pytest.raises(SseTooLarge):
            SseParser(10).feed(stream)
    parser = SseParser(10)
    assert [event.data for event in parser.feed(b"data: 1\n\ndata: 45678\n\n")] == [b"1"]
    for _ in range(2):
        with pytest.raises(SseTooLarge, match="10 bytes"):
            parser.feed(b"data: 1\n\n")
    with pytest.raises(SseTooLarge):
        parser.finish()


def test_an_unfinished_frame_is_never_held_beyond_the_cap() -> None:
    """The refusal comes while the frame is still arriving, not at its end."""
    parser = SseParser(1000)
    fed = 0
    with pytest.raises(SseTooLarge):
        while fed < 5000:
            parser.feed(b"data: xxxx"[fed % 10 : fed % 10 + 1])
            fed += 1
    assert fed == 1000


def test_a_large_frame_in_single_bytes_is_read_in_linear_work() -> None:
    """1 MB byte by byte: quadratic rescans would take hours, and the suite's time limit would stop them."""
    body = b"data: " + b"x" * 1_000_000 + b"\n\n"
    assert [len(event.data) for event in read(body[i : i + 1] for i in range(len(body)))] == [1_000_000]
