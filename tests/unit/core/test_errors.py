"""The table of failures: complete, numbered as the contract, and sane for both protocols."""

from __future__ import annotations

from http import HTTPStatus

import grpc
import pytest

from gateway.core.errors import TABLE, Fault, GatewayError, Kind, Next, Status
from gateway.rpc.status import from_status, to_status
from gateway.wire.pb import errors_pb2

KINDS = list(Kind)
CLIENT_CLOSED = 499  # nginx's number; http.HTTPStatus does not know it


def test_every_kind_has_its_row_and_no_row_is_left_over() -> None:
    """A kind without a row would fail where it is raised."""
    assert set(TABLE) == set(Kind)


def test_kinds_are_numbered_as_in_the_contract() -> None:
    """The enum of the proto and ours have the same names and numbers; only the proto has an UNSPECIFIED."""
    theirs = {name.removeprefix("ERROR_KIND_"): number for name, number in errors_pb2.ErrorKind.items()}
    assert theirs.pop("UNSPECIFIED") == 0
    assert theirs == {kind.name: kind.value for kind in Kind}


def test_statuses_are_those_of_grpc() -> None:
    """Our copy of the canonical codes equals grpc's."""
    assert {status.name: status.value for status in Status} == {code.name: code.value[0] for code in grpc.StatusCode}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_row_fits_both_protocols(kind: Kind) -> None:
    """No failure is OK or UNKNOWN; HTTP and gRPC agree on whether the caller has to change something."""
    row = TABLE[kind]
    assert row.status not in (Status.OK, Status.UNKNOWN)
    assert row.http_status == CLIENT_CLOSED or row.http_status in list(HTTPStatus)
    assert 400 <= row.http_status < 600
    assert row.openai_type
    if row.status in (Status.INVALID_ARGUMENT, Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.NOT_FOUND):
        assert row.http_status < 500
    if row.status in (Status.INTERNAL, Status.UNAVAILABLE):
        assert row.http_status >= 500


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_only_what_another_try_may_mend_is_tried_again(kind: Kind) -> None:
    """A retry is for a provider's failures; the gateway's own and the caller's end the call or go to another model."""
    row = TABLE[kind]
    if row.next is Next.RETRY:
        assert row.fault is Fault.PROVIDER
    if row.fault is Fault.GATEWAY:
        assert row.next is Next.STOP
    if row.fault is Fault.PROVIDER:
        assert row.next is not Next.STOP


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_failure_survives_the_link(kind: Kind) -> None:
    """What the frontend is told is what the service raised: kind, words, member, code, waiting time, limit."""
    error = GatewayError(kind, "words ☃", param="n", code="c", retry_after_s=1.5, limit="tokens")
    status = to_status(error)
    assert status.code == TABLE[kind].status
    again = from_status(status.code, status.SerializeToString())
    assert (again.kind, again.message, again.param, again.code) == (kind, "words ☃", "n", "c")
    assert again.retry_after_s == pytest.approx(1.5)
    assert again.limit == "tokens"
    assert again.row is TABLE[kind]


def test_what_only_the_log_may_see_is_not_shown() -> None:
    """`cause` may hold a vendor's words: it is in no text of the error and does not travel."""
    error = GatewayError(Kind.PROVIDER_ERROR, "words", cause="inner-detail")
    assert "inner-detail" not in f"{error} {error!r}"
    assert b"inner-detail" not in to_status(error).SerializeToString()
