"""Routes, answers and streams of the HTTP edge over a real socket."""

from __future__ import annotations

import json

import aiohttp
import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Head
from tests.unit.frontend.harness import CHAT_BODY, chunk, error_of, frontend, post, split


async def test_chat_answers_json() -> None:
    """A chat request becomes one Chat call and its answer, with the call's headers and both stages of the edge."""
    async with frontend() as front:
        status, headers, body = split(
            await front.raw(
                post("/v1/chat/completions", CHAT_BODY, "Authorization: Bearer gw-1.x", "x-request-id: a-1")
            )
        )
        method, request, context = front.toy.calls[0]
    document = json.loads(body)
    assert status == 200
    assert document["choices"][0]["finish_reason"] == "stop"
    assert (method.name, request.model, context.credential, context.request_id) == ("Chat", "m-1", "gw-1.x", "a-1")
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"] == "a-1"
    assert headers["x-ratelimit-limit-requests"] == "10"
    stages = [stage.split(";")[0] for stage in headers["server-timing"].split(", ")]
    assert stages == ["accept", "admit", "render"]
    assert headers["openai-processing-ms"].isdigit()


async def test_chat_streams_events() -> None:
    """A streamed chat is unnamed events in order, then [DONE], then the end of the answer."""
    async with frontend() as front:
        status, headers, body = split(await front.raw(post("/v1/chat/completions", {**CHAT_BODY, "stream": True})))
    frames = body.split(b"\n\n")
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-gateway-provider"] == "toy"
    assert headers["x-ratelimit-limit-requests"] == "10"
    assert "server-timing" not in headers
    assert frames[-2:] == [b"data: [DONE]", b""]
    assert len(frames) == 5
    assert all(frame.startswith(b"data: {") for frame in frames[:3])


async def test_failure_before_the_first_batch_is_an_error_answer() -> None:
    """Nothing is promised before there is content: a failure after Head is an ordinary HTTP error with its headers."""

    async def script(method, request, context):
        yield Head({"x-ratelimit-remaining-requests": "0"})
        raise GatewayError(Kind.RATE_LIMITED, "Too many requests.", retry_after_s=1.2, limit="requests")

    async with frontend(script) as front:
        for stream in (True, False):
            answer = await front.raw(post("/v1/chat/completions", {**CHAT_BODY, "stream": stream}))
            status, headers, body = split(answer)
            assert status == 429
            assert error_of(body)["code"] == "rate_limit_exceeded"
            assert headers["retry-after"] == "2"
            assert headers["retry-after-ms"] == "1200"
            assert headers["x-ratelimit-remaining-requests"] == "0"


async def test_failure_in_a_stream_is_an_event_and_a_cut() -> None:
    """After the first batch a failure is one error event; no [DONE], no end of the chunked coding."""

    async def script(method, request, context):
        yield [chunk("Hel"), "lo"]
        raise GatewayError(Kind.STREAM_CUT, "The provider's stream ended before its end.")

    async with frontend(script) as front:
        status, _, body = split(await front.raw(post("/v1/chat/completions", {**CHAT_BODY, "stream": True})))
        (observation,) = await front.observed()
    frames = body.split(b"\n\n")
    assert status == 200
    assert error_of(frames[2].removeprefix(b"data: "))["code"] == "stream_cut"
    assert frames[3:] == [b"<cut>"]
    assert (observation.outcome, observation.error, observation.chunks) == ("error", "STREAM_CUT", 2)


async def test_stream_that_stops_without_tail_is_cut() -> None:
    """A call that just ends is not taken for complete."""

    async def script(method, request, context):
        yield [chunk("Hel")]

    async with frontend(script) as front:
        _, _, body = split(await front.raw(post("/v1/chat/completions", {**CHAT_BODY, "stream": True})))
    assert b"[DONE]" not in body
    assert b"stream_cut" in body


async def test_bug_is_500_without_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is a 500 that names the request id; the traceback is logged once."""

    async def script(method, request, context):
        yield Head({})
        raise RuntimeError("secret detail")

    async with frontend(script) as front:
        status, headers, body = split(await front.raw(post("/v1/chat/completions", CHAT_BODY)))
    error = error_of(body)
    assert status == 500
    assert error["code"] == "internal_error"
    assert headers["x-request-id"] in error["message"]
    assert b"secret" not in body
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_other_endpoints_answer() -> None:
    """Completions (whole and streamed), embeddings, the model list and one model reach their methods."""
    async with frontend() as front, aiohttp.ClientSession(front.url) as session:
        async with session.post("/v1/completions", json={"model": "m-1", "prompt": "x"}) as answer:
            assert (await answer.json())["object"] == "text_completion"
        async with session.post("/v1/completions", json={"model": "m-1", "prompt": "x", "stream": True}) as answer:
            assert (await answer.read()).endswith(b"data: [DONE]\n\n")
        async with session.post("/v1/embeddings", json={"model": "e-1", "input": "x"}) as answer:
            assert (await answer.json())["object"] == "list"
        async with session.get("/v1/models") as answer:
            assert [item["id"] for item in (await answer.json())["data"]] == ["m-1", "e-1"]
        async with session.get("/v1/models/vendor/m:free") as answer:
            assert (await answer.json())["id"] == "vendor/m:free"
        async with session.get("/v1/models/a%2Fb%3Ac") as answer:
            assert (await answer.json())["id"] == "a/b:c"
    assert [call[0].name for call in front.toy.calls] == [
        "Complete",
        "StreamComplete",
        "Embed",
        "ListModels",
        "GetModel",
        "GetModel",
    ]
