"""Anthropic's way to say that something failed, and what is left of a limit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.errors import TABLE, GatewayError, Kind
from gateway.frontend.settings import Profile
from gateway.frontend.voice import ANTHROPIC, OPENAI
from gateway.wire.anthropic.errors import STATUSES, type_of_status

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
