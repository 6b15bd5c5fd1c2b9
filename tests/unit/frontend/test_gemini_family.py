"""Gemini's endpoints over a scripted service: paths, key carriers, both shapes of a stream, failures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CallContext, Head, Item, Method, Tail
from gateway.wire.pb import chat_pb2
from tests.support.waiting import PATIENCE_S
from tests.unit.frontend.harness import Front, answers, chunk, frontend, post, split

BODY: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
VERTEX = "/v1/projects/p/locations/l/publishers/google/models"
KEY = "x-goog-api-key: gw-a.b"


async def broken(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
    """A stream that fails after its first text."""
    yield Head({})
    yield [chunk("Hel")]
    raise GatewayError(Kind.PROVIDER_RATE_LIMITED, "slow down", retry_after_s=1.5)


async def refusing(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
    """A call that fails at once, for a member."""
    raise GatewayError(
        Kind.UNSUPPORTED_PARAMETER, "Cannot take `messages[1].content[0]`.", param="messages[1].content[0]"
    )
    yield Head({})


async def finished(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
    """A stream whose end waits for the usage that never comes."""
    last = chat_pb2.ChatChunk(id="chatcmpl-1")
    last.choices.add(index=0, finish_reason="stop")
    yield Head({})
    yield [chunk("a"), "b"]
    yield [last]
    yield Tail({})


async def ask(front: Front, path: str, body: Any = None, *headers: str, method: str = "POST") -> tuple[int, Any]:
    """Status and JSON of an answer."""
    status, _, data = split(await front.raw(post(path, BODY if body is None else body, *headers, method=method)))
    return status, json.loads(data)


def texts(frames: list[Any]) -> str:
    """What a stream's frames say."""
    parts = [part for frame in frames for part in frame["candidates"][0]["content"].get("parts", ())]
    return "".join(part["text"] for part in parts)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/m-1:generateContent", "m-1"),
        ("/v1/models/m-1:generateContent", "m-1"),
        ("/v1alpha/models/m-1:generateContent", "m-1"),
        ("/v1beta/models/vendor/name:free:generateContent", "vendor/name:free"),
        ("/v1beta/models/vendor%2Fname%3Afree:generateContent", "vendor/name:free"),
        (f"{VERTEX}/m-1:generateContent", "m-1"),
        ("/v1beta1/publishers/google/models/m-1:generateContent", "m-1"),
    ],
)
async def test_the_model_is_in_the_path(path: str, model: str) -> None:
    """Under every version, with slashes and colons; all are one route."""
    async with frontend() as front:
        status, body = await ask(front, path, None, KEY)
        ((_, request, context),) = front.toy.calls
        (seen,) = await front.observed()
    assert (status, body["candidates"][0]["content"]["parts"]) == (200, [{"text": "Hello."}])
    assert (request.model, request.dialect, request.stream) == (model, "gemini", False)
    assert (context.dialect, context.credential) == ("gemini", "gw-a.b")
    assert seen.route == "/v1beta/models/{model}:generateContent"


@pytest.mark.parametrize(
    ("path", "headers", "credential"),
    [
        ("?key=gw-q.s", (), "gw-q.s"),
        ("?key=", (), ""),
        ("?alt=json&key=gw%2Dq.s", (), "gw-q.s"),
        ("?key=gw-q.s", (KEY,), "gw-a.b"),
        ("", ("authorization: Bearer gw-c.d",), "gw-c.d"),
        ("", (), ""),
    ],
)
async def test_where_a_key_may_stand(path: str, headers: tuple[str, ...], credential: str) -> None:
    """In `x-goog-api-key`, as a bearer token, in the URL's `key`; no observation holds it."""
    async with frontend() as front:
        await ask(front, f"/v1beta/models/m:countTokens{path}", None, *headers)
        ((_, _, context),) = front.toy.calls
        (seen,) = await front.observed()
    assert context.credential == credential
    assert "gw-" not in repr(seen)


