"""What running streams delivered so far, in a file that outlives the process: one slot a stream, written in place.

Rules:
    - A slot is `SLOT_BYTES` of a mapped file: delivered characters, chunks, and the stream's record. Writing a count
      costs an assignment, and a killed process leaves what it wrote; a crash of the machine may not.
    - At most `SLOTS_MAX` streams have one; those beyond run without.
Not here:
    - Records of calls that ended (segments).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.accounts.journal.record import Running, running_of

SLOT_BYTES = 512
SLOTS_MAX = 65_536
_WORDS = SLOT_BYTES // 8
_TEXT_AT = 24
_TEXT_MAX = SLOT_BYTES - _TEXT_AT


class Meter:
    """One stream's slot: call it with what was delivered so far."""

    __slots__ = ("_at", "_words", "place")

    def __init__(self, words: memoryview, place: int) -> None:
        self._words = words
        self._at = place * _WORDS
        self.place = place

    def __call__(self, chars: int) -> None:
        """So many characters were given to the caller."""
        self._words[self._at] = chars


class Slots:
    """The slots of this process in the file `path`, made anew."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.ftruncate(fd, SLOT_BYTES * SLOTS_MAX)  # sparse: only pages that were written take room
            self._map = mmap.mmap(fd, SLOT_BYTES * SLOTS_MAX)
        finally:
            os.close(fd)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("Q")
        self._free: list[int] = []
        self._next = 0

    def take(self, running: Running) -> Meter | None:
        """A slot for a stream that begins; None when all are taken or the record does not fit."""
        text = running.text()
        if len(text) > _TEXT_MAX or (not self._free and self._next >= SLOTS_MAX):
            return None
        if self._free:
            place = self._free.pop()
        else:
            place, self._next = self._next, self._next + 1
        start = place * SLOT_BYTES
        self._words[place * _WORDS] = 0
        self._bytes[start + _TEXT_AT : start + _TEXT_AT + len(text)] = text
        self._words[place * _WORDS + 2] = len(text)  # last: a slot without length is free
        return Meter(self._words, place)

    def give_back(self, meter: Meter) -> None:
        """The stream was settled."""
        self._words[meter.place * _WORDS + 2] = 0
        self._free.append(meter.place)

    def close(self) -> None:
        """Unmap the file."""
        self._words.release()
        self._bytes.release()
        self._map.close()


def left_in(path: Path) -> Iterator[tuple[Running, int]]:
    """The streams that a dead process left running, each with the characters it had delivered."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for start in range(0, len(data) - SLOT_BYTES + 1, SLOT_BYTES):
        length = int.from_bytes(data[start + 16 : start + _TEXT_AT], "little")
        if not 0 < length <= _TEXT_MAX:
            continue
        running = running_of(data[start + _TEXT_AT : start + _TEXT_AT + length])
        if running is not None:
            yield running, int.from_bytes(data[start : start + 8], "little")
