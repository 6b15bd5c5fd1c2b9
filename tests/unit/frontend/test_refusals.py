"""Every request that cannot be served gets the OpenAI error object, with the status and the headers it needs."""

from __future__ import annotations

import gzip
import json
import random
import zlib

import pytest

from gateway.core.errors import TABLE, GatewayError, Kind
from gateway.rpc.contract import Head
from tests.unit.frontend.harness import CHAT_BODY, answers, error_of, frontend, post, split

PATH = "/v1/chat/completions"
CHAT = json.dumps(CHAT_BODY).encode()


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "word"),
    [
        pytest.param(post("/v1/nope", {}), 404, None, "Invalid URL (POST /v1/nope)", id="unknown-path"),
        pytest.param(post("/models", b"", method="GET"), 404, None, "Invalid URL (GET /models)", id="X1-no-v1"),
        pytest.param(post("/v1/messages", {}), 404, None, "Invalid URL", id="X9-messages"),
        pytest.param(post("/v1/v1/messages", {}), 404, None, "Invalid URL", id="X9-v1-v1"),
        pytest.param(post("/v1/chat/completions/", {}), 404, None, "Invalid URL", id="trailing-slash"),
        pytest.param(post("/v1/../v1/models", b"", method="GET"), 404, None, "Invalid URL", id="dot-segments"),
        pytest.param(post("/v1%2Fmodels", b"", method="GET"), 404, None, "Invalid URL", id="encoded-slash"),
        pytest.param(post("/v1/models/", b"", method="GET"), 404, None, "Invalid URL", id="empty-model-id"),
        pytest.param(
            post(PATH, CHAT, "Content-Type: text/plain"), 415, "unsupported_media_type", "text/plain", id="text"
        ),
        pytest.param(
            post(PATH, CHAT, "Content-Type: application/x-www-form-urlencoded"),
            415,
            "unsupported_media_type",
            "application/json",
            id="form",
        ),
        pytest.param(
            post(PATH, CHAT, "Content-Type: application/json; charset=latin-1"),
            415,
            "unsupported_media_type",
            "latin-1",
            id="charset",
        ),
        pytest.param(post(PATH, b""), 400, None, "empty", id="empty"),
        pytest.param(post(PATH, b'{"model": '), 400, None, "JSON", id="malformed"),
        pytest.param(post(PATH, b"\xff\xfe{}"), 400, None, "JSON", id="not-utf8"),
        pytest.param(post(PATH, b"[1]"), 400, None, "an array", id="array"),
        pytest.param(post(PATH, b"null"), 400, None, "null", id="null"),
        pytest.param(post(PATH, b'"x"'), 400, None, "a string", id="string"),
        pytest.param(post(PATH, b'{"a":' + b"[" * 70 + b"]" * 70 + b"}"), 400, None, "64", id="too-deep"),
        pytest.param(post(PATH, CHAT, "Content-Encoding: br"), 415, "unsupported_media_type", "br", id="brotli"),
        pytest.param(
            post(PATH, CHAT, "Content-Encoding: gzip, gzip"), 415, "unsupported_media_type", "gzip", id="twice"
        ),
        pytest.param(post(PATH, CHAT, "Content-Encoding: gzip"), 400, None, "gzip", id="not-gzip"),
        pytest.param(
            post(PATH, gzip.compress(CHAT)[:-9], "Content-Encoding: gzip"), 400, None, "cut off", id="truncated-gzip"
        ),
        pytest.param(
            post(PATH, gzip.compress(CHAT) + b"x", "Content-Encoding: gzip"), 400, None, "after its end", id="gzip-tail"
        ),
        pytest.param(post(PATH, b"x" * 5000), 413, "request_too_large", "4096", id="too-large"),
        pytest.param(
            post(PATH, b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
            413,
            "request_too_large",
            "4096",
            id="too-large-chunked",
        ),
        pytest.param(
            post(PATH, gzip.compress(b" " * 5000), "Content-Encoding: gzip"),
            413,
            "request_too_large",
            "4096",
            id="inflated",
        ),
        pytest.param(
            post(PATH, b"zz\r\n", "Transfer-Encoding: chunked"), 400, "invalid_http", "HTTP/1.1", id="bad-chunk-size"
        ),
        pytest.param(post(PATH, CHAT, "x-request-timeout: soon"), 400, None, "x-request-timeout", id="bad-timeout"),
        pytest.param(post(PATH, CHAT, "x-request-timeout: -1"), 400, None, "x-request-timeout", id="negative-timeout"),
        pytest.param(post(PATH, CHAT, "x-request-timeout: nan"), 400, None, "x-request-timeout", id="nan-timeout"),
        pytest.param(
            post(PATH, CHAT, "Authorization: Bearer a", "Authorization: Bearer b"),
            400,
            None,
            "Authorization",
            id="two-keys",
        ),
        pytest.param(
            post(PATH, CHAT, "Authorization: Bearer sk-\xe9"), 401, "invalid_api_key", "characters", id="odd-key"
        ),
    ],
)
async def test_refused(request_bytes: bytes, status: int, code: str | None, word: str) -> None:
    """The status, code and a word of the message for each way to send a wrong request; no call is made."""
    async with frontend(http={"body_max_bytes": 4096}, profile={"dialects": ["openai"]}) as front:
        got, headers, body = split(await front.raw(request_bytes))
        assert front.toy.calls == []
    error = error_of(body)
    assert (got, error["code"]) == (status, code)
    assert word in error["message"]
    assert headers["content-type"] == "application/json"
    assert headers.get("x-request-id", "").startswith("req_") is (code != "invalid_http")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no-host"),
        pytest.param(b"hello\r\n\r\n", 400, id="not-http"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, id="tls"),
        pytest.param(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400, id="version"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, id="S7-space-before-colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400, id="S7-obs-fold"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\na: b\x00c\r\n\r\n", 400, id="S7-nul"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="S7-both-lengths",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400, id="S7-two"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, id="S7-negative"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"b" * 40_000 + b"\r\n\r\n", 431, id="header-too-large"),
        pytest.param(b"GET /" + b"b" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, id="line-too-large"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400, id="too-many-headers"),
    ],
)
async def test_what_is_not_http_gets_json_too(request_bytes: bytes, status: int) -> None:
    """A request that cannot be parsed is answered with the error object and its connection closed."""
    async with frontend() as front:
        got, headers, body = split(await front.raw(request_bytes))
    assert got == status
    assert error_of(body)["type"] == "invalid_request_error"
    assert headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_wrong_method(path: str, method: str) -> None:
    """A wrong method is 405 and says which ones are right."""
    async with frontend() as front:
        status, headers, body = split(await front.raw(post(path, b"", method=method)))
    assert status == 405
    assert headers["allow"] == "POST, OPTIONS"
    assert body == b"" if method == "HEAD" else error_of(body)["code"] == "method_not_supported"


