"""Canned OpenAI answers for load tests: whole HTTP/1.1 responses, made once when this file is imported.

Rules:
- Nothing is computed per request: what a load test measures is the gateway, not its upstream.
- A stream's chunks are each one event in one HTTP chunk, as vendors send them; every answer keeps the connection.

Not here: pace and waiting (play.py), which model names mean this (behaviour.py).
"""

from typing import Any

import orjson

from gateway.simulator.reply import Canned
from gateway.wire.sse import encode_event

CHUNKS = 64
_USAGE = {"prompt_tokens": 10, "completion_tokens": 64, "total_tokens": 74}
_HEAD = {"created": 1700000000, "model": "bench"}
_START = b"HTTP/1.1 200 OK\r\nx-request-id: req_bench\r\nContent-Type: "
_STREAM_HEAD = _START + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _answer(body: dict[str, Any]) -> bytes:
    data = orjson.dumps(body)
    return _START + b"application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data


def http_chunk(data: bytes) -> bytes:
    """Return the data as one chunk of the chunked transfer coding (RFC 9112, section 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(body: dict[str, Any]) -> bytes:
    return http_chunk(encode_event(orjson.dumps(body)))


def _chat() -> Canned:
    message = {"role": "assistant", "content": "Hello! How can I help you today? " * 8, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {"id": "chatcmpl-bench", "object": "chat.completion", **_HEAD, "choices": [choice], "usage": _USAGE}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {"id": "chatcmpl-bench", "object": "chat.completion.chunk", **_HEAD, "choices": choices}

    return Canned(
        _answer(body),
        _STREAM_HEAD + _event(chunk({"role": "assistant", "content": ""})),
        _event(chunk({"content": " hello"})),
        _event(chunk({}, "stop")) + _event({**chunk({}), "choices": [], "usage": _USAGE}) + _END,
    )


def _completions() -> Canned:
    def body(text: str, finish: str | None) -> dict[str, Any]:
        choices = [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}]
        return {"id": "cmpl-bench", "object": "text_completion", **_HEAD, "choices": choices}

    return Canned(
        _answer({**body(" hello" * CHUNKS, "stop"), "usage": _USAGE}),
        _STREAM_HEAD,
        _event(body(" hello", None)),
        _event(body("", "stop")) + _event({**body("", None), "choices": [], "usage": _USAGE}) + _END,
    )


def _embeddings() -> Canned:
    data = [{"object": "embedding", "index": 0, "embedding": [0.1] * 256}]
    body = {"object": "list", "model": "bench", "data": data, "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    return Canned(_answer(body), b"", b"", b"")


_END = http_chunk(encode_event(b"[DONE]")) + b"0\r\n\r\n"
OPENAI_BENCH = {"chat": _chat(), "completions": _completions(), "embeddings": _embeddings()}
