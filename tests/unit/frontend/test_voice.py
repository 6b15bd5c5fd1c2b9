"""Anthropic's and Google's ways to say that something failed, and what is left of a limit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.errors import TABLE, GatewayError, Kind
from gateway.frontend.settings import Profile
from gateway.frontend.voice import ANTHROPIC, GEMINI, GEMINI_ARRAY, OPENAI
from gateway.wire.anthropic.errors import STATUSES, type_of_status
from gateway.wire.gemini.errors import STATUS_WORDS

KNOWN = {*STATUSES, "api_error"}


@pytest.mark.parametrize("kind", list(Kind), ids=[kind.name for kind in Kind])
def test_every_kind_is_an_anthropic_error(kind: Kind) -> None:
    """Of a type the vendor documents, with the same status as for OpenAI clients; before and after the head."""
    error = GatewayError(kind, "why", retry_after_s=2)
    status, body, lines = ANTHROPIC.failure(error, Profile(), "req_1")
    assert (status, lines) == (OPENAI.failure(error, Profile(), "req_1")[0], OPENAI.failure(error, Profile(), "")[2])
    said = json.loads(body)
    assert said == {"type": "error", "error": {"type": said["error"]["type"], "message": "why"}, "request_id": "req_1"}
    assert said["error"]["type"] in KNOWN
    assert said["error"]["type"] == type_of_status(TABLE[kind].http_status)
    name, data = ANTHROPIC.error_event(error, "req_1").rstrip(b"\n").split(b"\n")
    assert (name, json.loads(data.removeprefix(b"data: "))) == (b"event: error", said)


@pytest.mark.parametrize(("status", "type_"), [(529, "overloaded_error"), (503, "overloaded_error"), (502, "api_error"),
                                               (418, "invalid_request_error")])  # fmt: skip
def test_statuses_without_a_kind(status: int, type_: str) -> None:
    """A provider's own status that is passed on."""
    error = GatewayError(Kind.PROVIDER_ERROR, "why", http_status=status)
    assert json.loads(ANTHROPIC.failure(error, Profile(), "r")[1])["error"]["type"] == type_


@pytest.mark.parametrize(("duration", "seconds"), [("0s", 0), ("12ms", 0), ("1.5s", 1), ("1m0s", 60), ("1h2m3s", 3723)])
def test_rate_limit_headers(duration: str, seconds: int) -> None:
    """Anthropic's names; resets are times."""
    given = {
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-tokens": "7",
        "x-ratelimit-reset-requests": duration,
        "x-gateway-provider": "p",
    }
    said = dict(ANTHROPIC.headers(given, Profile()))
    reset = said.pop("anthropic-ratelimit-requests-reset")
    assert said == {
        "anthropic-ratelimit-requests-limit": "5",
        "anthropic-ratelimit-tokens-remaining": "7",
        "x-gateway-provider": "p",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reset)
    away = datetime.fromisoformat(reset) - datetime.now(UTC)
    assert abs(away - timedelta(seconds=seconds)) < timedelta(seconds=5)
    assert ANTHROPIC.headers(given, Profile(rate_limit_headers="none")) == {"x-gateway-provider": "p"}


@pytest.mark.parametrize("kind", list(Kind), ids=[kind.name for kind in Kind])
def test_every_kind_is_a_google_error(kind: Kind) -> None:
    """With OpenAI's status, the word Google has for it, and the details gRPC clients get; in a stream too."""
    error = GatewayError(kind, "The member `top_k` is odd.", param="top_k", code="odd", limit="rpm", retry_after_s=2.5)
    status, body, lines = GEMINI.failure(error, Profile(), "req_1")
    assert (status, lines) == (OPENAI.failure(error, Profile(), "req_1")[0], OPENAI.failure(error, Profile(), "")[2])
    said = json.loads(body)
    named = "The member `generationConfig.topK` is odd."
    assert said["error"]["code"] == status
    assert said["error"]["message"] == named
    assert said["error"]["status"] == STATUS_WORDS.get(status, "INTERNAL")
    details = {detail.pop("@type").rpartition(".")[2]: detail for detail in said["error"]["details"]}
    assert details == {
        "ErrorInfo": {
            "reason": kind.name,
            "domain": "gateway",
            "metadata": {"param": "generationConfig.topK", "code": "odd", "limit": "rpm"},
        },
        "RetryInfo": {"retryDelay": "2.5s"},
        "BadRequest": {"fieldViolations": [{"field": "generationConfig.topK", "description": named}]},
        "QuotaFailure": {"violations": [{"subject": "rpm", "description": named}]},
    }
    whole = json.loads(body)
    assert json.loads(GEMINI_ARRAY.failure(error, Profile(), "req_1")[1]) == [whole]
    assert json.loads(b"[{}" + GEMINI_ARRAY.error_event(error, "req_1"))[1] == whole
    assert json.loads(GEMINI.error_event(error, "req_1").removeprefix(b"data: ")) == whole


@pytest.mark.parametrize(
    ("seconds", "delay"),
    [(0.0, "0.001s"), (0.25, "0.25s"), (7, "7s"), (1e12, "1000000000s"), (123456.789, "123456.789s")],
)
def test_how_long_google_is_told_to_wait(seconds: float, delay: str) -> None:
    """As protobuf spells durations, whatever the size."""
    body = GEMINI.failure(GatewayError(Kind.RATE_LIMITED, "why", retry_after_s=seconds), Profile(), "r")[1]
    assert json.loads(body)["error"]["details"][1]["retryDelay"] == delay
