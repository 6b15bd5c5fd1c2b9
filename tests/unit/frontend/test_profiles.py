"""What a profile changes of an answer: statuses, words of errors, headers, paths, and which credentials are taken."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.errors import TABLE, Fault, GatewayError, Kind
from gateway.frontend import answer, new_api_errors
from gateway.frontend.context import check_form
from gateway.frontend.settings import Profile
from gateway.frontend.voice import ANTHROPIC, GEMINI, OPENAI, RESPONSES
from tests.unit.frontend.harness import CHAT_BODY, frontend, post, split

TOKEN = "eyJhbGciOi.eyJzdWIi.c2ln"
NEW_API = Profile(error_style="new_api")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GatewayError(Kind.INSUFFICIENT_BALANCE, "m", limit="wallet"), 403),
        (GatewayError(Kind.INSUFFICIENT_BALANCE, "m", limit="budget"), 401),
        (GatewayError(Kind.INSUFFICIENT_BALANCE, "m", code="key_budget_exceeded"), 401),
        (GatewayError(Kind.MODEL_NOT_FOUND, "m"), 503),
        (GatewayError(Kind.NOT_FOUND, "m"), 404),
        (GatewayError(Kind.PROVIDER_ERROR, "m", http_status=529), 502),
        (GatewayError(Kind.PROVIDER_RATE_LIMITED, "m"), 502),
        (GatewayError(Kind.RATE_LIMITED, "m"), 429),
    ],
)
def test_a_profile_chooses_statuses(error: GatewayError, status: int) -> None:
    """Of money, unknown models and providers; of nothing else."""
    profile = Profile(no_credit_status=403, spent_key_status=401, unknown_model_status=503, upstream_error_status="502")
    assert answer.status_of(error, profile) == status


@pytest.mark.parametrize("kind", list(Kind), ids=[kind.name for kind in Kind])
def test_every_failure_in_words_of_new_api(kind: Kind) -> None:
    """Its type says whose fault it is, its message has the request id, nothing is null; the status is the same."""
    error = GatewayError(kind, "why")
    status, body, lines = new_api_errors.styled(OPENAI).failure(error, NEW_API, "req_1")
    plain = OPENAI.failure(error, NEW_API, "req_1")
    assert (status, lines) == (plain[0], plain[2])
    said = json.loads(body)["error"]
    assert said["message"] == "why (request id: req_1)"
    assert said["type"] == ("upstream_error" if TABLE[kind].fault is Fault.PROVIDER else "new_api_error")
    assert None not in said.values()
    event = new_api_errors.styled(OPENAI).error_event(error, "req_1")
    assert json.loads(event.removeprefix(b"data: "))["error"]["message"] == said["message"]


def test_other_formats_in_words_of_new_api() -> None:
    """Anthropic's object with its type; Responses' streams and Google's errors stay their vendors'."""
    error = GatewayError(Kind.RATE_LIMITED, "why")
    _, body, _ = new_api_errors.styled(ANTHROPIC).failure(error, NEW_API, "r")
    wanted: Any = {"type": "error", "error": {"type": "new_api_error", "message": "why (request id: r)"}}
    assert json.loads(body) == wanted
    name, data = new_api_errors.styled(ANTHROPIC).error_event(error, "r").rstrip(b"\n").split(b"\n")
    assert (name, json.loads(data.removeprefix(b"data: "))) == (b"event: error", wanted)
    assert new_api_errors.styled(GEMINI) is GEMINI
    assert new_api_errors.styled(RESPONSES).error_event is RESPONSES.error_event


def test_an_unknown_url_in_words_of_new_api() -> None:
    """OpenAI's type, and no request id: clients compare it."""
    error = GatewayError(Kind.NOT_FOUND, "Invalid URL (GET /v1/nope)")
    _, body, _ = new_api_errors.styled(OPENAI).failure(error, NEW_API, "r")
    wanted = {"message": "Invalid URL (GET /v1/nope)", "type": "invalid_request_error", "param": "", "code": ""}
    assert json.loads(body) == {"error": wanted}


@pytest.mark.parametrize(
    ("credential", "prefixes", "has_sessions", "is_taken"),
    [
        ("sk-abc", (), True, True),
        ("sk-abc", ("sk-",), True, True),
        ("sk-abc", ("xmg_", "sk-"), False, True),
        ("gw-abc", ("sk-",), True, False),
        ("s_k", ("sk-",), True, False),
        (TOKEN, ("sk-",), True, True),
        (TOKEN, ("sk-",), False, False),
        (TOKEN, (), False, False),
        ("eyJ.no", ("sk-",), True, False),
        ("", ("sk-",), False, True),
    ],
)
def test_which_credentials_a_profile_takes(
    credential: str, prefixes: tuple[str, ...], has_sessions: bool, is_taken: bool
) -> None:
    """By their beginning; tokens of logins by a switch. What is absent is refused by the service, as missing."""
    profile = Profile(key_prefixes=prefixes, has_sessions=has_sessions)
    if is_taken:
        check_form(credential, profile)
        return
    with pytest.raises(GatewayError) as caught:
        check_form(credential, profile)
    assert caught.value.kind is Kind.INVALID_KEY
    assert credential not in caught.value.message


async def test_limits_in_words_of_inferxgate() -> None:
    """Requests only, the reset as a time."""
    given = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "5",
        "x-other": "y",
    }
    said = dict(OPENAI.headers(given, Profile(rate_limit_headers="inferxgate")))
    assert int(said.pop("x-ratelimit-reset")) > 1_700_000_000
    assert said == {"x-ratelimit-limit": "60", "x-other": "y"}
    assert OPENAI.headers(given, Profile()) is given


@pytest.mark.parametrize(
    ("endpoints", "path", "is_there"),
    [
        ([], "/v1/completions", False),
        ([], "/auth/me", False),
        ([], "/admin/users", False),
        ([], "/metrics", False),
        ([], "/openapi.json", False),
        ([], "/health", True),
        ([], "/v1/models", True),
        (["openapi"], "/openapi.json", True),
        (["metrics"], "/metrics", True),
        (["accounts"], "/auth/key/info", False),
        (["new_api"], "/status", True),
        (["new_api"], "/api/about/", True),
        (["new_api"], "/v1/dashboard/billing/usage", False),
        (["inferxgate"], "/api/status", False),
    ],
)
async def test_groups_of_paths(endpoints: list[str], path: str, is_there: bool) -> None:
    """A path outside the profile's groups is 404, as if it had never been made."""

    async def metrics() -> bytes:
        return b"# none\n"

    async with frontend(profile={"endpoints": endpoints}, metrics=metrics) as front:
        method = "POST" if path == "/v1/completions" else "GET"
        status, _, body = split(await front.raw(post(path, b"", method=method)))
    assert (status != 404) is is_there, body


async def test_a_call_carries_its_profile_and_a_second_request_id() -> None:
    """The service knows by which profile it was asked; both ids are the same."""
    async with frontend(profile={"request_id_header": "x-oneapi-request-id"}) as front:
        _, headers, _ = split(await front.raw(post("/v1/chat/completions", CHAT_BODY)))
        assert headers["x-oneapi-request-id"] == headers["x-request-id"]
        assert front.toy.calls[0][2].profile == "default"
    assert replace(Profile(), name="x").name == "x"