async def test_a_key_that_cannot_be_one_is_refused() -> None:
    """Whatever characters the URL decodes to; too many parameters are not read."""
    async with frontend() as front:
        status, body = await ask(front, "/v1beta/models/m:generateContent?key=a%0Ab")
        assert (status, body["error"]["status"]) == (401, "UNAUTHENTICATED")
        status, body = await ask(front, "/v1beta/models/m:generateContent?" + "a=1&" * 101)
        assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert not front.toy.calls


@pytest.mark.parametrize(
    ("header", "path", "shape"),
    [
        (KEY, "/v1/models", "models"),
        ("x-ignored: 1", "/v1/models?key=gw-a.b", "models"),
        ("x-ignored: 1", "/v1/models?keys=1", "data"),
        ("authorization: Bearer gw-a.b", "/v1/models", "data"),
        ("authorization: Bearer gw-a.b", "/v1beta/models?pageSize=5", "models"),
    ],
)
async def test_whose_list_of_models_it_is(header: str, path: str, shape: str) -> None:
    """Where OpenAI's, Anthropic's and Gemini's clients have one path, the key's carrier tells."""
    async with frontend() as front:
        status, body = await ask(front, path, None, header, method="GET")
        assert (status, shape in body) == (200, True)
        one = await ask(front, path.replace("/models", "/models/m-1"), None, header, method="GET")
    assert one == (200, body[shape][0])
    assert body[shape][0].get("name", "models/m-1") == "models/m-1"


async def test_what_a_model_is_for_gemini() -> None:
    """Its name, its window and its methods."""
    async with frontend() as front:
        _, body = await ask(front, "/v1beta/models/m-1", None, KEY, method="GET")
    assert body == {
        "name": "models/m-1",
        "baseModelId": "m-1",
        "displayName": "m-1",
        "inputTokenLimit": 8192,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }


async def test_a_stream_of_events() -> None:
    """With `alt=sse`: unnamed events and no end mark; the usage is asked for."""
    async with frontend() as front:
        raw = await front.raw(post("/v1beta/models/m:streamGenerateContent?alt=sse", BODY, KEY))
        ((_, request, _),) = front.toy.calls
    status, headers, data = split(raw)
    frames = [json.loads(event.removeprefix(b"data: ")) for event in data.split(b"\n\n")[:-1]]
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert texts(frames) == "Hello."
    assert b"[DONE]" not in data
    assert request.stream
    assert request.stream_options.include_usage


@pytest.mark.parametrize("query", ["", "?alt=json", "?$alt=json"])
async def test_a_stream_that_is_an_array(query: str) -> None:
    """Without `alt=sse`: JSON, one element for each frame, closed at the end; what waits for usage comes with it."""
    async with frontend(finished) as front:
        status, headers, data = split(await front.raw(post(f"/v1beta/models/m:streamGenerateContent{query}", BODY)))
    frames = json.loads(data)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert texts(frames) == "ab"
    assert [frame["candidates"][0].get("finishReason") for frame in frames] == [None, None, "STOP"]


