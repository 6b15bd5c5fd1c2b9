"""HTTP/2 by hand: frames and headers no client library would send.

Rules: headers are literals without indexing (RFC 7541, 6.2.2), so that any bytes can stand in them.
Not here: well-behaved RPCs (grpc).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable

from tests.support.waiting import PATIENCE_S

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL = 8


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literals(headers: Iterable[tuple[str, bytes]]) -> bytes:
    """A header block."""
    return b"".join([b"\x00" + _text(name.encode()) + _text(value) for name, value in headers])


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest, coded = len(text) - 127, b"\x7f"
    while rest >= 128:
        coded, rest = coded + bytes([rest % 128 + 128]), rest // 128
    return coded + bytes([rest]) + text


def call_head(path: str, *more: tuple[str, bytes]) -> bytes:
    """The header block of an RPC."""
    return literals(
        [
            (":method", b"POST"), (":scheme", b"http"), (":path", path.encode()), (":authority", b"test"),
            ("te", b"trailers"), ("content-type", b"application/grpc"), *more,
        ]
    )  # fmt: skip


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has said its preface and settings."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    return reader, writer


async def frames_until(reader: asyncio.StreamReader, kinds: set[int], wait_s: float = PATIENCE_S) -> list[int]:
    """The kinds of frames that came, up to the first of `kinds` for a stream, or the end of the connection (-1)."""
    seen: list[int] = []
    async with asyncio.timeout(wait_s):
        while True:
            try:
                head = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(head[:3]))
            except (asyncio.IncompleteReadError, ConnectionError):
                return [*seen, -1]
            seen.append(head[3])
            if head[3] in kinds:
                return seen
