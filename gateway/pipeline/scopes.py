"""Whom a call is counted for: its key, user and group, and the model it asks for.

Rules:
    - The caller's scopes come with its identity; a model adds its own only when it has limits, so that a call
      without them pays nothing.
Not here:
    - Counting (quota); what an identity carries (accounts).
"""

from __future__ import annotations

from gateway.accounts.keys import Identity
from gateway.config.catalogue import Entry
from gateway.core.limits import Scope


def scopes_of(identity: Identity, entry: Entry | None) -> tuple[Scope, ...]:
    """Every scope of a call."""
    scopes = identity.scopes
    if entry is None or (entry.scope is None and entry.limits_per_key is None):
        return scopes
    if entry.scope is not None:
        scopes = (*scopes, entry.scope)
    if entry.limits_per_key is not None:
        subject = f"model:{entry.slug}:key:{identity.key_id}"
        scopes = (*scopes, Scope(subject, entry.limits_per_key, "key"))
    return scopes
