"""Failures survive both wire forms, and whatever a peer sends becomes a failure."""

from __future__ import annotations

import math

import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import TABLE, GatewayError, Kind, Status
from gateway.rpc.status import TEXT_MAX, from_error, from_status, to_error, to_status
from gateway.wire.pb import errors_pb2

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
FAILURES = st.builds(
    GatewayError,
    st.sampled_from(Kind),
    TEXT,
    param=st.none() | TEXT,
    code=st.none() | TEXT,
    retry_after_s=st.none() | st.integers(0, 10**9).map(lambda ms: ms / 1000),
    limit=st.none() | st.sampled_from(["requests", "tokens", "concurrency"]),
    http_status=st.none() | st.integers(100, 599),
)


def facts(failure: GatewayError) -> tuple[object, ...]:
    return (
        failure.kind,
        failure.message,
        failure.param,
        failure.code,
        failure.retry_after_s,
        failure.limit,
        failure.http_status,
    )


@given(FAILURES)
def test_a_failure_crosses_the_link_unchanged(failure: GatewayError) -> None:
    """from_error(to_error(x)) has every member of x."""
    sent = errors_pb2.Error.FromString(to_error(failure).SerializeToString())
    assert facts(from_error(sent)) == facts(failure)


@given(FAILURES)
def test_a_failure_crosses_grpc_unchanged(failure: GatewayError) -> None:
    """from_status(to_status(x)) has every member of x, and the code is the table's."""
    status = to_status(failure)
    assert status.code == TABLE[failure.kind].status
    assert facts(from_status(status.code, status.SerializeToString())) == facts(failure)


@given(FAILURES)
def test_standard_details_alone_tell_the_kind(failure: GatewayError) -> None:
    """A client that knows only google.rpc gets reason, domain, retry delay and quota; we read our kind from them."""
    status = to_status(failure)
    ours = [d for d in status.details if d.Is(errors_pb2.Error.DESCRIPTOR)]
    for detail in ours:
        status.details.remove(detail)
    read = from_status(status.code, status.SerializeToString())
    assert (read.kind, read.message, read.param, read.limit) == (*facts(failure)[:3], failure.limit)
    names = {d.TypeName() for d in status.details}
    assert ("google.rpc.RetryInfo" in names) == (failure.retry_after_s is not None)
    assert ("google.rpc.QuotaFailure" in names) == (failure.limit is not None)


def test_error_info_is_what_clients_look_up() -> None:
    """ErrorInfo carries the kind's name, our domain, and param, code and limit as metadata; RetryInfo the delay."""
    failure = GatewayError(Kind.RATE_LIMITED, "slow down", limit="tokens", code="x", retry_after_s=1.5)
    info, retry, quota = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
    details = to_status(failure).details
    assert details[0].Unpack(info)
    assert details[1].Unpack(retry)
    assert details[2].Unpack(quota)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "RATE_LIMITED",
        "gateway",
        {"limit": "tokens", "code": "x"},
    )
    assert retry.retry_delay.ToMilliseconds() == 1500
    assert quota.violations[0].subject == "tokens"


@given(st.integers(-5, 300), st.none() | st.binary(max_size=60), TEXT)
def test_anything_a_peer_sends_is_a_failure(code: int, details: bytes | None, message: str) -> None:
    """from_status never raises; without details the kind has the status it came with."""
    read = from_status(code, details, message)
    assert isinstance(read, GatewayError)
    if details is None and code in {int(s) for s in Status} - {0, 2, 9, 11, 6, 15}:
        assert TABLE[read.kind].status == code


@pytest.mark.parametrize("number", [0, 999, -1])
def test_a_kind_of_a_newer_peer_is_internal(number: int) -> None:
    """An unknown number keeps its message."""
    error = errors_pb2.Error(message="new")
    error.kind = number  # type: ignore[assignment]  # a number of a newer peer
    assert facts(from_error(error))[:2] == (Kind.INTERNAL, "new")


def test_broken_text_and_odd_numbers_do_not_raise() -> None:
    """Lone surrogates are mended; a delay that is negative, infinite or not whole is bounded and rounded up."""
    failure = GatewayError(Kind.INVALID_REQUEST, "a\ud800b", param="\udfff", retry_after_s=math.inf)
    assert (from_error(to_error(failure)).message, from_error(to_error(failure)).param) == ("a?b", "?")
    assert to_error(GatewayError(Kind.INTERNAL, "", retry_after_s=-1)).retry_after_ms == 0
    assert to_error(GatewayError(Kind.INTERNAL, "", retry_after_s=0.0011)).retry_after_ms == 2
    assert to_error(GatewayError(Kind.INTERNAL, "", retry_after_s=4.065)).retry_after_ms == 4065


def test_a_status_fits_into_metadata() -> None:
    """However long message and param are, the trailer stays under gRPC's 8 KiB; the cause is not in it."""
    failure = GatewayError(Kind.INVALID_REQUEST, "m" * 100_000, param="p" * 100_000, cause="hush-hush")
    data = to_status(failure).SerializeToString()
    assert len(data) * 4 / 3 + TEXT_MAX < 8192
    assert b"hush-hush" not in data
    assert isinstance(status_pb2.Status.FromString(data), status_pb2.Status)
