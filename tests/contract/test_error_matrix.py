"""Every refusal of every provider is one kind, and comes out right for every client: HTTP formats and gRPC.

Rules: kinds are those of vendor_errors.py; what each client sees is asserted by the rules of its format.
Not here: sockets (tests/e2e/test_error_matrix_live.py), failures inside a stream (test_transcripts.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import TABLE, Fault, GatewayError, Kind, Next
from gateway.frontend import voice
from gateway.frontend.settings import Profile
from gateway.providers import openai_errors, refusals
from gateway.providers.registry import DIALECTS
from gateway.rpc import status as rpc_status
from gateway.wire.anthropic.errors import TYPES
from gateway.wire.bedrock.errors import HEADER_STATUSES, STATUSES
from gateway.wire.gemini.errors import STATUS_WORDS
from tests.contract.vendor_errors import BODIES, WORDS, Refusal
from tests.contract.vendor_errors import STATUSES as EXPECTED
from tests.contract.vendor_errors import refusals as rows_of

PAGE = (Path(__file__).parents[2] / "docs/errors.md").read_text("utf-8")
VOICES = [voice.OPENAI, voice.RESPONSES, voice.ANTHROPIC, voice.GEMINI]
CASES = [
    pytest.param(name, row, id=f"{name}-{row.status}-{row.kind.name}-{at}")
    for name in DIALECTS
    for at, row in enumerate(rows_of(name))
]
REQUESTS = {Kind.INVALID_REQUEST, Kind.REQUEST_TOO_LARGE, Kind.CONTEXT_LENGTH_EXCEEDED, Kind.CONTENT_FILTERED,
            Kind.UNSUPPORTED_PARAMETER}  # fmt: skip


def classified(name: str, row: Refusal) -> GatewayError:
    """What the dialect makes of it."""
    return DIALECTS[name].classify(row.status, row.headers, row.body)


def test_every_dialect_has_its_rows() -> None:
    """Of every status."""
    assert set(DIALECTS) <= set(BODIES)


@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_refusal_is_one_kind(name: str, row: Refusal) -> None:
    """Whatever its message says; the vendor's words are passed on only where they are about the caller's request."""
    error = classified(name, row)
    assert error.kind is row.kind
    assert (WORDS in error.message) is (row.kind in REQUESTS)
    assert WORDS not in error.cause
    other = Refusal(row.status, row.kind, row.body.replace(WORDS.encode(), b"rate limit, quota, invalid key"))
    assert DIALECTS[name].classify(other.status, row.headers, other.body).kind is row.kind


@pytest.mark.parametrize(("name", "row"), CASES)
def test_what_is_tried_next(name: str, row: Refusal) -> None:
    """A refusal that neither load nor time explains is not sent to the same deployment again; a wait is kept."""
    error = classified(name, Refusal(row.status, row.kind, row.body, {**row.headers, "retry-after": "3"}))
    is_load = error.kind in (Kind.PROVIDER_RATE_LIMITED, Kind.PROVIDER_ERROR)
    assert (error.row.next is Next.RETRY) is is_load
    assert (error.retry_after_s is not None) is is_load
    assert (error.row.next is Next.STOP) <= (error.row.fault is Fault.CALLER)


@pytest.mark.parametrize(("name", "row"), CASES)
@pytest.mark.parametrize("spoken", VOICES, ids=lambda v: v.dialect)
def test_every_http_client_sees_it_in_its_format(name: str, row: Refusal, spoken: voice.Voice) -> None:
    """Status, shape and words of the format; never the vendor's credentials as the caller's."""
    error = classified(name, row)
    status, body, lines = spoken.failure(error, Profile(), "req_1")
    assert status == (error.http_status or TABLE[row.kind].http_status)
    assert status not in (401, 402, 403), "the gateway's own account is not the caller's"
    assert ("x-should-retry: false" in lines) is (row.kind in (Kind.PROVIDER_AUTH, Kind.PROVIDER_REFUSED))
    SHAPES[spoken.dialect](json.loads(body), status, error)
    event = spoken.error_event(error, "req_1").decode()
    assert event.endswith("\n\n")
    SHAPES[spoken.dialect](json.loads(event.partition("data: ")[2]), status, error)


def _openai_shape(body: Any, _status: int, error: GatewayError) -> None:
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["type"] == error.row.openai_type
    assert body["error"]["code"] == (error.code or error.row.openai_code)
    assert body["error"]["message"] == error.message


def _anthropic_shape(body: Any, status: int, error: GatewayError) -> None:
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"] == {"type": body["error"]["type"], "message": error.message}
    known = {400: "invalid_request_error", 404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
             502: "api_error", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error"}  # fmt: skip
    assert body["error"]["type"] == known.get(status, "api_error")


def _gemini_shape(body: Any, status: int, error: GatewayError) -> None:
    assert set(body) == {"error"}
    assert {"code", "message", "status"} <= set(body["error"])
    assert (body["error"]["code"], body["error"]["message"]) == (status, error.message)
    assert body["error"]["status"] == STATUS_WORDS[status]
    reasons = [detail["reason"] for detail in body["error"]["details"] if "reason" in detail]
    assert reasons[0] == error.kind.name


SHAPES = {
    "openai": _openai_shape,
    "responses": _openai_shape,
    "anthropic": _anthropic_shape,
    "gemini": _gemini_shape,
}


@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_grpc_client_sees_it_with_its_details(name: str, row: Refusal) -> None:
    """Canonical status, reason, and everything back again; over the link as well."""
    error = classified(name, row)
    status = rpc_status.to_status(error)
    assert status.code == TABLE[row.kind].status
    again = rpc_status.from_status(status.code, status.SerializeToString())
    linked = rpc_status.from_error(rpc_status.to_error(error))
    for found in (again, linked):
        assert (found.kind, found.message, found.code, found.param, found.http_status) == (
            row.kind, error.message, error.code, error.param, error.http_status,
        )  # fmt: skip
        assert found.retry_after_s == error.retry_after_s


def table(name: str) -> list[list[str]]:
    """The cells of a checked table of the page."""
    found = re.search(rf"<!-- checked: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found, name
    lines = [line.strip("|").split("|") for line in found.group(1).splitlines()[2:]]
    return [[cell.strip().strip("`") for cell in cells] for cells in lines]


def test_the_page_has_every_kind() -> None:
    """With its status in each protocol, its words in each format, and what is tried next."""
    rows = {row[0]: row[1:] for row in table("kinds")}
    assert set(rows) == {kind.name for kind in Kind}
    for kind, line in TABLE.items():
        anthropic = json.loads(voice.ANTHROPIC.failure(GatewayError(kind, "x"), Profile(), "")[1])["error"]["type"]
        told = [
            line.status.name, str(line.http_status), line.openai_type, line.openai_code or "",
            anthropic, STATUS_WORDS[line.http_status], line.next.value,
        ]  # fmt: skip
        assert rows[kind.name] == told, kind


def test_the_page_has_every_status_and_every_word() -> None:
    """As the code has them."""
    assert {int(row[0]): row[1] for row in table("statuses")} == {s: k.name for s, k in refusals.KINDS.items()}
    assert {row[0]: row[1] for row in table("openai codes")} == {c: k.name for c, k in openai_errors.KINDS.items()}
    assert {row[1]: int(row[0]) for row in table("anthropic types")} == {type_: s for s, type_ in TYPES.items()}
    names = {row[0]: int(row[1]) for row in table("bedrock names")}
    assert names == {**HEADER_STATUSES, **STATUSES}


def test_the_table_of_statuses_is_the_one_expected() -> None:
    """Statuses without a row are refused for good below 500, and worth another try above."""
    assert {status: refusals.kind_of(status) for status in EXPECTED} == EXPECTED
    assert refusals.kind_of(418) is Kind.PROVIDER_REFUSED
    assert refusals.kind_of(599) is Kind.PROVIDER_ERROR
    assert refusals.kind_of(302) is Kind.PROVIDER_ERROR
