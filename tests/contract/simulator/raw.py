"""A raw HTTP/1.1 client for tests: what stood on the socket, and how the connection ended."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.wire.sse import SseEvent, SseParser
from tests.support.waiting import PATIENCE_S

MESSAGES = [{"role": "user", "content": "hello big world"}]


@dataclass
class Seen:
    """Everything that came: the status, headers, the de-chunked body as far as it came, and the connection's end."""

    head: bytes
    rest: bytes
    was_reset: bool = False
    was_closed: bool = False

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}

    @property
    def is_whole(self) -> bool:
        """Whether the framing says that the body came to its end."""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return self.rest.endswith(b"0\r\n\r\n")
        return len(self.rest) == int(self.headers["content-length"])

    @property
    def body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rest
        body, rest = b"", self.rest
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            try:
                length = int(size, 16)
            except ValueError:
                break
            body, rest = body + rest[:length], rest[length + 2 :]
        return body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[SseEvent]:
        parser = SseParser(64 << 20)
        return parser.feed(self.body) + parser.finish()

    @property
    def texts(self) -> list[str]:
        """The content deltas of a chat stream."""
        chunks = [orjson.loads(event.data) for event in self.events if event.data[:1] == b"{"]
        deltas = [choice["delta"].get("content") for chunk in chunks for choice in chunk.get("choices", ())]
        return [text for text in deltas if text]


def request_bytes(model: str, *, stream: bool, **fields: Any) -> bytes:
    body = orjson.dumps({"model": model, "stream": stream, "messages": MESSAGES, **fields})
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: upstream\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )


async def chat(port: int, model: str, *, stream: bool = True, within_s: float = PATIENCE_S, **fields: Any) -> Seen:
    """Send one chat request and read until the answer or the connection ends; TimeoutError when neither does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 << 20)
    try:
        async with asyncio.timeout(within_s):
            writer.write(request_bytes(model, stream=stream, **fields))
            return await _read(reader)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen:
    data = b""
    try:
        while piece := await reader.read(1 << 20):
            data += piece
            head, separator, rest = data.partition(b"\r\n\r\n")
            seen = Seen(head, rest)
            if (
                separator
                and head.startswith(b"HTTP/1.1")
                and seen.is_whole
                and seen.headers.get("connection") != "close"
            ):
                return seen
    except ConnectionResetError:
        head, _, rest = data.partition(b"\r\n\r\n")
        return Seen(head, rest, was_reset=True)
    head, _, rest = data.partition(b"\r\n\r\n")
    return Seen(head, rest, was_closed=True)
