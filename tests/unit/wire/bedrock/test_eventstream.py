"""Amazon's event stream, cut anywhere, damaged, and too large."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.bedrock.eventstream import EventMessage, EventStreamBroken, EventStreamParser, encode_message

messages = st.lists(
    st.builds(
        EventMessage,
        st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=20), max_size=3),
        st.binary(max_size=40),
    ),
    max_size=4,
)


def read(data: bytes, size: int) -> list[EventMessage]:
    parser = EventStreamParser(10_000)
    found = [message for at in range(0, len(data), size) for message in parser.feed(data[at : at + size])]
    assert not parser.is_incomplete
    return found


@given(messages, st.integers(1, 50))
def test_messages_come_back(sent: list[EventMessage], size: int) -> None:
    """However the bytes are cut."""
    assert read(b"".join(encode_message(*message) for message in sent), size) == sent


def test_headers_that_are_no_text_are_skipped() -> None:
    """Each type has its length."""
    values = {0: b"", 1: b"", 2: b"1", 3: b"22", 4: b"4444", 5: b"8" * 8, 6: b"\0\3abc", 8: b"8" * 8, 9: b"u" * 16}
    packed = b"".join(b"\1x" + bytes((type_,)) + value for type_, value in values.items()) + b"\1y\7\0\1z"
    lengths = struct.pack(">II", len(packed) + 2 + 16, len(packed))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + packed + b"{}"
    message += struct.pack(">I", zlib.crc32(message))
    assert read(message, 3) == [EventMessage({"y": "z"}, b"{}")]


def test_damage_is_seen() -> None:
    """In any byte."""
    whole = encode_message({":event-type": "a"}, b"{}")
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] ^= 1
        with pytest.raises(EventStreamBroken):
            EventStreamParser(10_000).feed(bytes(broken))


def test_sizes_are_bounded() -> None:
    """Before the message is there."""
    whole = encode_message({}, b"x" * 100)
    assert EventStreamParser(len(whole)).feed(whole)
    parser = EventStreamParser(len(whole) - 1)
    with pytest.raises(EventStreamBroken, match="larger"):
        parser.feed(whole[:12])
