"""Amazon's event stream: bytes in any pieces to whole messages, and a message to its bytes.

Format: length of the message and of its headers (4 bytes each, big-endian), CRC-32 of these 8 bytes; headers; payload;
CRC-32 of everything before. A header is name length (1), name, type (1); text (type 7) has 2 bytes of length.

Rules:
- However a stream is cut into pieces, the messages are the same. Memory is one unfinished message.
- Headers that are no text are skipped; a message that is too large, or whose sums do not fit, ends the stream.

Not here: what a message means (events.py).
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"
_PRELUDE: Final = struct.Struct(">III")
_SUM: Final = struct.Struct(">I")
_TEXT = 7
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # type of a header -> bytes of its value


class EventStreamBroken(ValueError):
    """The bytes are no event stream, or a message is larger than allowed; nothing after them can be read.

    `before` holds the messages that came whole before it, in the same read.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.before: list[EventMessage] = []


class EventMessage(NamedTuple):
    """One message."""

    headers: dict[str, str]
    payload: bytes


class EventStreamParser:
    """Incremental parser of one stream; `max_message_bytes` bounds one message."""

    __slots__ = ("_buffer", "max_message_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self.max_message_bytes = max_message_bytes
        self._buffer = bytearray()

    @property
    def is_incomplete(self) -> bool:
        """Whether a message began that has not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[EventMessage]:
        """Take the next piece; return the messages it completes. Raises EventStreamBroken."""
        self._buffer += data
        found: list[EventMessage] = []
        at = 0
        try:
            while len(self._buffer) - at >= _PRELUDE.size:
                size, headers_size = self._lengths(at)
                if len(self._buffer) - at < size:
                    break
                found.append(_message(bytes(self._buffer[at : at + size]), headers_size))
                at += size
        except EventStreamBroken as error:
            error.before = found
            raise
        del self._buffer[:at]
        return found

    def _lengths(self, at: int) -> tuple[int, int]:
        size, headers_size, prelude_sum = _PRELUDE.unpack_from(self._buffer, at)
        if zlib.crc32(self._buffer[at : at + 8]) != prelude_sum or size < headers_size + 16:
            raise EventStreamBroken("a message of its event stream begins wrongly")
        if size > self.max_message_bytes:
            raise EventStreamBroken(f"a message of its event stream is larger than {self.max_message_bytes} bytes")
        return size, headers_size


def _message(data: bytes, headers_size: int) -> EventMessage:
    if zlib.crc32(data[:-4]) != _SUM.unpack_from(data, len(data) - 4)[0]:
        raise EventStreamBroken("a message of its event stream was damaged")
    end = _PRELUDE.size + headers_size
    try:
        return EventMessage(_headers(data[_PRELUDE.size : end]), data[end:-4])
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise EventStreamBroken("a message of its event stream has broken headers") from error


def _headers(data: bytes) -> dict[str, str]:
    found = {}
    at = 0
    while at < len(data):
        start = at + 1
        at = start + data[at]
        name = data[start:at].decode()
        type_ = data[at]
        at += 1
        size = _SIZES.get(type_, -1)
        if size < 0:  # bytes and text say their length
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
        if type_ == _TEXT:
            found[name] = data[at : at + size].decode()
        at += size
    return found


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """The bytes of a message with text headers."""
    packed = b"".join(
        bytes((len(name.encode()),)) + name.encode() + bytes((_TEXT,)) + struct.pack(">H", len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )  # fmt: skip
    lengths = struct.pack(">II", len(packed) + len(payload) + 16, len(packed))
    message = lengths + _SUM.pack(zlib.crc32(lengths)) + packed + payload
    return message + _SUM.pack(zlib.crc32(message))
