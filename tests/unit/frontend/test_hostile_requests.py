"""What strangers may send to the HTTP listener: requests two parsers could read differently, other names, crowds."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.unit.frontend.harness import CHAT_BODY, error_of, frontend, post, split, until

CHAT = json.dumps(CHAT_BODY).encode()
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def asked(*lines: str, body: bytes = b"", version: str = "1.1", line_end: str = "\r\n") -> bytes:
    """A request with exactly these header lines, and another one behind its body."""
    head = line_end.join([f"POST /v1/chat/completions HTTP/{version}", "Host: x", *lines, "", ""])
    return head.encode("latin-1") + body + SMUGGLED


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(asked("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), id="both-lengths"),
        pytest.param(asked("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), id="both-turned"),
        pytest.param(asked("Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"), id="chunked-not-last"),
        pytest.param(asked("Transfer-Encoding: identity", "Content-Length: 0"), id="identity"),
        pytest.param(asked("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), id="nearly-chunked"),
        pytest.param(asked("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), id="vertical-tab"),
        pytest.param(asked("Transfer-Encoding : chunked", body=b"0\r\n\r\n"), id="space-before-colon"),
        pytest.param(asked("A: b", " Transfer-Encoding: chunked", body=b"0\r\n\r\n"), id="obs-fold"),
        pytest.param(asked(*["Transfer-Encoding: chunked"] * 2, body=b"0\r\n\r\n"), id="chunked-twice"),
        pytest.param(asked("Transfer-Encoding: chunked", body=b"0\r\n\r\n", version="1.0"), id="chunked-in-1.0"),
        pytest.param(asked("Content-Length: +5", body=b"abcde"), id="plus-sign"),
        pytest.param(asked("Content-Length: 5, 5", body=b"abcde"), id="list-of-lengths"),
        pytest.param(asked(*["Content-Length: 5"] * 2, body=b"abcde"), id="same-length-twice"),
        pytest.param(asked("Content-Length: 0x5", body=b"abcde"), id="hexadecimal-length"),
        pytest.param(asked("Content-Length: 1_0", body=b"abcdeabcde"), id="underscore"),
        pytest.param(asked("Content-Length: 99999999999999999999999", body=b"abcde"), id="length-overflow"),
        pytest.param(asked("Content-Length: 5", body=b"abcde", line_end="\n"), id="bare-line-feeds"),
        pytest.param(asked("A: b\nContent-Length: 5", body=b"abcde"), id="one-bare-line-feed"),
        pytest.param(asked("A: b\rContent-Length: 5", body=b"abcde"), id="bare-carriage-return"),
        pytest.param(asked("A: b\0c", "Content-Length: 0"), id="nul"),
        pytest.param(asked("Transfer-Encoding: chunked", body=b"5\nabcde\n0\n\n"), id="chunks-with-line-feeds"),
        pytest.param(asked("Transfer-Encoding: chunked", body=b"5;a\nabcde\r\n0\r\n\r\n"), id="extension-line-feed"),
        pytest.param(
            asked("Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n"), id="chunk-overflow"
        ),
        pytest.param(asked("Transfer-Encoding: chunked", body=b"-5\r\nabcde\r\n0\r\n\r\n"), id="negative-chunk"),
        pytest.param(asked("Transfer-Encoding: chunked", body=b"0x5\r\nabcde\r\n0\r\n\r\n"), id="prefixed-chunk"),
        pytest.param(asked("Transfer-Encoding: chunked", body=b"5\r\nabcdeXX0\r\n\r\n"), id="chunk-without-end"),
        pytest.param(asked("Host: y", "Content-Length: 0"), id="two-hosts"),
    ],
)
async def test_S7_what_could_be_read_in_two_ways_ends_the_connection(sent: bytes) -> None:
    """One answer, 400, and the end: nothing behind the doubtful message is taken for a request."""
    async with frontend() as front:
        answer = await front.raw(sent)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert split(answer)[0] == 400
        assert b"healthy" not in answer
        assert front.toy.calls == []


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(asked(f"Content-Length: {len(CHAT)}", body=CHAT), id="length"),
        pytest.param(
            asked("Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(CHAT), CHAT)), id="chunks"
        ),
        pytest.param(asked("Transfer-Encoding: gzip, chunked", body=b"2\r\n{}\r\n0\r\n\r\n"), id="other-coding-too"),
        pytest.param(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde" + SMUGGLED, id="get-body"),
    ],
)
async def test_S7_what_has_one_length_is_read_by_it(sent: bytes) -> None:
    """Two requests, two answers, in order, whatever the first is about."""
    async with frontend() as front:
        answer = await front.raw(sent)
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"healthy" in answer.rpartition(b"HTTP/1.1 ")[2]


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/v1/models", "api.example.com", 200),
        ("/v1/models", "API.example.com:8080", 200),
        ("/v1/models", "[::1]:8080", 200),
        ("/v1/models", "evil.example.com", 421),
        ("/v1/models", "api.example.com.evil.com", 421),
        ("/v1/models", "api.example.com@evil.com", 421),
        ("/v1/models", "", 421),
        ("http://api.example.com/v1/models", "api.example.com", 200),
        ("http://evil.example.com/v1/models", "api.example.com", 421),
        ("http://api.example.com/v1/models", "evil.example.com", 421),
        ("/health", "10.0.0.7:8080", 200),
        ("/nowhere", "evil.example.com", 421),
    ],
)
async def test_S8_only_names_that_are_allowed_are_answered(target: str, host: str, status: int) -> None:
    """Of `host` and an absolute target, both must be allowed; probes ask by address."""
    async with frontend(http={"allowed_hosts": ["api.example.com", "[::1]"]}) as front:
        answer = await front.raw(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    got, _, body = split(answer)
    assert got == status
    if status == 421:
        assert error_of(body)["code"] == "misdirected_request"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../v1/models",
        "/v1/./models",
        "/v1//models",
        "/v1%2Fmodels",
        "/%76%31/models",
        "/V1/models",
        "/v1/models%00",
    ],
)
async def test_S8_a_path_is_taken_as_it_was_sent(path: str) -> None:
    """No decoding, no dot segments, no case: one spelling of each route, so nobody can read it in another way."""
    async with frontend() as front:
        assert split(await front.raw(post(path, b"", method="GET")))[0] == 404
        assert front.toy.calls == []


async def test_S6_one_address_has_its_share_of_connections() -> None:
    """One more than `max_connections_per_peer` is closed without an answer; when one leaves, the next is taken."""
    async with frontend(http={"max_connections_per_peer": 3}) as front:
        held = [await asyncio.open_connection("127.0.0.1", front.port) for _ in range(3)]
        await until(lambda: front.running.connection_count == 3)
        assert await front.raw(b"") == b""
        await until(lambda: front.running.connection_count == 3)
        held[0][1].close()
        await until(lambda: front.running.connection_count == 2)
        assert split(await front.raw(post("/health", b"", method="GET")))[0] == 200
        for _, writer in held:
            writer.close()
        await until(lambda: not front.running.connection_count)


async def test_S9_an_answer_tells_nothing_of_the_inside() -> None:
    """A bug, a wrong path, a wrong method: our words and a request id; no traceback, file, class or library."""

    async def broken(*_: object):  # type: ignore[no-untyped-def]  # as a script is
        raise RuntimeError("planted-in-a-traceback /usr/lib/secret.py")
        yield

    async with frontend(broken) as front:
        for sent in (post("/v1/chat/completions", CHAT), post("/x", b""), post("/v1/models", b"", method="DELETE")):
            answer = await front.raw(sent)
            assert split(answer)[1]["x-request-id"].startswith("req_")
            for word in (b"planted", b"Traceback", b".py", b"RuntimeError", b"aiohttp", b"server:", b"python"):
                assert word not in answer.lower() if word.islower() else word not in answer
