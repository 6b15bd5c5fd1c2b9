"""Whole answers, and what a provider's refusal means: by status, then by code, never by its words."""

from __future__ import annotations

import itertools
import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Fault, GatewayError, Kind, Next
from gateway.providers.openai_dialect import classify, decode_reply, in_band_error
from gateway.providers.upstream import retry_after_s
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, Method

ANSWERS: dict[str, tuple[Method, dict[str, Any]]] = {
    "chat": (CHAT, {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}),
    "completion": (COMPLETE, {"id": "x", "choices": [{"index": 0, "text": "hi"}]}),
    "embedding": (EMBED, {"object": "list", "data": [{"index": 0, "embedding": [1.0]}]}),
}


def refusal(method: Method, body: bytes) -> GatewayError:
    """How a body is refused."""
    with pytest.raises(GatewayError) as caught:
        decode_reply(method, body)
    return caught.value


@pytest.mark.parametrize("name", ANSWERS)
def test_a_good_answer_is_decoded_with_its_usage(name: str) -> None:
    """An `error` of null beside a good answer is no error."""
    method, answer = ANSWERS[name]
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    reply: Any = decode_reply(method, json.dumps({**answer, "usage": usage, "error": None}).encode())
    assert isinstance(reply, method.reply)
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (3, 7)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"choices":5,"data":5}', b'{"choices":null}', b"\xff\xfe",
             b"<html>busy</html>", b'{"choices":[' + b"[" * 5000],
)  # fmt: skip
def test_what_is_no_answer_is_the_providers_fault(name: str, body: bytes) -> None:
    """Another deployment may do better."""
    error = refusal(ANSWERS[name][0], body)
    assert error.kind is Kind.PROVIDER_INVALID
    assert error.row.fault is Fault.PROVIDER


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "m", "code": 429}, Kind.PROVIDER_RATE_LIMITED),
        ({"message": "m", "status": 503}, Kind.PROVIDER_ERROR),
        ({"message": "m", "code": "rate_limit_exceeded"}, Kind.PROVIDER_RATE_LIMITED),
        ({"message": "m", "code": "context_length_exceeded"}, Kind.CONTEXT_LENGTH_EXCEEDED),
        ({"message": "m", "code": "content_filter"}, Kind.CONTENT_FILTERED),
        ({"message": "m", "type": "insufficient_quota"}, Kind.PROVIDER_AUTH),
        ({"message": "m", "code": 401}, Kind.PROVIDER_AUTH),
        ({"message": "m", "code": True}, Kind.PROVIDER_ERROR),
        ({"message": "m", "code": 7}, Kind.PROVIDER_ERROR),
        ({"message": "rate limit", "code": None}, Kind.PROVIDER_ERROR),
        ("words", Kind.PROVIDER_ERROR),
    ],
)
def test_an_error_with_status_200_is_an_error(error: Any, kind: Kind) -> None:
    """OpenRouter and others answer 200 with an error object: its own status or code says what it means."""
    assert refusal(CHAT, json.dumps({"error": error}).encode()).kind is kind
    assert in_band_error(error).kind is kind


STATUS = {
    400: Kind.INVALID_REQUEST, 401: Kind.PROVIDER_AUTH, 402: Kind.PROVIDER_AUTH, 403: Kind.PROVIDER_AUTH,
    404: Kind.MODEL_NOT_FOUND, 408: Kind.PROVIDER_TIMEOUT, 413: Kind.REQUEST_TOO_LARGE, 415: Kind.INVALID_REQUEST,
    405: Kind.PROVIDER_REFUSED, 409: Kind.PROVIDER_REFUSED, 410: Kind.MODEL_NOT_FOUND, 451: Kind.PROVIDER_REFUSED,
    422: Kind.INVALID_REQUEST, 429: Kind.PROVIDER_RATE_LIMITED, 500: Kind.PROVIDER_ERROR, 502: Kind.PROVIDER_ERROR,
    503: Kind.PROVIDER_ERROR, 504: Kind.PROVIDER_TIMEOUT, 529: Kind.PROVIDER_ERROR, 302: Kind.PROVIDER_ERROR,
}  # fmt: skip
OWN_ACCOUNT = ("insufficient_quota", "invalid_api_key", "billing_not_active")
REQUEST_CODES = {
    "context_length_exceeded": Kind.CONTEXT_LENGTH_EXCEEDED,
    "content_filter": Kind.CONTENT_FILTERED,
    "content_policy_violation": Kind.CONTENT_FILTERED,
    "unsupported_parameter": Kind.UNSUPPORTED_PARAMETER,
    "unsupported_value": Kind.UNSUPPORTED_PARAMETER,
}
CODES = (None, "whatever", 7, *OWN_ACCOUNT, *REQUEST_CODES)