async def test_compression_is_undone() -> None:
    """gzip, deflate with and without its wrapper, and identity give the same call."""
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": gzip.compress(CHAT),
        "deflate": zlib.compress(CHAT),
        "Deflate": raw.compress(CHAT) + raw.flush(),
        "identity": CHAT,
    }
    async with frontend() as front:
        for coding, body in bodies.items():
            status, _, _ = split(await front.raw(post(PATH, body, f"Content-Encoding: {coding}")))
            assert status == 200
    assert {call[1].model for call in front.toy.calls} == {"m-1"}


async def test_bomb_is_refused_by_its_ratio() -> None:
    """A body that inflates a thousandfold is refused although it would fit the size limit."""
    body = gzip.compress(b'{"model":"' + b"x" * 8_000_000 + b'"}')
    async with frontend() as front:
        status, _, answer = split(await front.raw(post(PATH, body, "Content-Encoding: gzip")))
    assert len(body) < 20_000
    assert status == 413
    assert "factor" in error_of(answer)["message"]


async def test_declared_size_is_refused_before_the_body_is_sent() -> None:
    """A declared length beyond the limit is answered although not one byte of it came."""
    async with frontend(http={"body_max_bytes": 4096}) as front:
        status, headers, _ = split(
            await front.raw(post(PATH, b"", "Content-Length: 999999999", "Expect: 100-continue"))
        )
    assert status == 413
    assert headers["connection"] == "close"


