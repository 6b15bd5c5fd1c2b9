"""Upstreams that stop at a chosen point and tell, on their own clock, when the caller's connection went away.

Rules:
    - Bare sockets: no HTTP library between a closed connection and its time.
    - `Sighting.gone_s` is `time.monotonic()`, the clock of the test, so that both ends can be compared.
    - An answer is held until the connection ends; nothing here times out.
Not here: vendors' behaviour (gateway.simulator), recorded bodies (tests.support.recorder).
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SYN_SENT = "02"
HEAD_SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
HEAD_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n"
HEAD_BUSY = b"HTTP/1.1 503 Busy\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def chunk_of(text: str) -> bytes:
    """One content chunk of an OpenAI stream, in the chunked coding."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    data = b"data: " + json.dumps(body).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass(slots=True)
class Sighting:
    """One connection: the bytes that came, and when it was lost (None while it stands)."""

    received: bytearray = field(default_factory=bytearray)
    gone_s: float | None = None

    @property
    def model(self) -> str:
        """The model of the last request; empty when none is whole."""
        _, _, body = bytes(self.received).rpartition(b"\r\n\r\n")
        try:
            return str(json.loads(body)["model"])
        except ValueError:
            return ""


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._seen = Sighting()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._upstream.seen.append(self._seen)

    def data_received(self, data: bytes) -> None:
        self._seen.received += data
        model = self._seen.model
        if model:
            self._transport.write(self._upstream.answer(model))

    def connection_lost(self, _: Exception | None) -> None:
        self._seen.gone_s = time.monotonic()


@dataclass(slots=True)
class Upstream:
    """Listens at `url`. What a request gets is a word of its model's name: `silent`, `headers`, `streaming`, `busy`.

    The other words, joined by dashes, tell calls apart; `json` among them asks for what is no stream.
    """

    url: str = ""
    seen: list[Sighting] = field(default_factory=list)

    def of(self, model: str) -> list[Sighting]:
        """The connections whose last request named this model."""
        return [sighting for sighting in self.seen if sighting.model == model]

    @staticmethod
    def answer(model: str) -> bytes:
        """What a model's name stands for."""
        words = model.split("-")
        word = next(word for word in words if word in ANSWERS)
        as_stream, as_json = ANSWERS[word]
        return as_json if "json" in words or "unary" in words else as_stream


ANSWERS = {
    "silent": (b"", b""),
    "headers": (HEAD_SSE, HEAD_JSON),
    "streaming": (HEAD_SSE + chunk_of("one") + chunk_of("two"), HEAD_JSON + b'{"id": "x",'),
    "busy": (HEAD_BUSY, HEAD_BUSY),
}
"""By word: what a stream gets, what a call that is no stream gets."""


@asynccontextmanager
async def stopping_upstream() -> AsyncIterator[Upstream]:
    """Run an `Upstream` until the block ends."""
    upstream = Upstream()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(upstream), "127.0.0.1", 0)
    try:
        upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield upstream
    finally:
        server.close()


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port where nobody accepts and no connection can be made: SYNs are dropped. Linux only."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        try:
            while not connecting_to(port):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                fillers.append(filler)
                time.sleep(0.01)
            fillers.pop().close()  # the one that could not connect
            yield port
        finally:
            for filler in fillers:
                filler.close()


def connecting_to(port: int) -> int:
    """How many sockets of this machine are trying to connect to that port (SYN sent, not answered)."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        count += state == SYN_SENT and int(remote.partition(":")[2], 16) == port
    return count
