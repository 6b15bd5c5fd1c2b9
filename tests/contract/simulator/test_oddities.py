"""What a decoder must stand: line ends, comments, coding, sizes and broken framing, each seen on a raw socket."""

import asyncio
import gzip
import zlib

import orjson
import pytest

from gateway.simulator.server import Running
from tests.contract.simulator.raw import chat, request_bytes

WORDS = ["You", " said:", " hello", " big", " world"]


@pytest.mark.parametrize(
    ("option", "mark"),
    [
        ("bytes-1", b"data: {"),
        ("bytes-7-crlf", b"}\r\n\r\ndata: "),
        ("crlf", b"}\r\n\r\ndata: "),
        ("cr", b"}\r\rdata: "),
        ("bom", b"\xef\xbb\xbfdata: "),
        ("comments", b": keep-alive\n\ndata: "),
        ("comments-crlf", b": keep-alive\r\n\r\ndata: "),
        ("nospace", b'data:{"id"'),
        ("multiline", b',\ndata: "object"'),
        ("extra", b'"x_big":1180591620717411303424'),
        ("extra-multiline-cr-nospace", b'\rdata:"x_null":null'),
        ("close", b"data: [DONE]\n\n"),
    ],
)
async def test_legal_oddities_keep_the_text(simulator: Running, option: str, mark: bytes) -> None:
    """Each oddity stands in the bytes, and a standard reader still sees the same words."""
    seen = await chat(simulator.port, f"sim-{option}")
    assert mark in seen.body
    parsed = [event.data for event in seen.events]
    assert parsed[-1] == b"[DONE]"
    if "extra" not in option:
        assert seen.texts == WORDS
    assert seen.was_closed == (option == "close")


async def test_one_byte_at_a_time(simulator: Running) -> None:
    """Every HTTP chunk holds one byte."""
    seen = await chat(simulator.port, "sim-bytes-1")
    sizes = seen.rest.count(b"1\r\n")
    assert sizes >= len(seen.body)


async def test_extra_members_are_everywhere(simulator: Running) -> None:
    """Every object of an answer has unknown members: null, beyond 64 bits, nested."""
    body = (await chat(simulator.port, "sim-extra", stream=False)).body
    assert body.count(b'"x_null":null') == 6  # body, choice, message, usage and its two details
    assert body.count(b'"x_big":1180591620717411303424') == 6


async def test_gzip_unasked(simulator: Running) -> None:
    """A stream and an answer come compressed though nobody asked for it."""
    seen = await chat(simulator.port, "sim-gzip", stream=False)
    assert seen.headers["content-encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(seen.body))["choices"][0]["message"]["content"] == "".join(WORDS)
    stream = await chat(simulator.port, "sim-gzip")
    assert zlib.decompress(stream.body, wbits=31).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(("option", "mark"), [("nan", b":NaN}"), ("badutf8", b'"content":"\xff\xfe')])
@pytest.mark.parametrize("stream", [True, False])
async def test_illegal_text(simulator: Running, option: str, mark: bytes, *, stream: bool) -> None:
    """Text that no JSON reader may take as it is."""
    assert mark in (await chat(simulator.port, f"sim-{option}", stream=stream)).body


async def test_usage_in_each_chunk_grows(simulator: Running) -> None:
    """A vendor that reports usage all along: each figure replaces the one before, the last is the whole."""
    chunks = [orjson.loads(event.data) for event in (await chat(simulator.port, "sim-usage-each")).events[:-1]]
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [0, 1, 2, 3, 4, 5, 5]
    assert all(chunk["choices"] for chunk in chunks)


async def test_a_prelude_has_no_choices(simulator: Running) -> None:
    """A first chunk on which `choices[0]` fails, and the same words after it."""
    seen = await chat(simulator.port, "sim-prelude")
    assert orjson.loads(seen.events[0].data)["choices"] == []
    assert seen.texts == WORDS


@pytest.mark.parametrize("stream", [True, False])
async def test_a_kept_connection_hangs_up(simulator: Running, *, stream: bool) -> None:
    """The answer is whole and promises to keep the connection, which then closes: the next request on it fails."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(request_bytes("sim-hangup", stream=stream))
    answer = await reader.read()
    assert answer.endswith(b"0\r\n\r\n" if stream else b"}}}")
    assert b"connection: close" not in answer.lower()
    writer.close()
    assert simulator.observed.stats()["completed"] == 1


async def test_sizes(simulator: Running) -> None:
    """One chunk, or one body, of as many megabytes as named."""
    chunk = await chat(simulator.port, "sim-huge-chunk-3")
    assert max(len(event.data) for event in chunk.events) > 3 << 20
    body = await chat(simulator.port, "sim-huge-body-3", stream=False)
    assert len(body.json["x_padding"]) == 3 << 20


async def test_broken_connections(simulator: Running) -> None:
    """FIN without an answer, RST in mid-stream, bytes that are no HTTP, a chunk size that is no number."""
    silent = await chat(simulator.port, "sim-cut-before-headers")
    assert (silent.head, silent.was_closed) == (b"", True)
    reset = await chat(simulator.port, "sim-reset-2")
    assert (reset.texts, reset.was_reset) == (WORDS[:2], True)
    garbage = await chat(simulator.port, "sim-garbage")
    assert garbage.head.startswith(b"SSH-2.0")
    broken = await chat(simulator.port, "sim-badchunk-2")
    assert broken.texts == WORDS[:2]
    assert b"\r\nzz\r\n" in broken.rest
    assert all(request["outcome"] == "faulted" for request in simulator.observed.requests(None))


async def test_unusual_answers(simulator: Running) -> None:
    """A redirect, a web page, an error event, and statuses by number."""
    assert (await chat(simulator.port, "sim-redirect")).headers["location"] == "/_sim/redirected"
    assert (await chat(simulator.port, "sim-html", stream=False)).headers["content-type"].startswith("text/html")
    events = (await chat(simulator.port, "sim-error-2")).events
    assert orjson.loads(events[-1].data)["error"]["code"] == "server_error"
    for status in (400, 401, 403, 404, 409, 413, 422, 500, 502, 504):
        seen = await chat(simulator.port, f"sim-status-{status}")
        assert (seen.status, set(seen.json["error"])) == (status, {"message", "type", "param", "code"})
    assert (await chat(simulator.port, "sim-chunk-3")).json["error"]["code"] == "model_not_found"


async def test_comments_while_waiting(simulator: Running) -> None:
    """A late first chunk is preceded by keep-alives, so that only a content clock notices it."""
    seen = await chat(simulator.port, "sim-comments-first-3500")
    assert seen.body.split(b"data:", 1)[0].count(b": keep-alive") >= 4
