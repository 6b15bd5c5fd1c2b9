"""What a call must know of a key or a session, read from the database in one question.

Rules:
    - Blocks, revocations and spent budgets are decided when the facts are read, expiry whenever they are used.
    - A bad key is INVALID_KEY; a good key of a blocked user, or of a group that is no longer the user's, is
      PERMISSION_DENIED; a spent budget is INSUFFICIENT_BALANCE.
    - A key's own limits replace the default ones; those of its user and its group count beside them.
Not here:
    - How long facts are believed (directory).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.accounts.addresses import networks
from gateway.accounts.keys import Identity, refused
from gateway.accounts.purses import debits_of
from gateway.config.schema import Config
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import LIMIT_NAMES, Limits, Scope
from gateway.store.sql.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Facts:
    """A key or a session. `digests` are its live secrets with their ends; times are unix milliseconds."""

    subject: str
    identity: Identity
    digests: tuple[tuple[str, int | None], ...] = ()
    refusal: tuple[Kind, str, str] | None = None  # kind, message, code
    cause: str = ""  # why the credential is bad, if it is
    expires_at_ms: int | None = None
    tokens_from_ms: int = 0

    def has(self, digest: str, now_ms: int) -> bool:
        """Whether this is the digest of one of its live secrets."""
        same = [hmac.compare_digest(digest, one) and (end is None or end > now_ms) for one, end in self.digests]
        return any(same)

    def use(self, now_ms: int) -> Identity:
        """The identity, if it may be used now. Raises GatewayError."""
        if self.cause:
            raise refused(self.cause)
        if self.expires_at_ms is not None and self.expires_at_ms <= now_ms:
            raise refused(f"{self.subject} expired")
        if self.refusal is not None:
            kind, message, code = self.refusal
            raise GatewayError(kind, message, code=code)
        return self.identity


def key_facts(prepared: Prepared, key_id: str, config: Config) -> Facts | None:
    """Of a key, by its public id; None when there is none."""
    rows = prepared.rows("key_facts", key_id=key_id)
    return _key(rows, config) if rows else None


def _key(rows: Any, config: Config) -> Facts:
    row = rows[0]
    own = {name: row.limits.get(name, getattr(config.limits, name)) for name in LIMIT_NAMES}
    limits = Limits(**own)
    identity = Identity(
        key_id=row.id,
        name=row.name,
        models=tuple(row.models),
        limits=limits,
        scopes=(Scope(row.id, limits), *_shared_scopes(row, row.user_id)),
        user_id=row.user_id,
        debits=debits_of(config.accounts, row.user_id, row.id, row.max_budget_usd_micros),
        group=row.group,
        ratio_ppm=row.ratio_ppm,
        allowed_ips=networks(row.allowed_ips),
        group_models=tuple(row.group_models),
    )
    return Facts(
        f"key {row.id}",
        identity,
        tuple((each.digest, each.secret_expires_at_ms) for each in rows),
        _refusal(row),
        _cause(row),
        row.expires_at_ms,
    )


def _cause(row: Any) -> str:
    if row.revoked_at_ms is not None:
        return f"key {row.id} is revoked"
    return f"key {row.id} is blocked" if row.is_blocked else ""


def _refusal(row: Any) -> tuple[Kind, str, str] | None:
    if row.is_user_blocked:
        return _BLOCKED
    if row.group != row.own_group_id and not row.is_member:
        return (Kind.PERMISSION_DENIED, "This key's group is no longer its user's.", "group_not_allowed")
    budget = row.max_budget_usd_micros
    if budget is not None and row.spent_usd_micros >= budget:
        return (Kind.INSUFFICIENT_BALANCE, "The budget of this key is spent.", "key_budget_exceeded")
    return None


def session_facts(prepared: Prepared, session_id: str, config: Config) -> Facts | None:
    """Of a session; None when there is none."""
    rows = prepared.rows("session_facts", session_id=session_id)
    return _session(rows[0], session_id, config) if rows else None


def _session(row: Any, session_id: str, config: Config) -> Facts:
    limits = Limits(**{name: getattr(config.limits, name) for name in LIMIT_NAMES})
    identity = Identity(
        key_id=f"user:{row.id}",
        name=row.username,
        models=(),
        limits=limits,
        scopes=(Scope(f"session:{row.id}", limits), *_shared_scopes(row, row.id)),
        user_id=row.id,
        debits=debits_of(config.accounts, row.id),
        group=row.group,
        ratio_ppm=row.ratio_ppm,
        is_admin=row.role == "admin",
        is_session=True,
        group_models=tuple(row.group_models),
    )
    return Facts(
        f"session {session_id}",
        identity,
        refusal=_BLOCKED if row.is_blocked else None,
        cause=f"session {session_id} has ended" if row.ended_at_ms is not None else "",
        tokens_from_ms=row.tokens_from_ms,
    )


_BLOCKED = (Kind.PERMISSION_DENIED, "This account is blocked.", "account_blocked")


def _shared_scopes(row: Any, user_id: str) -> tuple[Scope, ...]:
    """Those of a user and of a group, where they are limited."""
    user, group = _limits(row.user_limits), _limits(row.group_limits)
    scopes = (Scope(f"user:{user_id}", user, "user"), Scope(f"group:{row.group}", group, "group"))
    return tuple(scope for scope in scopes if scope.limits.is_limited)


def _limits(stored: Mapping[str, int]) -> Limits:
    return Limits(**{name: stored[name] for name in LIMIT_NAMES if name in stored})
