"""A cheap HTTP/1.1 client at protocol level: what drives load must cost less than what it loads.

Rules:
    - One request at a time per connection; the connection is kept and is made anew when it was lost.
    - An answer says how it ended: `is_whole` only when its framing (content-length, or the last chunk) is
      complete. A lost connection is an answer that is not whole, not an exception.
    - Bodies are kept as they came and decoded when asked: nothing is parsed while load runs.
Not here:
    - gRPC (drivers); what load to make (bench, suites).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONTENT = re.compile(rb'"(?:content|text)":\s?"[^"]')
LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:\s*chunked")
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. Times are seconds since the request was sent; `first_s` is the first content's, None without."""

    status: int
    raw: bytes
    is_chunked: bool
    is_whole: bool
    seconds: float
    first_s: float | None

    @property
    def body(self) -> bytes:
        """The body without the chunked coding."""
        return b"".join(_chunks(self.raw)) if self.is_chunked else self.raw

    @property
    def has_done(self) -> bool:
        """Whether the stream said it is complete."""
        return DONE in self.body


@dataclass(frozen=True, slots=True)
class Address:
    """Where to send requests, and as whom."""

    host: str
    port: int
    path: str
    key: str

    @classmethod
    def of(cls, base_url: str, key: str) -> Address:
        """From the base URL an OpenAI SDK takes."""
        url = urlsplit(base_url)
        return cls(url.hostname or "127.0.0.1", url.port or 80, url.path.rstrip("/"), key)

    def request(self, operation: str, body: dict[str, Any]) -> bytes:
        """A whole request; `operation` is such as `chat/completions`."""
        data = json.dumps(body).encode()
        head = (
            f"POST {self.path}/{operation} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data


class _Wire(asyncio.Protocol):
    """One TCP connection; tells its owner what happens as long as it is the owner's current one."""

    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio's own promise

    def data_received(self, data: bytes) -> None:
        if self._owner.wire is self:
            self._owner.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._owner.wire is self:
            self._owner.lost()


class Connection:
    """One connection at a time; use `ask`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.wire: _Wire | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._first_s: float | None = None
        self._clear()

    async def ask(self, request: bytes) -> Answer:
        """Send and wait for the answer's end. Cancelling closes the connection. Raises OSError when there is none."""
        loop = asyncio.get_running_loop()
        try:
            if self.wire is None or self.wire.transport is None or self.wire.transport.is_closing():
                self.wire = wire = _Wire(self)
                await loop.create_connection(lambda: wire, self._address.host, self._address.port)
            assert self.wire.transport is not None
            self._clear()
            self._waiter = loop.create_future()
            self._sent_s = time.perf_counter()
            self.wire.transport.write(request)
            return await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Close at once."""
        wire, self.wire = self.wire, None
        if wire is not None and wire.transport is not None:
            wire.transport.abort()

    def lost(self) -> None:
        """The connection is gone; an answer that had not ended is not whole."""
        self.wire = None
        self._finish(is_whole=False)

    def data_received(self, data: bytes) -> None:
        """Collect; look for the first content and for the end."""
        self._buffer += data
        if self._body_at < 0 and not self._read_head():
            return
        if self._first_s is None and CONTENT.search(self._buffer, self._body_at):
            self._first_s = time.perf_counter() - self._sent_s
        if self._is_chunked:
            if self._buffer.endswith(LAST_CHUNK):
                self._finish(is_whole=True)
        elif len(self._buffer) - self._body_at >= self._size:
            self._finish(is_whole=True)

    def _clear(self) -> None:
        self._buffer = bytearray()
        self._body_at, self._size, self._is_chunked = -1, 0, False
        self._first_s = None
        self._sent_s = 0.0

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end])
        found = LENGTH.search(head)
        self._body_at, self._size = end + 4, int(found.group(1)) if found else 0
        self._is_chunked = CHUNKED.search(head) is not None
        return True

    def _finish(self, *, is_whole: bool) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        status = int(self._buffer[9:12]) if self._body_at >= 0 else 0
        raw = bytes(self._buffer[max(self._body_at, 0) :])
        seconds = time.perf_counter() - self._sent_s
        waiter.set_result(Answer(status, raw, self._is_chunked, is_whole, seconds, self._first_s))
        self._buffer = bytearray()


def _chunks(raw: bytes) -> list[bytes]:
    """The parts of a body in the chunked coding; what does not fit it is left out."""
    parts, at = [], 0
    while (end := raw.find(b"\r\n", at)) >= 0:
        try:
            size = int(raw[at:end].split(b";")[0], 16)
        except ValueError:
            break
        if not size:
            break
        parts.append(raw[end + 2 : end + 2 + size])
        at = end + 4 + size
    return parts
