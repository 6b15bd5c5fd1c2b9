"""The unmodified official OpenAI SDK for Python through the served gateway: what fails, and what answers say beside."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest

from tests.e2e.conftest import NARROW_KEY, PYTHON_LIMITED_KEY, ROOMY_KEY
from tests.support.sdk import Sdk, collect, text_of
from tests.support.served import Served
from tests.support.simulated import unique

RATES = ("limit-requests", "limit-tokens", "remaining-requests", "remaining-tokens", "reset-requests", "reset-tokens")
TOO_LARGE = "x" * (21 << 20)

# model, arguments of the call -> exception class, status, code, param
REFUSALS: dict[str, tuple[str, dict[str, Any], type[openai.APIStatusError], int, str | None, str | None]] = {
    "range": ("sim", {"temperature": 2.5}, openai.BadRequestError, 400, "invalid_value", "temperature"),
    "unknown-model": ("nobody", {}, openai.NotFoundError, 404, "model_not_found", "model"),
    "too-large": ("sim", {"user": TOO_LARGE}, openai.APIStatusError, 413, "request_too_large", None),
    "provider-400": ("direct/sim-status-400", {}, openai.BadRequestError, 400, None, None),
    "context": (
        "direct/sim-context-1",
        {},
        openai.BadRequestError,
        400,
        "context_length_exceeded",
        "messages",
    ),
    "policy": ("direct/sim-flagged", {}, openai.BadRequestError, 400, "content_filter", "prompt"),
    "provider-401": ("direct/sim-status-401", {}, openai.InternalServerError, 502, "provider_auth_failed", None),
    "provider-404": ("direct/sim-status-404", {}, openai.NotFoundError, 404, "model_not_found", "model"),
    "provider-413": ("direct/sim-status-413", {}, openai.APIStatusError, 413, "request_too_large", None),
    "provider-429": ("direct/sim-status-429", {}, openai.RateLimitError, 429, "provider_rate_limited", None),
    "provider-500": ("direct/sim-status-500", {}, openai.InternalServerError, 500, "provider_error", None),
    "provider-503": ("direct/sim-status-503", {}, openai.InternalServerError, 503, "provider_error", None),
    "provider-html": ("direct/sim-html", {}, openai.InternalServerError, 502, "provider_invalid_response", None),
    "cut": ("direct/sim-cut-before-headers", {}, openai.InternalServerError, 502, "provider_error", None),
    "silent": ("hasty/sim-silent", {}, openai.InternalServerError, 504, "provider_timeout", None),
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", REFUSALS)
async def test_exception_class(sdk: Sdk, name: str, is_stream: bool) -> None:
    """Each failure raises the class the SDK has for it, with our code, parameter, words and request id."""
    model, arguments, cls, status, code, param = REFUSALS[name]
    with pytest.raises(openai.APIStatusError) as caught:
        await sdk.chat(unique(model) if model != "nobody" else model, stream=is_stream, **arguments)
    error = caught.value
    assert type(error) is cls
    assert error.status_code == status
    assert error.param == param
    assert code is None or error.code == code
    assert error.message
    assert error.request_id
    assert isinstance(error.body, dict)
    assert set(error.body) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("key", ["gw-test.wrong", "sk-foreign", "gw-nobody.secret", "x"])
async def test_wrong_key(sdk: Sdk, key: str) -> None:
    """A wrong key is AuthenticationError, and the answer does not quote it."""
    with pytest.raises(openai.AuthenticationError) as caught:
        await sdk.options(api_key=key).chat("sim")
    assert caught.value.code == "invalid_api_key"
    assert len(key) < 4 or key not in str(caught.value)


async def test_key_without_the_model(sdk: Sdk) -> None:
    """A key that may not use a model: PermissionDeniedError; the models it sees are only its own."""
    narrow = sdk.options(api_key=NARROW_KEY)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await narrow.chat("sim")
    assert (caught.value.code, caught.value.param) == ("permission_denied", "model")
    listed = await narrow(narrow.client.models.list)
    assert [model.id for model in listed.data] == ["gpt-4o-mini"]
    with pytest.raises(openai.NotFoundError):
        await narrow(narrow.client.models.retrieve, model="gpt-4o")


async def test_retry_after_is_waited_for(sdk: Sdk, gateway: Served) -> None:
    """With one retry the SDK waits as long as `retry-after` says, and then succeeds."""
    model = unique("direct/sim-status-429-after-1-once")
    began = time.monotonic()
    answer = await sdk.options(max_retries=1).chat(model)
    waited_s = time.monotonic() - began
    assert answer.choices[0].message.content == "You said: hi there"
    assert waited_s >= 1.0
    assert (await gateway.simulator.counts(model)).attempts == 2


async def test_own_limit_says_when(sdk: Sdk, gateway: Served) -> None:
    """Over the limit of the key: RateLimitError with whole seconds to wait and what is left."""
    limited = sdk.options(api_key=PYTHON_LIMITED_KEY)
    model = unique()
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(3):
            await limited.chat(model)
    headers = caught.value.response.headers
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(headers["retry-after"]) <= 60
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("2", "0")
    assert (await gateway.simulator.counts(model)).requests <= 2


async def test_cut_stream_raises(sdk: Sdk) -> None:
    """A stream the provider cuts after some text gives that text and then an exception, never a clean end."""
    stream = await sdk.chat(unique("direct/sim-chunks-20-cut-5"), stream=True)
    seen: list[Any] = []
    with pytest.raises(openai.APIError) as caught:
        if hasattr(stream, "__aiter__"):
            async for chunk in stream:
                seen.append(chunk)  # noqa: PERF401  # what came before the failure is wanted
        else:
            for chunk in stream:
                seen.append(chunk)  # noqa: PERF402  # as above
    assert text_of(seen).startswith("You said: hi there")
    assert not any(choice.finish_reason for chunk in seen for choice in chunk.choices)
    assert caught.value.code == "stream_cut"


async def test_headers_of_a_success(sdk: Sdk) -> None:
    """`with_raw_response` shows the request id (ours, or the caller's), who answered, and the stages."""
    raw = sdk.client.chat.completions.with_raw_response
    messages = [{"role": "user", "content": "hi"}]
    response = await sdk(raw.create, model=unique(), messages=messages)
    assert response.request_id.startswith("req_")
    assert response.headers["x-gateway-provider"] == "simulator"
    assert int(response.headers["x-gateway-generation"]) >= 1
    stages = [stage.partition(";")[0].strip() for stage in response.headers["server-timing"].split(",")]
    assert stages[0] == "accept"
    assert stages[-1] == "render"
    assert {"admit", "plan", "reserve", "attempt"} <= set(stages)
    own = await sdk(raw.create, model=unique(), messages=messages, extra_headers={"x-request-id": "my.id-1"})
    assert own.request_id == "my.id-1"
    assert response.parse().choices[0].message.content == "You said: hi"


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_rate_limit_headers_of_a_success(sdk: Sdk, is_stream: bool) -> None:
    """A key with limits is told on each success what it has left, streams included, before the first chunk."""
    roomy = sdk.options(api_key=ROOMY_KEY)
    raw = roomy.client.chat.completions.with_raw_response
    left = []
    for _ in range(2):
        response = await roomy(
            raw.create, model="sim", messages=[{"role": "user", "content": "hi"}], max_tokens=9, stream=is_stream
        )
        told = {name: response.headers[f"x-ratelimit-{name}"] for name in RATES}
        assert (told["limit-requests"], told["limit-tokens"]) == ("1000", "100000")
        assert told["reset-requests"].endswith("s")
        left.append((int(told["remaining-requests"]), int(told["remaining-tokens"])))
        if is_stream:
            await collect(response.parse())
    assert left[0][0] - left[1][0] == 1
    assert left[0][1] > left[1][1]


async def test_deadline_of_the_caller(sdk: Sdk, gateway: Served) -> None:
    """`x-request-timeout` is the deadline of the whole call: 504, not retried, and the provider is let go."""
    model = unique("direct/sim-first-20000")
    with pytest.raises(openai.InternalServerError) as caught:
        await sdk.options(max_retries=2).chat(model, extra_headers={"x-request-timeout": "2.5"})
    assert (caught.value.status_code, caught.value.code) == (504, "deadline_exceeded")
    assert (await gateway.simulator.until(model, aborted=1)).attempts == 1


async def test_provider_is_retried_unseen(sdk: Sdk, gateway: Served) -> None:
    """A provider that fails twice and then answers: the caller sees one success."""
    model = unique("sim-status-500-times-2")
    answer = await sdk.chat(model)
    assert answer.choices[0].message.content == "You said: hi there"
    assert (await gateway.simulator.counts(model)).attempts == 3
