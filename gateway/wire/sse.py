"""Server-sent events: bytes in any pieces to whole events, and an event to its bytes.

Format: the WHATWG HTML standard, section 9.2 "Server-sent events".

Rules:
- However a stream is cut into pieces, the events are the same, and so is the point where `SseTooLarge` stands.
- Work is linear in the bytes fed, also for a frame that arrives one byte at a time; memory is one unfinished frame.
- `data` stays bytes: a character split over two pieces is whole again in its event.
- Line endings are LF, CRLF or CR, mixed at will; an event is out as soon as its blank line began (a CR suffices).
- A frame without a `data` line is no event (comments, keep-alives); `data:` alone is an event with empty data.

Not here: what the data means (`[DONE]`, JSON, errors): the dialects and the frontend know that.
"""

from functools import partial
from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
_COLON = ord(":")
_LF = ord("\n")
_RETRY_MAX_DIGITS = 15


class SseTooLarge(ValueError):
    """One frame is longer than the parser may hold; the parser is of no further use."""


class SseEvent(NamedTuple):
    """One event: its name (None: unnamed, "message"), its data, and the `id` and `retry` (ms) of its own frame."""

    event: str | None
    data: bytes
    id: str | None
    retry: int | None


_event = partial(tuple.__new__, SseEvent)  # half the price of SseEvent(...): this runs once per frame


class SseParser:
    """Incremental parser of one stream.

    `max_event_bytes` bounds one frame: its lines with LF endings, comments included, without the closing blank line.
    """

    __slots__ = ("_buffer", "_is_after_cr", "_is_too_large", "_prefix", "incomplete", "max_event_bytes")

    def __init__(self, max_event_bytes: int) -> None:
        self.max_event_bytes = max_event_bytes
        self.incomplete = False
        """True after `finish()` when the stream ended inside a frame."""
        self._buffer = bytearray()  # the unfinished frame, LF endings only, no blank line in it
        self._prefix: bytes | None = b""  # what came so far while it may still be a byte order mark
        self._is_after_cr = False  # a LF that comes now belongs to the CR before it
        self._is_too_large = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take the next piece; return the events it completes, in order.

        Raises SseTooLarge for an oversized frame, in the next call when events before it are still to be returned.
        """
        if self._prefix is not None:
            data = self._without_bom(data)
        if self._is_after_cr or b"\r" in data:
            data = self._with_lf_endings(data)
        buffer = self._buffer
        if self._is_too_large:
            raise self._too_large()
        if buffer:
            if b"\n\n" not in data and not (buffer[-1] == _LF and data[:1] == b"\n"):
                buffer += data
                return self._checked([])
            data = bytes(buffer) + data
            buffer.clear()
        end = len(data) - 2
        if data[:6] == b"data: " and data.find(b"\n") == end <= self.max_event_bytes and data[-1] == _LF:
            return [_event((None, data[6:end], None, None))]  # one frame of one line: what a paced stream feeds
        frames = data.split(b"\n\n")
        if rest := frames.pop():
            buffer += rest
        if len(data) > self.max_event_bytes:
            return self._checked(self._parse_bounded(frames))
        return _parse_frames(frames)

    def finish(self) -> list[SseEvent]:
        """Say that the stream ended; return the event of a trailing frame without its blank line, if there is one.

        The standard discards such an event. It is returned because some vendors end on `data: [DONE]` without a blank
        line; `incomplete` is then True, and whoever needs a whole event must treat it as cut.
        """
        if self._prefix:
            self._buffer += self._prefix
        self._prefix = None
        if self._is_too_large:
            raise self._too_large()
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer.clear()
        self.incomplete = bool(rest) or any(line and line[0] != _COLON for line in lines)
        event = _parse_lines([*lines, rest])
        return [] if event is None else [event]

    def _without_bom(self, data: bytes) -> bytes:
        data = (self._prefix or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._prefix = data
            return b""
        self._prefix = None
        return data.removeprefix(_BOM)

    def _with_lf_endings(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._is_after_cr and data[0] == _LF:
            data = data[1:]
        self._is_after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _parse_bounded(self, frames: list[bytes]) -> list[SseEvent]:
        for at, frame in enumerate(frames):
            if len(frame) > self.max_event_bytes:
                self._is_too_large = True
                return _parse_frames(frames[:at])
        return _parse_frames(frames)

    def _checked(self, events: list[SseEvent]) -> list[SseEvent]:
        size = len(self._buffer)
        if size > self.max_event_bytes and size - self._buffer.endswith(b"\n") > self.max_event_bytes:
            self._is_too_large = True
        if self._is_too_large:
            self._buffer.clear()
            if not events:
                raise self._too_large()
        return events

    def _too_large(self) -> SseTooLarge:
        return SseTooLarge(f"one server-sent event is longer than {self.max_event_bytes} bytes")


def encode_event(data: bytes, event: str | None = None) -> bytes:
    """Return the frame of one event; line breaks in `data` become several `data:` lines (all read back as LF).

    Raises ValueError for a name with a line break.
    """
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    if event is None:
        return b"data: " + data + b"\n\n"
    if "\n" in event or "\r" in event:
        raise ValueError("the name of a server-sent event cannot hold a line break")
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"


def _parse_frames(frames: list[bytes]) -> list[SseEvent]:
    events: list[SseEvent] = []
    add = events.append  # the hot loop of every stream: two look-ups fewer
    for frame in frames:
        if frame[:6] == b"data: " and b"\n" not in frame:
            add(_event((None, frame[6:], None, None)))
        elif frame[:7] == b"event: " and (named := _named(frame)) is not None:
            add(named)
        elif (event := _parse_lines(frame.split(b"\n"))) is not None:
            add(event)
    return events


def _named(frame: bytes) -> SseEvent | None:
    """The event of a frame that is a name and one line of data, as vendors with named events send them."""
    end = frame.find(b"\n")
    if frame[end + 1 : end + 7] != b"data: " or frame.find(b"\n", end + 1) >= 0:
        return None
    return _event((frame[7:end].decode("utf-8", "replace") or None, frame[end + 7 :], None, None))


def _parse_lines(lines: list[bytes]) -> SseEvent | None:
    data: list[bytes] = []
    name = event_id = retry = None
    for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace") or None
        elif field == b"id" and b"\0" not in value:
            event_id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit() and len(value) <= _RETRY_MAX_DIGITS:
            retry = int(value)
    return SseEvent(name, b"\n".join(data), event_id, retry) if data else None