async def test_an_array_without_elements_is_one() -> None:
    """A stream that says nothing is `[]`."""

    async def silent(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        yield [chat_pb2.ChatChunk(id="c")]
        yield Tail({})

    async with frontend(silent) as front:
        assert await ask(front, "/v1beta/models/m:streamGenerateContent") == (200, [])


async def test_elements_come_as_they_are_made() -> None:
    """The first element can be read while the stream goes on."""
    go_on = asyncio.Event()

    async def slow(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        yield [chunk("a")]
        await go_on.wait()
        yield ["b"]
        yield Tail({})

    async with frontend(slow) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(post("/v1beta/models/m:streamGenerateContent", BODY))
        await reader.readuntil(b"\r\n\r\n")
        size = int(await reader.readline(), 16)
        first = (await reader.readexactly(size + 2))[:-2]
        go_on.set()
        rest = await reader.read()
        writer.close()
    assert texts([json.loads(first.removeprefix(b"["))]) == "a"
    assert rest.endswith(b"]\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("is_sse", [True, False])
async def test_a_stream_that_fails(is_sse: bool) -> None:
    """Its last event or element is the error, and its connection is cut in the middle of the answer."""
    async with frontend(broken) as front:
        raw = await front.raw(post(f"/v1beta/models/m:streamGenerateContent{'?alt=sse' * is_sse}", BODY))
    _, _, data = split(raw)
    assert data.endswith(b"<cut>")
    data = data.removesuffix(b"<cut>")
    frames = [json.loads(e[6:]) for e in data.split(b"\n\n")[:-1]] if is_sse else json.loads(data)
    assert texts(frames[:-1]) == "Hel"
    error = frames[-1]["error"]
    assert (error["code"], error["status"], error["message"]) == (429, "RESOURCE_EXHAUSTED", "slow down")
    waits = [detail["retryDelay"] for detail in error["details"] if "retryDelay" in detail]
    assert waits == ["1.5s"]


@pytest.mark.parametrize("is_sse", [True, False])
async def test_a_stream_that_fails_before_it_began(is_sse: bool) -> None:
    """Is an error with a status; in an array where an array was asked for. Members have Gemini's names."""
    async with frontend(refusing) as front:
        path = f"/v1beta/models/m:streamGenerateContent{'?alt=sse' * is_sse}"
        status, headers, data = split(await front.raw(post(path, BODY)))
    body = json.loads(data) if is_sse else json.loads(data)[0]
    assert (status, headers["content-type"]) == (400, "application/json")
    assert body["error"]["message"] == "Cannot take `contents[1].parts[0]`."
    (violation,) = [detail for detail in body["error"]["details"] if "fieldViolations" in detail]
    assert violation["fieldViolations"][0]["field"] == "contents[1].parts[0]"


@pytest.mark.parametrize(
    "path", ["/v1beta/models/m:streamGenerateContent?alt=sse", "/v1beta/models/m:streamGenerateContent"]
)
async def test_a_quiet_stream_is_kept_alive(path: str) -> None:
    """By an empty line, which neither Google's SDKs nor a JSON parser mind."""

    is_kept = asyncio.Event()

    async def quiet(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        yield [chunk("a")]
        await is_kept.wait()
        yield ["b"]
        yield Tail({})

    async with frontend(quiet, http={"stream_ping_s": 0.05}) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(post(path, BODY))
        raw = await asyncio.wait_for(reader.readuntil(b"1\r\n\n\r\n"), PATIENCE_S)
        is_kept.set()
        raw += await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
    assert b"1\r\n\n\r\n" in raw
    assert b": ping" not in raw
    _, _, data = split(raw)
    lines = [line for line in data.split(b"\n") if line.startswith(b"data: ")]
    frames = [json.loads(line[6:]) for line in lines] if "sse" in path else json.loads(data)
    assert texts(frames) == "ab"


@pytest.mark.parametrize("is_sse", [True, False])
async def test_a_client_that_leaves_ends_its_call(is_sse: bool) -> None:
    """In the middle of either stream."""

    async def endless(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        yield [chunk("a")]
        await asyncio.Event().wait()

    async with frontend(endless) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(post(f"/v1beta/models/m:streamGenerateContent{'?alt=sse' * is_sse}", BODY))
        await reader.readuntil(b"candidates")
        writer.close()
        await asyncio.wait_for(front.toy.closed.wait(), PATIENCE_S)
        (seen,) = await front.observed()
    assert seen.outcome == "cancelled"


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("POST", "/v1beta/models/m:predict", 404, "NOT_FOUND"),
        ("POST", "/v1beta/models/m", 404, "NOT_FOUND"),
        ("GET", "/v1beta/models/m:generateContent", 405, "UNIMPLEMENTED"),
        ("PUT", "/v1beta/models/m", 405, "UNIMPLEMENTED"),
        ("POST", "/v1beta/tunedModels/t:generateContent", 404, "NOT_FOUND"),
        ("POST", "/v1/tunedModels/t:generateContent", 404, "NOT_FOUND"),
        ("GET", "/v1beta/files", 404, "NOT_FOUND"),
        ("POST", "/v1beta/cachedContents", 404, "NOT_FOUND"),
        ("GET", f"{VERTEX}/m", 404, "NOT_FOUND"),
    ],
)
async def test_what_is_not_here_is_refused_in_its_words(method: str, path: str, status: int, word: str) -> None:
    """Google's error object."""
    async with frontend() as front:
        answered, body = await ask(front, path, None, KEY, method=method)
        assert not front.toy.calls
    assert (answered, body["error"]["code"], body["error"]["status"]) == (status, status, word)


async def test_a_profile_without_the_format() -> None:
    """Has none of its paths, and OpenAI's words for them; `GET /v1/models` is OpenAI's whatever the key's carrier."""
    async with frontend(profile={"dialects": ["openai"]}) as front:
        for path in ("/v1beta/models/m:generateContent", "/v1/models/m:generateContent"):
            status, body = await ask(front, path, None, KEY)
            assert (status, set(body["error"])) == (404, {"message", "type", "param", "code"})
        status, body = await ask(front, "/v1/models", None, KEY, method="GET")
    assert (status, body["object"]) == (200, "list")


@pytest.mark.parametrize(("name", "is_inner"), [("generateContentRequest", True), ("", False)])
async def test_counting(name: str, is_inner: bool) -> None:
    """Of contents, or of a whole request inside."""

    async def counted(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        yield Head({})
        yield [chat_pb2.TokenCount(input_tokens=len(request.messages))]
        yield Tail({})

    async with frontend(counted) as front:
        body = {name: {**BODY, "model": "models/m"}} if is_inner else BODY
        assert await ask(front, "/v1beta/models/m:countTokens", body) == (200, {"totalTokens": 1})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": {}}, "requests"),
        ({"requests": [{"content": {}}, 1]}, "requests"),
        ({"requests": [{"content": {}}, {}]}, "requests[1].content"),
    ],
)
async def test_a_batch_that_is_none(body: dict[str, Any], param: str) -> None:
    """Is refused by name."""
    async with frontend() as front:
        status, answer = await ask(front, "/v1beta/models/m:batchEmbedContents", body)
    assert (status, answer["error"]["details"][0]["metadata"]["param"]) == (400, param)


async def test_vectors() -> None:
    """One content, one vector; a batch, a list."""
    async with frontend() as front:
        one = {"content": {"parts": [{"text": "a"}]}}
        assert await ask(front, "/v1beta/models/e:embedContent", one) == (200, {"embedding": {"values": [0.5, -1]}})
        many = await ask(front, "/v1beta/models/e:batchEmbedContents", {"requests": [one]})
        requests = [request for _, request, _ in front.toy.calls]
    assert many == (200, {"embeddings": [{"values": [0.5, -1]}]})
    assert [(list(request.input.texts), request.dialect) for request in requests] == [(["a"], "gemini")] * 2


async def test_dropped_members_have_their_own_names() -> None:
    """In `x-gateway-dropped`."""

    async def dropping(method: Method, request: Any, context: CallContext) -> AsyncGenerator[Item, None]:
        async for item in answers(method, request, context):
            yield Head({"x-gateway-dropped": "top_k, tools.googleSearch"}) if isinstance(item, Head) else item

    async with frontend(dropping) as front:
        _, headers, _ = split(await front.raw(post("/v1beta/models/m:generateContent", BODY)))
    assert headers["x-gateway-dropped"] == "generationConfig.topK, tools.googleSearch"
