"""The unmodified official Python SDK against the HTTP edge, over a scripted service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Head
from tests.unit.frontend.harness import Front, answers, chunk, frontend

MESSAGES = [{"role": "user", "content": "hi"}]


@asynccontextmanager
async def sdk(script=answers, *, max_retries: int = 0, **options) -> AsyncIterator[tuple[Front, openai.AsyncOpenAI]]:
    """A frontend over `script` and an SDK client of it."""
    async with (
        frontend(script, **options) as front,
        openai.AsyncOpenAI(base_url=f"{front.url}/v1", api_key="gw-1.s", max_retries=max_retries) as client,
    ):
        yield front, client


async def test_whole_answers() -> None:
    """Chat, completions, embeddings and models parse; the key arrives; the request id is exposed."""
    async with sdk() as (front, client):
        chat = await client.chat.completions.create(model="m-1", messages=MESSAGES)
        completion = await client.completions.create(model="m-1", prompt="x")
        embedding = await client.embeddings.create(model="e-1", input="x")
        models = [model.id async for model in client.models.list()]
        model = await client.models.retrieve("vendor/m:free")
        contexts = [call[2] for call in front.toy.calls]
    assert chat.choices[0].message.content == "Hello."
    assert chat._request_id.startswith("req_")
    assert completion.choices[0].text == " world"
    assert embedding.data[0].embedding == [0.5, -1.0]
    assert (models, model.id) == (["m-1", "e-1"], "vendor/m:free")
    assert {context.credential for context in contexts} == {"gw-1.s"}


async def test_streams() -> None:
    """Chat and completion streams give their texts in order and end."""
    async with sdk() as (_, client):
        chat = await client.chat.completions.create(model="m-1", messages=MESSAGES, stream=True)
        texts = [event.choices[0].delta.content async for event in chat]
        completion = await client.completions.create(model="m-1", prompt="x", stream=True)
        words = [event.choices[0].text async for event in completion]
    assert texts == ["Hel", "lo", "."]
    assert words == [" wor", "ld"]


@pytest.mark.parametrize(
    ("kind", "exception"),
    [
        (Kind.INVALID_REQUEST, openai.BadRequestError),
        (Kind.INVALID_KEY, openai.AuthenticationError),
        (Kind.PERMISSION_DENIED, openai.PermissionDeniedError),
        (Kind.MODEL_NOT_FOUND, openai.NotFoundError),
        (Kind.CONFLICT, openai.ConflictError),
        (Kind.RATE_LIMITED, openai.RateLimitError),
        (Kind.INTERNAL, openai.InternalServerError),
        (Kind.PROVIDER_ERROR, openai.InternalServerError),
        (Kind.DEADLINE_EXCEEDED, openai.InternalServerError),
        (Kind.INSUFFICIENT_BALANCE, openai.APIStatusError),
        (Kind.REQUEST_TOO_LARGE, openai.APIStatusError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_failures_are_the_right_exception(
    kind: Kind, exception: type[openai.APIStatusError], stream: bool
) -> None:
    """Each status raises the SDK's exception class, with our message, code and param."""

    async def script(method, request, context):
        yield Head({})
        raise GatewayError(kind, "Words.", param="model")

    async with sdk(script) as (_, client):
        with pytest.raises(exception) as raised:
            await client.chat.completions.create(model="m-1", messages=MESSAGES, stream=stream)
    error = raised.value
    row = GatewayError(kind, "").row
    assert (error.status_code, error.code, error.param) == (row.http_status, row.openai_code, "model")
    assert "Words." in error.message


async def test_failure_in_a_stream_raises() -> None:
    """A stream that fails after its first content raises with our message; it never looks complete."""

    async def script(method, request, context):
        yield [chunk("Hel")]
        raise GatewayError(Kind.STREAM_CUT, "The provider's stream ended before its end.")

    texts = []
    async with sdk(script) as (_, client):
        stream = await client.chat.completions.create(model="m-1", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match="before its end"):
            async for event in stream:
                texts.append(event.choices[0].delta.content)  # noqa: PERF401  # what came before the failure
    assert texts == ["Hel"]


async def test_retry_after_is_honoured_and_hopeless_retries_are_not_made() -> None:
    """The SDK waits as told before it tries again, and does not retry where `x-should-retry` says it cannot help."""

    async def limited_once(method, request, context):
        if len(front.toy.calls) == 1:
            raise GatewayError(Kind.RATE_LIMITED, "Wait.", retry_after_s=0.3)
        async for item in answers(method, request, context):
            yield item

    async with sdk(limited_once, max_retries=1) as (front, client):
        before = time.monotonic()
        await client.chat.completions.create(model="m-1", messages=MESSAGES)
        assert time.monotonic() - before >= 0.3
        assert len(front.toy.calls) == 2

    async def hopeless(method, request, context):
        raise GatewayError(Kind.DEADLINE_EXCEEDED, "Late.")
        yield Head({})

    async with sdk(hopeless, max_retries=2) as (front, client):
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="m-1", messages=MESSAGES)
        assert len(front.toy.calls) == 1


async def test_leaving_a_stream_ends_its_call() -> None:
    """Closing the SDK's stream early closes the generator of the call."""

    async def endless(method, request, context):
        while True:
            yield [chunk("x")]

    async with sdk(endless) as (front, client):
        stream = await client.chat.completions.create(model="m-1", messages=MESSAGES, stream=True)
        async for _ in stream:
            break
        await stream.close()
        await front.observed()
        assert front.toy.running == 0