async def test_expectation_is_met() -> None:
    """`Expect: 100-continue` is answered before the body is there, as curl needs for large ones."""
    async with frontend() as front:
        answer = await front.raw(post(PATH, CHAT, "Expect: 100-continue"))
    _, _, rest = answer.partition(b"\r\n\r\n") if answer.startswith(b"HTTP/1.1 100") else (b"", b"", answer)
    assert split(rest)[0] == 200


@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_has_its_status(kind: Kind) -> None:
    """Every kind of failure has the status, type and code of the table, message and param of the failure."""

    async def script(method, request, context):
        yield Head({})
        raise GatewayError(kind, "Words.", param="messages[0]")

    async with frontend(script) as front:
        status, _, body = split(await front.raw(post(PATH, CHAT)))
    row = TABLE[kind]
    assert status == row.http_status
    assert error_of(body) == {
        "message": "Words.",
        "type": row.openai_type,
        "param": "messages[0]",
        "code": row.openai_code,
    }


async def test_retry_headers_are_whole_seconds_of_at_least_one() -> None:
    """K17: retry-after is an integer of at least 1, retry-after-ms the exact wait."""
    for wait_s, seconds, milliseconds in [(0.0, "1", "1"), (0.25, "1", "250"), (59.01, "60", "59010")]:

        async def script(method, request, context, wait_s=wait_s):
            raise GatewayError(Kind.RATE_LIMITED, "Wait.", retry_after_s=wait_s)
            yield Head({})

        async with frontend(script) as front:
            _, headers, _ = split(await front.raw(post(PATH, CHAT)))
        assert (headers["retry-after"], headers["retry-after-ms"]) == (seconds, milliseconds)


async def test_headers_of_a_call_cannot_split_the_answer() -> None:
    """CR, LF and NUL in values become `?`; malformed and connection-level names are dropped."""

    async def script(method, request, context):
        evil = {
            "x-a": "b\r\nset-cookie: c=1\x00\x85\u2028",
            "x b": "1",
            "x\r\ny": "1",
            "transfer-encoding": "chunked",
            "content-length": "5",
            "connection": "upgrade",
        }
        yield Head(evil)
        async for item in answers(method, request, context):
            if not isinstance(item, Head):
                yield item

    async with frontend(script) as front:
        for stream in (False, True):
            answer = await front.raw(post(PATH, {**CHAT_BODY, "stream": stream}))
            status, headers, _ = split(answer)
            assert status == 200
            assert headers["x-a"] == "b??set-cookie: c=1?\x85?"
            assert headers["connection"] == "close"
            assert "set-cookie" not in headers
            assert not {"x b", "x", "y"} & headers.keys()


@pytest.mark.parametrize(
    ("header", "is_kept"),
    [
        ("x-request-id: abc.DEF_1-2", True),
        ("x-request-id: " + "a" * 128, True),
        ("x-request-id: " + "a" * 129, False),
        ("x-request-id: a b", False),
        ("x-request-id: \xe9", False),
        ("x-request-id: ", False),
    ],
)
async def test_request_id(header: str, is_kept: bool) -> None:
    """A well-formed id of the client is kept; any other is replaced by `req_` and 32 hex digits."""
    async with frontend() as front:
        _, headers, _ = split(await front.raw(post(PATH, CHAT, header)))
    given = header.partition(": ")[2]
    assert (headers["x-request-id"] == given) is is_kept
    if not is_kept:
        assert len(headers["x-request-id"]) == 36
        assert int(headers["x-request-id"].removeprefix("req_"), 16) >= 0
    assert front.toy.calls[0][2].request_id == headers["x-request-id"]


