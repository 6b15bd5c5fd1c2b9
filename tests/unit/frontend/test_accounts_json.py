"""Accounts as JSON: one rule for every message, nothing silently left out, money exact."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, Kind
from gateway.frontend.accounts import ROWS
from gateway.frontend.accounts_json import decode, encode
from gateway.rpc.contract import ACCOUNT_METHODS
from gateway.wire.pb import accounts_pb2 as pb

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted({field.name for method in ACCOUNT_METHODS.values() for field in method.request.DESCRIPTOR.fields})
SPELT = [name.removesuffix("_ms").removesuffix("_micros") for name in NAMES]


def test_a_key_as_inferxgate_writes_it() -> None:
    """Its members, and ours, mean the same message."""
    theirs = {
        "name": "ci", "max_budget": 25.5, "rate_limit_rpm": 60, "rate_limit_tpm": None, "allowed_models": ["m"],
        "expires_at": "2030-01-01T00:00:00Z",
    }  # fmt: skip
    ours = {
        "name": "ci", "max_budget_usd": 25.5, "limits": {"requests_per_minute": 60}, "allowed_models": ["m"],
        "expires_at": "2030-01-01T01:00:00+01:00",
    }  # fmt: skip
    assert decode(pb.CreateKeyRequest, theirs) == decode(pb.CreateKeyRequest, ours)


def test_null_clears_what_can_be_none() -> None:
    """Of a change; elsewhere null is as good as absent."""
    changed: Any = decode(pb.UpdateKeyRequest, {"max_budget": None, "expires_at": None, "name": None}, id="k")
    assert list(changed.clear) == ["max_budget_usd_micros", "expires_at_ms"]
    assert not changed.HasField("name")
    emptied: Any = decode(pb.UpdateKeyRequest, {"allowed_models": [], "limits": {}}, id="k")
    assert emptied.HasField("allowed_models")
    assert emptied.HasField("limits")


def test_the_path_decides() -> None:
    """A body cannot name another user than its path."""
    with pytest.raises(GatewayError) as refused:
        decode(pb.ChangeWalletRequest, {"user_id": "other", "amount_usd": 1}, user_id="u", kind="top_up")
    assert refused.value.param == "user_id"


@pytest.mark.parametrize(
    "body", [{"name": "a\ud800"}, {"allowed_models": ["\udfff"]}, {"limits": {"\ud800": 1}}, {"\ud800": 1}]
)
def test_half_a_character_is_refused(body: dict[str, Any]) -> None:
    """JSON can write it, a message cannot hold it."""
    with pytest.raises(GatewayError) as refused:
        decode(pb.CreateKeyRequest, body)
    assert refused.value.kind is Kind.INVALID_REQUEST
    assert refused.value.message.encode()


@given(st.integers(-(2**53), 2**53))
def test_money_is_exact_both_ways(micros: int) -> None:
    """Whatever is shown as dollars is read back to the micro-dollar, within the precision of a JSON number."""
    micros //= 10**3
    shown = encode(pb.Wallet(balance_usd_micros=micros))["balance_usd"]
    read: Any = decode(pb.ChangeWalletRequest, {"amount_usd": shown})
    assert read.amount_usd_micros == micros


@given(st.sampled_from(ROWS), st.dictionaries(st.sampled_from(SPELT) | st.text(max_size=6), JSON, max_size=4))
def test_any_body_is_a_message_or_a_refusal(row: Any, body: dict[str, Any]) -> None:
    """Never a bug, whatever is sent; a refusal names the member."""
    kind = ACCOUNT_METHODS[row.rpc].request
    found: object
    try:
        found = decode(kind, body)
    except GatewayError as error:
        found = error
    if isinstance(found, GatewayError):
        assert (found.kind, found.param is not None) == (Kind.INVALID_REQUEST, True)
    else:
        assert isinstance(found, kind)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_every_row_leads_somewhere(row: Any) -> None:
    """Its RPC exists, and what its path and query decide are members of the request."""
    fields = ACCOUNT_METHODS[row.rpc].request.DESCRIPTOR.fields_by_name
    parts = [part[1:-1] for part in row.path.split("/") if part.startswith("{")]
    assert {row.rename.get(part, part) for part in parts} | row.known.keys() <= set(fields)