@pytest.mark.parametrize(("status", "code"), list(itertools.product(STATUS, CODES)))
def test_every_status_with_every_code(status: int, code: Any) -> None:
    """A code about the gateway's own account wins everywhere; one about the request only on a refused request."""
    kind = STATUS[status]
    if code in OWN_ACCOUNT:
        kind = Kind.PROVIDER_AUTH
    elif status in (400, 413, 415, 422):
        kind = REQUEST_CODES.get(code, kind)
    body = json.dumps({"error": {"message": "some words", "code": code}}).encode()
    assert classify(status, {}, body).kind is kind


def test_the_gateways_own_credentials_are_never_shown_as_the_callers() -> None:
    """A refused vendor key is no 401 for the caller, and the vendor's words (which may quote it) stay out."""
    body = json.dumps({"error": {"message": "Incorrect API key: sk-abc***xyz", "code": "invalid_api_key"}}).encode()
    for status in (400, 401, 403):
        error = classify(status, {}, body)
        assert (error.row.http_status, error.row.next) == (502, Next.FALLBACK)
        assert "sk-abc" not in f"{error.message} {error.cause}"


def test_a_refused_request_keeps_param_code_and_words() -> None:
    """The caller can mend it; words are cut at a bound."""
    error = classify(400, {}, json.dumps({"error": {"message": "w" * 9000, "param": "n", "code": "x"}}).encode())
    assert (error.param, error.code) == ("n", "x")
    assert len(error.message) < 600
    assert classify(400, {}, b'{"error":{"param":5,"code":5}}').param is None
    assert classify(400, {}, b'{"error":"just words"}').message.endswith("just words")


@given(st.integers(100, 599), st.binary(max_size=200) | st.sampled_from([b'{"error":[]}', b'{"error":{"code":{}}}']))
def test_no_answer_makes_classification_fail(status: int, body: bytes) -> None:
    """Whatever a provider says is a failure of the table."""
    error = classify(status, {"retry-after": "\x00"}, body)
    assert isinstance(error, GatewayError)
    assert error.row.http_status >= 400


@given(
    st.sampled_from([400, 401, 404, 422, 429, 500]), st.text(st.characters(categories=["Cs", "L", "Cc"]), max_size=9)
)
def test_what_a_provider_says_can_be_sent_on(status: int, words: str) -> None:
    """Half characters and line breaks in its words reach no log and no client as they stand."""
    body = json.dumps({"error": {"message": words, "param": words, "code": words}}).encode()
    error = classify(status, {}, body)
    for text in (error.message, error.param, error.code, error.cause):
        (text or "").encode()


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_provider_asks_to_wait_is_kept(status: int) -> None:
    """From any of the three spellings."""
    assert classify(status, {"retry-after": "7"}, b"").retry_after_s == 7


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "3", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "3", "retry-after-ms": "soon"}, 3.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT +9999"}, None),
    ],
)
def test_waiting_times(headers: dict[str, str], wanted: float | None) -> None:
    """Milliseconds before seconds; nonsense is no wish."""
    assert retry_after_s(headers, time.time()) == wanted


def test_a_date_is_a_time_to_wait() -> None:
    """Seconds from now; a date that passed is zero."""
    now_s = 1_767_600_000.0
    assert retry_after_s({"retry-after": formatdate(now_s + 30, usegmt=True)}, now_s) == 30
    assert retry_after_s({"retry-after": formatdate(now_s - 30, usegmt=True)}, now_s) == 0
