"""Who asks something of the accounts, and of whom: the rules of the contract, as plain functions.

Rules:
    - An API key reads its own user and manages nothing; keys are managed by a session or an administrator.
    - Somebody else's is refused to all but administrators, and told alike whether it exists or not.
Not here:
    - Proving who somebody is (pipeline.identify); doing what they ask (own, admin).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.accounts.book import Accounts
from gateway.accounts.keys import Identity
from gateway.accounts.shared import Actor
from gateway.accounts.texts import wrong
from gateway.config.schema import Config
from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import CallContext


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the message, who sent it, and what they may reach."""

    request: Any
    identity: Identity
    who: Actor
    accounts: Accounts
    config: Config
    context: CallContext

    def manage(self) -> None:
        """Refuse a caller that only has an API key."""
        if not (self.identity.is_session or self.identity.is_admin):
            text = "Keys are managed by their user: log in (POST /auth/login) and use the token."
            raise GatewayError(Kind.INVALID_KEY, text, code="session_required")

    def administer(self) -> None:
        """Refuse whoever is no administrator."""
        if not self.identity.is_admin:
            raise GatewayError(Kind.PERMISSION_DENIED, "This is for administrators.", code="admin_required")

    def user_id(self, asked_for: str = "") -> str:
        """Whose wallet, keys or usage: the caller's own, or for administrators the one asked for."""
        if asked_for and asked_for != self.identity.user_id:
            self.administer()
            return asked_for
        if not self.identity.user_id:
            if not self.identity.is_admin:
                text = "This key belongs to no user: it is written in the configuration."
                raise GatewayError(Kind.PERMISSION_DENIED, text, code="no_user")
            raise wrong("user_id", "is missing: this key belongs to no user")
        return self.identity.user_id

    def reach(self) -> str | None:
        """Whose keys the caller may reach by id: their own (a user's id), or everybody's (None)."""
        self.manage()
        return None if self.identity.is_admin else self.identity.user_id

    def key_form(self, name: str = "") -> tuple[str, dict[str, int]]:
        """What a new key begins with, and its limits unless it has some: by that profile, or the caller's.

        Raises GatewayError INVALID_REQUEST when there is no such profile.
        """
        profile = self.config.profiles.get(name or self.context.profile or "default")
        if profile is None:
            if name:
                raise wrong("profile", f"must be one of {', '.join(self.config.profiles)}")
            return self.config.auth.key_prefix, {}
        limit = profile.key_requests_per_minute
        prefix = self.config.auth.key_prefix if profile.key_prefix is None else profile.key_prefix
        return prefix, {} if limit is None else {"requests_per_minute": limit}
