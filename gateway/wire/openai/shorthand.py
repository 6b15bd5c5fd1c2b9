"""The hot path of streams: a chunk that differs from the one before only in its text is just that text.

Rules:
- A text stands for the last whole chunk with its one increment replaced (content, reasoning, or the arguments of a
  tool call), byte for byte of the JSON around it.
- The place of the text is proven once per template: with another text there, the chunk parses to the same values
  but for that text. A JSON string replaced by a JSON string changes nothing else.
- Chunks with usage or a finish_reason are never templates: whoever gets a text need not look for them.
- Providers that change something in every chunk (padding, ids) cost a few tries per stream, then no more.

Not here: what chunks mean (chunks.py, completions.py).
"""

import re
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import orjson

from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import JsonObject

_TRIES_MAX = 8
_STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MARK = secrets.token_hex(16)  # no text of a stream holds it by chance, none can by intent
_MARK_JSON = f'"{_MARK}"'.encode()

Slot = Callable[[Any], tuple[JsonObject, str] | None]
"""Finds in a chunk's JSON object the member (object, name) whose text may be replaced; None: it is no template."""


class TextReader:
    """Recognises chunks that repeat the last whole one with another text."""

    __slots__ = ("_length_min", "_prefix", "_slot", "_start", "_suffix", "_tries")

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._tries = _TRIES_MAX
        self.forget()

    def text_of(self, data: bytes) -> str | None:
        """The text of a chunk that is the template with another text; None if it is anything else."""
        if len(data) < self._length_min or not (data.startswith(self._prefix) and data.endswith(self._suffix)):
            return None
        try:
            value: str = orjson.loads(data[self._start : len(data) - len(self._suffix) + 1])
        except orjson.JSONDecodeError:
            return None
        self._tries = _TRIES_MAX
        return value

    def forget(self) -> None:
        """The last whole chunk is no template."""
        self._prefix = self._suffix = b""
        self._start = 0
        self._length_min = 1 << 62

    def learn(self, data: bytes, obj: Any) -> None:
        """Take the whole chunk `data`, parsed as `obj`, as the template if it has exactly one provable text."""
        self.forget()
        if self._tries <= 0 or (slot := self._slot(obj)) is None or not is_text(slot[0][slot[1]]):
            return
        self._tries -= 1
        if (match := _pattern(slot[1]).search(data)) is None:
            return
        start = match.end() - 1
        if (end := _STRING_END.match(data, start + 1)) is None:
            return
        prefix, suffix = data[: start + 1], data[end.end() - 1 :]
        if self._is_proven(prefix[:-1] + _MARK_JSON + suffix[1:], obj):
            self._prefix, self._suffix, self._start = prefix, suffix, start
            self._length_min = len(prefix) + len(suffix)

    def _is_proven(self, marked: bytes, obj: Any) -> bool:
        try:
            other = loads(marked)
        except JsonInvalid:
            return False
        slot, other_slot = self._slot(obj), self._slot(other)
        if slot is None or other_slot is None or other_slot[0][name := slot[1]] != _MARK:
            return False
        other_slot[0][name] = slot[0][name]
        return bool(other == obj)


@cache
def _pattern(name: str) -> re.Pattern[bytes]:
    """Where the text of member `name` may begin; slots have a few fixed names."""
    return re.compile(rb'"' + name.encode() + rb'"\s*:\s*"')


class TextWriter:
    """Writes texts as the last whole chunk with that text."""

    __slots__ = ("_obj", "_prefix", "_slot", "_suffix")

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._obj: JsonObject | None = None
        self._prefix = self._suffix = b""

    def learn(self, obj: JsonObject) -> None:
        """Take the JSON object of the last whole chunk; it is not looked at before a text comes."""
        self._obj = obj
        self._prefix = b""

    def written(self, text: str) -> bytes:
        """The JSON of the chunk that `text` stands for. Raises ValueError if no whole chunk with a text came before."""
        if not self._prefix:
            self._split()
        try:
            return self._prefix + orjson.dumps(text) + self._suffix
        except TypeError:
            return self._prefix + dumps(text) + self._suffix

    def all_written(self, texts: Sequence[str], before: bytes, after: bytes) -> bytes:
        """The same of several in a row, each between `before` and `after`."""
        if not self._prefix:
            self._split()
        head, tail = before + self._prefix, self._suffix + after
        try:
            return head + (tail + head).join(map(orjson.dumps, texts)) + tail
        except TypeError:
            return head + (tail + head).join(map(dumps, texts)) + tail

    def _split(self) -> None:
        slot = self._slot(self._obj)
        if slot is None:
            raise ValueError("a text came, but the chunk before it has not exactly one text to replace")
        holder, name = slot
        holder[name] = _MARK
        self._prefix, _, self._suffix = dumps(self._obj).partition(_MARK_JSON)
        self._obj = None  # an idle stream holds two byte strings, not a tree
