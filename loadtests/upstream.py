"""A canned OpenAI upstream at protocol level: the cheapest thing a gateway can stand in front of.

    python -m loadtests.upstream PORT

Rules:
    - Nothing is computed per request; a paced stream is one timer. What is measured is never this process.
    - The model name chooses: `bench` answers at once (64 chunks when streamed), `bench-slow-N-MS` streams N
      chunks, one each MS milliseconds, `bench-wait-MS` answers after MS milliseconds, `bench-share-N-MS` does
      so for N requests at a time and takes longer in proportion for more. Streams of `/messages` are all there at
      once, whatever the model.
    - `GET /_stats` tells what it saw: requests, aborted, streams_open, connections.
Not here:
    - Faults and true answers (gateway.simulator).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import uvloop

CHUNKS = 64
BACKLOG = 8192
MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"]*/)?bench(?:-(slow|wait|share)-(\d+)(?:-(\d+))?)?')
STREAM = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
USAGE = {"prompt_tokens": 10, "completion_tokens": CHUNKS, "total_tokens": 10 + CHUNKS}
NAMES = {"id": "chatcmpl-canned", "created": 1_700_000_000, "model": "bench"}


def whole(body: Any) -> bytes:
    """A response with a JSON body."""
    data = json.dumps(body, separators=(",", ":")).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


def event(body: Any) -> bytes:
    """One server-sent event in one HTTP chunk."""
    data = b"data: %b\n\n" % (body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode())
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk(choices: list[Any], **more: Any) -> bytes:
    """One chat completion chunk."""
    return event({"object": "chat.completion.chunk", **NAMES, "choices": choices, **more})


def delta(content: dict[str, str], finish: str | None = None) -> list[Any]:
    """The choices of one chunk."""
    return [{"index": 0, "delta": content, "finish_reason": finish}]


ANSWER = whole(
    {
        "object": "chat.completion",
        **NAMES,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A canned sentence of moderate length. " * 7},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
)
EMBEDDING = whole(
    {
        "object": "list",
        "model": "bench",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.125] * 256}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
)
START = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(
    delta({"role": "assistant", "content": ""})
)
WORD = chunk(delta({"content": " hello"}))
END = chunk(delta({}, "stop")) + chunk([], usage=USAGE) + event(b"[DONE]") + b"0\r\n\r\n"
BURST = START + WORD * CHUNKS + END


def _translated() -> bytes:
    """The burst as Anthropic's events."""

    def named(type_: str, **members: Any) -> bytes:
        data = json.dumps({"type": type_, **members}, separators=(",", ":")).encode()
        framed = b"event: %b\ndata: %b\n\n" % (type_.encode(), data)
        return b"%x\r\n%b\r\n" % (len(framed), framed)

    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_canned", "type": "message", "role": "assistant", "model": "bench", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    word = named("content_block_delta", index=0, delta={"type": "text_delta", "text": " hello"})
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        + named("message_start", message=message)
        + named("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + word * CHUNKS
        + named("content_block_stop", index=0)
        + named(
            "message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": CHUNKS}
        )
        + named("message_stop")
        + b"0\r\n\r\n"
    )


ANTHROPIC_BURST = _translated()


class Counters:
    """What was seen since the start."""

    requests = 0
    aborted = 0
    streams_open = 0
    connections = 0
    sharing = 0  # requests that share the upstream's speed now


class Canned(asyncio.Protocol):
    """One connection."""

    def __init__(self, counters: Counters) -> None:
        self._seen = counters
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0
        self._is_shared = False
        self._pause_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # asyncio's own promise
        self._seen.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left; in the middle of an answer that is an abort."""
        self._seen.connections -= 1
        if self._timer is not None:
            self._seen.sharing -= self._is_shared
            self._timer.cancel()
            self._seen.aborted += 1
            self._seen.streams_open -= self._left > 0

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = LENGTH.search(head)
            size = end + 4 + (int(found.group(1)) if found else 0)
            if len(self._buffer) < size:
                return
            body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /_stats"):
            names = ("requests", "aborted", "streams_open", "connections")
            self._transport.write(whole({name: getattr(self._seen, name) for name in names}))
            return
        self._seen.requests += 1
        target = head.partition(b"\r\n")[0]
        if b"/embeddings" in target or b"/messages" in target:
            self._transport.write(EMBEDDING if b"/embeddings" in target else ANTHROPIC_BURST)
            return
        found = MODEL.search(body)
        kind, first, second = found.groups(b"0") if found else (b"", b"0", b"0")
        if kind == b"wait":
            self._timer = self._loop.call_later(int(first) / 1000, self._late, BURST if STREAM.search(body) else ANSWER)
        elif kind == b"share":
            self._seen.sharing, self._is_shared = self._seen.sharing + 1, True
            wait_s = int(second) / 1000 * max(1.0, self._seen.sharing / int(first))
            self._timer = self._loop.call_later(wait_s, self._shared, BURST if STREAM.search(body) else ANSWER)
        elif kind == b"slow" and STREAM.search(body):
            self._left, self._pause_s = int(first), int(second) / 1000
            self._seen.streams_open += 1
            self._transport.write(START)
            self._timer = self._loop.call_later(self._pause_s, self._word)
        else:
            self._transport.write(BURST if STREAM.search(body) else ANSWER)

    def _shared(self, answer: bytes) -> None:
        self._seen.sharing, self._is_shared = self._seen.sharing - 1, False
        self._late(answer)

    def _late(self, answer: bytes) -> None:
        self._timer = None
        self._transport.write(answer)

    def _word(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._transport.write(WORD)
            self._timer = self._loop.call_later(self._pause_s, self._word)
            return
        self._timer = None
        self._seen.streams_open -= 1
        self._transport.write(WORD + END)


async def main(port: int) -> None:
    """Serve until killed."""
    counters = Counters()
    server = await asyncio.get_running_loop().create_server(
        lambda: Canned(counters), "127.0.0.1", port, backlog=BACKLOG
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
