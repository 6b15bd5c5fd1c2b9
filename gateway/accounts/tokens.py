"""Access tokens: JWT with HS256 and nothing else, signed by this gateway for itself.

Rules:
    - The algorithm is a constant; what a token's header says of itself chooses only among our own keys, by `kid`.
    - A header with any member beside alg, typ and kid is refused: no `crit`, `jku`, `x5u`, `jwk`.
    - iss, aud, sub, sid, iat, nbf and exp are required; clocks may differ by SKEW_S.
    - A token names a session; whether that still runs, and who its user is by now, is asked of the directory.
Not here:
    - Refreshing (sessions); who may do what (service).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.accounts.keys import refused
from gateway.config.schema import Accounts

ALGORITHM = "HS256"
SKEW_S = 30.0
HEADER_MEMBERS = {"alg", "typ", "kid"}
_DERIVED = b"one-gateway access tokens 1"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. Times are unix seconds."""

    user_id: str
    session_id: str
    issued_at_s: float
    expires_at_s: float


class Tokens:
    """Signs and checks tokens under the keys of one configuration."""

    def __init__(self, settings: Accounts, pepper: bytes) -> None:
        self._settings = settings
        self._keys = _keys(settings, pepper)
        self._signing = settings.token_signing_key or next(iter(self._keys))

    def sign(self, user_id: str, session_id: str, now_s: float, shown: Mapping[str, str]) -> str:
        """A token for a session; `shown` (email, role) is for the client to read, and decides nothing here."""
        import jwt

        issued_at_s = int(now_s)
        claims = {
            **shown,
            "iss": self._settings.token_issuer,
            "aud": self._settings.token_audience,
            "sub": user_id,
            "sid": session_id,
            "jti": secrets.token_hex(8),
            "iat": issued_at_s,
            "nbf": issued_at_s,
            "exp": issued_at_s + self._settings.access_token_s,
        }
        return jwt.encode(claims, self._keys[self._signing], ALGORITHM, headers={"kid": self._signing})

    def check(self, token: str, now_s: float) -> Claims:
        """What it says. Raises GatewayError INVALID_KEY for anything but a good token of ours."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header)
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.token_audience,
                issuer=self._settings.token_issuer,
                options={
                    "require": ["iss", "aud", "sub", "sid", "iat", "nbf", "exp"],
                    "verify_exp": False, "verify_nbf": False, "verify_iat": False,  # by our own clock, below
                },
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise refused(f"token: {type(error).__name__}") from None
        return _timely(claims, now_s)

    def _key(self, header: Mapping[str, Any]) -> bytes:
        if not header.keys() <= HEADER_MEMBERS or header.get("alg") != ALGORITHM:
            raise refused("token: a header that is not ours")
        key = self._keys.get(str(header.get("kid")))
        if key is None:
            raise refused("token: an unknown kid")
        return key


def is_token(credential: str) -> bool:
    """Whether it has the form of a token: three parts, the first a JSON object."""
    return credential.startswith("eyJ") and credential.count(".") == 2


def _timely(claims: Mapping[str, Any], now_s: float) -> Claims:
    issued_at_s, not_before_s, expires_at_s = (claims[name] for name in ("iat", "nbf", "exp"))
    if any(type(time) not in (int, float) for time in (issued_at_s, not_before_s, expires_at_s)):
        raise refused("token: a time that is no number")
    if max(issued_at_s, not_before_s) > now_s + SKEW_S:
        raise refused("token: not yet valid")
    if expires_at_s <= now_s - SKEW_S:
        raise refused("token: expired")
    return Claims(str(claims["sub"]), str(claims["sid"]), issued_at_s, expires_at_s)


def _keys(settings: Accounts, pepper: bytes) -> dict[str, bytes]:
    """The secrets by kid; without any in the configuration, one that every service with this pepper derives."""
    if settings.token_keys:
        return {kid: key.secret.reveal().encode() for kid, key in settings.token_keys.items()}
    derived = hmac.digest(pepper, _DERIVED, "sha256")
    return {hashlib.sha256(derived).hexdigest()[:12]: derived}