async def test_untrusted_request_id_is_replaced() -> None:
    """Where the configuration says so, the client's id is not used."""
    async with frontend(http={"is_request_id_trusted": False}) as front:
        _, headers, _ = split(await front.raw(post(PATH, CHAT, "x-request-id: mine")))
    assert headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("headers", "credential"),
    [
        ([], ""),
        (["Authorization: Bearer gw-1.s"], "gw-1.s"),
        (["Authorization: bearer   gw-1.s  "], "gw-1.s"),
        (["Authorization: Basic dTpw"], ""),
        (["Authorization: Bearer"], ""),
        (["Authorization: gw-1.s"], ""),
        (["x-api-key: gw-2.s"], ""),
    ],
)
async def test_credential_is_carried_not_judged(headers: list[str], credential: str) -> None:
    """Only the bearer scheme carries a key in the default profile; without one the service decides."""
    async with frontend() as front:
        status, _, _ = split(await front.raw(post(PATH, CHAT, *headers)))
    assert status == 200
    assert front.toy.calls[0][2].credential == credential


async def test_other_carriers_by_profile() -> None:
    """A profile may name other carriers; the first that is there counts."""
    async with frontend(profile={"key_carriers": ["bearer", "x-api-key"]}) as front:
        await front.raw(post(PATH, CHAT, "x-api-key: gw-2.s"))
        await front.raw(post(PATH, CHAT, "x-api-key: gw-2.s", "Authorization: Bearer gw-1.s"))
    assert [call[2].credential for call in front.toy.calls] == ["gw-2.s", "gw-1.s"]


async def test_context_of_a_call() -> None:
    """Deadline, trace and peer reach the call; a malformed trace does not, nor does any other header."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with frontend() as front:
        await front.raw(post(PATH, CHAT, "x-request-timeout: 2.5", f"traceparent: {trace}", "x-forwarded-for: 9.9.9.9"))
        await front.raw(post(PATH, CHAT, "traceparent: 00-xyz", "cookie: a=b"))
    first, second = (call[2] for call in front.toy.calls)
    assert (first.timeout_ms, first.traceparent) == (2500, trace)
    assert first.peer.startswith("127.0.0.1:")
    assert (first.profile, first.dialect, first.protocol) == ("default", "openai", "http")
    assert not second.HasField("timeout_ms")
    assert second.traceparent == ""
    assert dict(second.headers) == {}


async def test_peer_behind_a_trusted_proxy() -> None:
    """With a trusted proxy the address it appended counts, not what the client wrote before it."""
    async with frontend(http={"is_forwarded_for_trusted": True}) as front:
        await front.raw(post(PATH, CHAT, "x-forwarded-for: 6.6.6.6, 10.0.0.7"))
    assert front.toy.calls[0][2].peer == "10.0.0.7"


@pytest.mark.parametrize("name", [b"\xff\xfe", b"%ff%fe", b"a\xe9", b"%00", b"%0d%0ax"])
async def test_odd_model_ids_reach_the_service_as_text(name: bytes) -> None:
    """Bytes that are no UTF-8 in a path are replaced, not a failure of the gateway."""
    async with frontend() as front:
        status, _, _ = split(await front.raw(b"GET /v1/models/" + name + b" HTTP/1.0\r\n\r\n"))
    assert status in (200, 400)


async def test_odd_paths_are_404() -> None:
    """A path of any bytes is quoted back as valid JSON, and not at length."""
    async with frontend() as front:
        for path in (b"/\xff\xfe", b"/%ff", b"/" + b"a" * 5000, b"//v1/models"):
            status, _, body = split(await front.raw(b"GET " + path + b" HTTP/1.0\r\n\r\n"))
            assert status in (400, 404)
            assert len(error_of(body)["message"]) < 300


@pytest.mark.parametrize("path", [PATH, "/v1/completions", "/v1/embeddings"])
async def test_lone_surrogates_are_no_bug(path: str) -> None:
    """Text that JSON can hold and UTF-8 cannot is answered or refused, never a 500."""
    lone = b'"\\ud800"'
    body = b'{"model":%b,"messages":[{"role":"user","content":%b}],"prompt":%b,"input":%b,%b:1}' % ((lone,) * 5)
    async with frontend() as front:
        status, _, _ = split(await front.raw(post(path, body)))
    assert status in (200, 400)


async def test_request_ids_do_not_repeat() -> None:
    """Made ids differ even when something in the process seeds the shared random generator."""
    async with frontend() as front:
        seen = set()
        for _ in range(3):
            random.seed(1)
            seen.add(split(await front.raw(post("/health", b"", method="GET")))[1]["x-request-id"])
    assert len(seen) == 3
