"""Records of the accounts as messages of the contract, and changes asked for as records.

Rules:
    - Pure. What a record has as null is absent in the message, or empty where the contract says so.
    - A message of a key holds the key itself only when it is given one.
Not here:
    - Who may see them (calls beside this file).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.accounts.sessions import Opened
from gateway.accounts.wallets import Wallet
from gateway.wire import json
from gateway.wire.pb import accounts_pb2

Record = Mapping[str, Any]
_CLEARABLE = ("max_budget_usd_micros", "expires_at_ms")
_KEY_COLUMNS = {"group": "group_id", "allowed_models": "models"}


def user(row: Record, wallet: Wallet | None = None) -> accounts_pb2.User:
    """A user, without a password."""
    return accounts_pb2.User(
        id=row["id"],
        email=row["email"],
        username=row["username"],
        role=row["role"],
        group=row["group_id"],
        is_blocked=row["is_blocked"],
        limits=row["limits"],
        created_at_ms=row["created_at_ms"],
        last_login_at_ms=row["last_login_at_ms"],
        wallet=wallet_message(wallet) if wallet is not None else None,
    )


def session(opened: Opened) -> accounts_pb2.Session:
    """What a login gives."""
    return accounts_pb2.Session(
        token=opened.token,
        refresh_token=opened.refresh_token,
        expires_at_ms=opened.expires_at_s * 1000,
        user=user(opened.user),
    )


def api_key(row: Record, whole: str = "") -> accounts_pb2.ApiKey:
    """A key's record."""
    return accounts_pb2.ApiKey(
        id=row["id"],
        key=whole,
        key_prefix=row["shown_prefix"],
        user_id=row["user_id"],
        name=row["name"],
        group=row["group_id"] or "",
        allowed_models=row["models"],
        allowed_ips=row["allowed_ips"],
        limits=row["limits"],
        max_budget_usd_micros=row["max_budget_usd_micros"],
        spent_usd_micros=row["spent_usd_micros"],
        is_blocked=row["is_blocked"],
        is_revoked=row["revoked_at_ms"] is not None,
        expires_at_ms=row["expires_at_ms"],
        created_at_ms=row["created_at_ms"],
        last_used_at_ms=row["last_used_at_ms"],
    )


def wallet_message(wallet: Wallet) -> accounts_pb2.Wallet:
    """A wallet."""
    return accounts_pb2.Wallet(
        user_id=wallet.user_id,
        balance_usd_micros=wallet.balance_usd_micros,
        held_usd_micros=wallet.held_usd_micros,
    )


def ledger_entry(row: Record) -> accounts_pb2.LedgerEntry:
    """A line of a ledger."""
    names = (
        "id",
        "kind",
        "amount_usd_micros",
        "balance_usd_micros",
        "idempotency_key",
        "note",
        "actor",
        "created_at_ms",
    )
    return accounts_pb2.LedgerEntry(**{name: row[name] for name in names}, key_id=row["key_id"] or "")


def group(row: Record) -> accounts_pb2.Group:
    """A group."""
    names = ("id", "name", "ratio_ppm", "models", "limits", "created_at_ms")
    return accounts_pb2.Group(**{name: row[name] for name in names})


def code(row: Record) -> accounts_pb2.Code:
    """A redemption code, without the code."""
    names = ("id", "name", "amount_usd_micros", "is_blocked", "redeemed_at_ms", "expires_at_ms", "created_at_ms")
    return accounts_pb2.Code(**{name: row[name] for name in names}, redeemed_by=row["redeemed_by"] or "")


def audit_entry(row: Record) -> accounts_pb2.AuditEntry:
    """A line of the audit log."""
    names = ("id", "at_ms", "actor", "action", "subject", "peer", "request_id", "generation")
    return accounts_pb2.AuditEntry(**{name: row[name] for name in names}, details_json=json.text(row["details"]))


def new_key(request: accounts_pb2.CreateKeyRequest) -> dict[str, Any]:
    """What a new key shall be."""
    return {
        "name": request.name,
        "group_id": request.group or None,
        "models": list(request.allowed_models),
        "allowed_ips": list(request.allowed_ips),
        "limits": dict(request.limits),
        **_present(request, _CLEARABLE),
    }


def key_changes(request: accounts_pb2.UpdateKeyRequest) -> dict[str, Any]:
    """What shall change of a key."""
    changes = _present(request, ("name", "group", "is_blocked", *_CLEARABLE))
    changes |= _present_lists(request, ("allowed_models", "allowed_ips"), "limits")
    cleared = {name: None for name in request.clear if name in _CLEARABLE}
    if not changes.get("group", "-"):
        changes["group"] = None
    return {_KEY_COLUMNS.get(name, name): value for name, value in changes.items()} | cleared


def user_changes(request: accounts_pb2.UpdateUserRequest) -> dict[str, Any]:
    """What shall change of a user."""
    changes = _present(request, ("username", "role", "is_blocked", "password"))
    if request.HasField("group"):
        changes["group_id"] = request.group
    return changes | _present_lists(request, (), "limits")


def group_changes(request: accounts_pb2.PutGroupRequest) -> dict[str, Any]:
    """What a group shall be."""
    return _present(request, ("name", "ratio_ppm")) | _present_lists(request, ("models",), "limits")


def _present(request: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(request, name) for name in names if request.HasField(name)}


def _present_lists(request: Any, lists: tuple[str, ...], limits: str) -> dict[str, Any]:
    found: dict[str, Any] = {name: list(getattr(request, name).values) for name in lists if request.HasField(name)}
    if request.HasField(limits):
        found[limits] = dict(getattr(request, limits).limits)
    return found
