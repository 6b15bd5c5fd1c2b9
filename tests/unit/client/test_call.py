"""Options, errors and retries: the client's plain values and decisions."""

from __future__ import annotations

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from gateway.client import ErrorKind, errors
from gateway.client.call import CallState, Options, Tls, encoded, make_options
from gateway.client.errors import GatewayError, InternalError, ProviderError, UnavailableError, from_rpc, http_status_of
from gateway.client.requests import chat_request
from gateway.client.retry import RetryPolicy
from gateway.core.errors import TABLE, Kind

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def options(address: str | None = None, **changes: object) -> Options:
    given = {"tls": False, "timeout_s": None, "max_retries": 0, "headers": None, "channel_options": None}
    return make_options(address, None, **(given | changes))  # type: ignore[arg-type]  # keywords of several types


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_http_status_is_the_tables(kind: Kind) -> None:
    """The client says the HTTP status that the gateway gives the same failure; no kind is missing."""
    assert http_status_of(ErrorKind(kind.value), grpc.StatusCode.UNKNOWN) == TABLE[kind].http_status
    assert ErrorKind(kind.value).proto_name == f"ERROR_KIND_{kind.name}"


def test_unreadable_details_are_left_out() -> None:
    """A broken or foreign rich status still gives the failure of its gRPC status."""
    for trailing in (None, (), (("grpc-status-details-bin", b"\xff\xff"),), (("other", "x"),)):
        error = from_rpc(grpc.StatusCode.UNKNOWN, "boom", trailing, request_id="r", address="a")
        assert type(error) is InternalError
        assert str(error) == "UNKNOWN: boom [request r]"


def test_kind_of_a_newer_gateway_falls_back_to_the_status() -> None:
    """A kind this client does not know yet is classified by its gRPC status."""
    assert http_status_of(ErrorKind(999), UNAVAILABLE) == 503
    assert errors.UnavailableError("x", kind=ErrorKind(999), status=UNAVAILABLE).reason == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("address", "target", "has_tls"),
    [
        (None, "127.0.0.1:50051", False),
        ("host:1", "host:1", False),
        ("http://host:1/", "host:1", False),
        ("grpcs://host:1", "host:1", True),
        ("https://host:1", "host:1", True),
        ("unix:///run/gw.sock", "unix:///run/gw.sock", False),
        ("unix:/run/gw.sock", "unix:/run/gw.sock", False),
        ("dns:///host:1", "dns:///host:1", False),
    ],
)
def test_addresses(address: str | None, target: str, has_tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each spelling of an address is understood; a secure scheme turns TLS on."""
    monkeypatch.delenv("GATEWAY_GRPC_ADDRESS", raising=False)
    made = options(address)
    assert (made.address, made.tls is not None) == (target, has_tls)
    assert options("grpcs://h:1", tls=Tls(server_name="n")).tls == Tls(server_name="n")


def test_bad_address_and_hidden_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown scheme is refused with the right spelling; the key never shows in a repr."""
    with pytest.raises(ValueError, match="grpc://host:port"):
        options("ftp://host")
    monkeypatch.setenv("GATEWAY_API_KEY", "gw-id.topsecret")
    made = options("h:1")
    assert made.key == "gw-id.topsecret"
    assert "topsecret" not in repr(made)


def test_metadata_of_a_call() -> None:
    """Names become lower case; the call's headers win over the client's; each call has its own request id."""
    made = options("h:1", headers={"X-Team": "a", "X-Other": "b"})
    state = CallState(made, headers={"x-team": "c"})
    assert dict(state.metadata) == {"x-request-id": state.request_id, "x-team": "c", "x-other": "b"}
    assert CallState(made).request_id != state.request_id
    assert CallState(made).time_left_s() is None
    assert CallState(made, timeout_s=0).time_left_s() == 0


def failed(error: type[GatewayError], retry_after_s: float | None = None) -> GatewayError:
    return error("x", status=UNAVAILABLE, retry_after_s=retry_after_s)


def test_retry_waits_longer_each_time_and_stops() -> None:
    """Without a named time the wait doubles with jitter, up to max_retries tries."""
    policy = RetryPolicy(max_retries=2)
    first, second = (policy.delay_s(failed(UnavailableError), done, None) for done in (0, 1))
    assert first is not None
    assert second is not None
    assert 0.05 <= first <= 0.1 <= second <= 0.2
    assert policy.delay_s(failed(UnavailableError), 2, None) is None


@pytest.mark.parametrize(
    ("error", "time_left_s", "wait_s"),
    [
        (failed(UnavailableError, 3.0), None, 3.0),
        (failed(UnavailableError, 3.0), 2.0, None),  # past the deadline
        (failed(UnavailableError, 11.0), None, None),  # longer than wait_s_max: the caller should know
        (failed(ProviderError), None, None),  # the gateway has tried already
        (failed(ProviderError, 1.0), None, 1.0),
        (UnavailableError("x", status=grpc.StatusCode.INTERNAL), None, None),
    ],
)
def test_retry_honours_a_named_time_or_gives_up(
    error: GatewayError, time_left_s: float | None, wait_s: float | None
) -> None:
    """A named time is waited in full or not at all."""
    assert RetryPolicy(max_retries=2).delay_s(error, 0, time_left_s) == wait_s


def test_encoding_in_threads_leaves_the_warning_filters() -> None:
    """betterproto2 swaps the process's warning filters while it encodes; threads never see each other's swap."""
    request = chat_request(None, "m", [("user", "hi")] * 20, {})
    before, interval_s = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: encoded(request), range(100)))
        assert list(warnings.filters) == before
    finally:
        sys.setswitchinterval(interval_s)
        warnings.filters[:] = before  # type: ignore[index]  # a list, whatever the stubs say
