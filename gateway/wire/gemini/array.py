"""The streamed answer without `alt=sse`: one JSON array, written and read element by element.

Rules:
- `ArrayParser` gives the bytes of each element as soon as its end came, however the array is cut into pieces; work is
  linear, memory one unfinished element of at most `max_element_bytes`.
- Only the outermost structure is looked at here: whether an element is JSON is for its reader to find out.
- `is_complete` says whether the array was closed.

Not here: what an element means (chunks.py).
"""

from typing import Final

OPEN: Final = b"["
BETWEEN: Final = b",\r\n"
CLOSE: Final = b"]\n"

_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_OPENERS, _CLOSERS = frozenset(b"{["), frozenset(b"}]")
_SKIPPED = frozenset(b" \t\r\n,")


class ArrayInvalid(ValueError):
    """The bytes are no array of objects, or one element is too long."""


class ArrayParser:
    """Incremental parser of one array of objects."""

    __slots__ = ("_depth", "_element", "_is_escaped", "_is_in_text", "is_complete", "max_element_bytes")

    def __init__(self, max_element_bytes: int) -> None:
        self.max_element_bytes = max_element_bytes
        self.is_complete = False
        self._depth = 0
        self._element = bytearray()
        self._is_in_text = False
        self._is_escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next piece; return the elements it completes. Raises ArrayInvalid."""
        elements: list[bytes] = []
        for byte in data:
            if self._depth >= 2:
                self._inside(byte, elements)
            else:
                self._between(byte)
        return elements

    def _between(self, byte: int) -> None:
        if byte in _SKIPPED:
            return
        if self.is_complete or (self._depth == 0) != (byte == OPEN[0]):
            raise ArrayInvalid("the stream is not one JSON array of objects")
        if byte == CLOSE[0]:
            self.is_complete, self._depth = True, 0
        elif byte in _OPENERS:
            self._depth += 1
            if self._depth == 2:
                self._element.append(byte)
        else:
            raise ArrayInvalid("the stream is not one JSON array of objects")

    def _inside(self, byte: int, elements: list[bytes]) -> None:
        self._element.append(byte)
        if len(self._element) > self.max_element_bytes:
            raise ArrayInvalid(f"one element of the array is longer than {self.max_element_bytes} bytes")
        if self._is_in_text:
            if self._is_escaped:
                self._is_escaped = False
            elif byte == _BACKSLASH:
                self._is_escaped = True
            elif byte == _QUOTE:
                self._is_in_text = False
        elif byte == _QUOTE:
            self._is_in_text = True
        elif byte in _OPENERS:
            self._depth += 1
        elif byte in _CLOSERS:
            self._depth -= 1
            if self._depth == 1:
                elements.append(bytes(self._element))
                self._element.clear()
