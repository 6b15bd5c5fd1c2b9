"""Whatever bytes arrive, the edge answers with JSON or closes cleanly, and lives on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.wire import json as exact
from tests.support.strategies import json_values
from tests.support.waiting import PATIENCE_S
from tests.unit.frontend.harness import error_of, frontend, split

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

JSON = json_values(width=4, leaves=12)
MEMBERS = st.sampled_from(
    [
        "model",
        "messages",
        "stream",
        "tools",
        "stop",
        "temperature",
        "n",
        "prompt",
        "input",
        "stream_options",
        "logit_bias",
    ]
)
BODIES = (
    st.dictionaries(MEMBERS | st.text(max_size=6), JSON, max_size=8).map(exact.dumps)
    | JSON.map(exact.dumps)
    | st.binary(max_size=200)
)
PATHS = st.sampled_from(
    ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/a", "/"]
)
NAMES = st.sampled_from(
    [
        *("content-type", "content-encoding", "content-length", "transfer-encoding", "authorization", "expect"),
        *("connection", "upgrade", "x-request-id", "x-request-timeout", "traceparent", "origin", "accept", "host"),
    ]
) | st.text(alphabet="abcXYZ-_ 09", min_size=1, max_size=10)
VALUES = st.sampled_from(
    [
        "application/json",
        "gzip",
        "chunked",
        "0",
        "5",
        "close",
        "keep-alive",
        "websocket",
        "Upgrade",
        "100-continue",
        "nan",
    ]
) | st.binary(max_size=30).map(lambda value: value.decode("latin-1"))
METHODS = st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE", "PRI", "get"])


def check(data: bytes, *, is_head: bool = False) -> None:
    """Every answer in `data` is whole: JSON, an event stream, or without a body."""
    while data.startswith(b"HTTP/1.1 100 "):
        data = data.partition(b"\r\n\r\n")[2]
    if not data:
        return
    status, headers, body = split(data)
    if is_head or status == 204:
        return
    if "content-length" in headers:
        body = body[: int(headers["content-length"])]
    if headers["content-type"].startswith("text/event-stream"):
        assert body.endswith((b"data: [DONE]\n\n", b"<cut>"))
    elif status >= 400:
        error_of(body)
    else:
        json.loads(body)


@FUZZ
@given(PATHS, BODIES)
async def test_any_body(path: str, body: bytes) -> None:
    """Any body of any JSON, or of no JSON, gets an answer that is JSON or a stream, and is never a 500."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with frontend() as front:
        answer = await front.raw(head + body)
    check(answer)
    assert split(answer)[0] != 500


async def or_dropped(reading: Awaitable[bytes]) -> bytes:
    """What was read; nothing when the connection was dropped: with clocks of 0.2 s bytes may cross with the close."""
    try:
        return await reading
    except ConnectionResetError:
        return b""


@FUZZ
@given(METHODS, PATHS, st.lists(st.tuples(NAMES, VALUES), max_size=6), BODIES)
async def test_any_head(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """Any combination of headers gets an answer or a close within the clocks, never a hang."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers)]
    data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    async with frontend(http={"headers_timeout_s": 0.2, "body_timeout_s": 0.2, "keepalive_s": 0.2}) as front:
        check(await or_dropped(front.raw(data)), is_head=method == "HEAD")


@FUZZ
@given(st.binary(max_size=300), st.lists(st.integers(1, 300), max_size=4))
async def test_any_bytes_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    """Arbitrary bytes in arbitrary pieces are refused or dropped, and the next client is served."""
    async with frontend(http={"headers_timeout_s": 0.2, "body_timeout_s": 0.2}) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        at = 0
        for cut in [*cuts, len(data)]:
            writer.write(data[at : at + cut])
            at += cut
            await asyncio.sleep(0)
        check(await or_dropped(asyncio.wait_for(reader.read(), PATIENCE_S)))
        writer.close()
        assert split(await front.raw(b"GET /health HTTP/1.0\r\n\r\n"))[0] == 200
