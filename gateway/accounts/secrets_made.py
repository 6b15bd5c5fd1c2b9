"""Credentials made for accounts: API keys, refresh tokens, redemption codes, invitations.

Rules:
    - A key is PREFIX + 16 characters of id + 32 of secret (190 random bits), letters and digits only: clients and
      scanners of every gateway we stand in for take it, and no character needs escaping anywhere.
    - What is not of that form is refused without asking anybody.
Not here:
    - Keys of the configuration, which have a dot (keys); their digests' pepper (app.state).
"""

from __future__ import annotations

import secrets
import string

ID_CHARS, SECRET_CHARS = 16, 32
PREFIX_MAX_CHARS = 32
_ID_ALPHABET = string.ascii_lowercase + string.digits
_ALPHABET = string.ascii_letters + string.digits
_BODY_CHARS = ID_CHARS + SECRET_CHARS
_TOKEN_CHARS = 43  # 256 bits
REFRESH_PREFIX, CODE_PREFIX, INVITATION_PREFIX = "gwr_", "gwc_", "gwi_"


def new_id() -> str:
    """A public id: 82 random bits."""
    return _random(_ID_ALPHABET, ID_CHARS)


def new_key(prefix: str, key_id: str) -> str:
    """A whole key of that id, with a new secret."""
    return f"{prefix}{key_id}{_random(_ALPHABET, SECRET_CHARS)}"


def new_token(prefix: str) -> str:
    """A credential that is found by its digest."""
    return prefix + _random(_ALPHABET, _TOKEN_CHARS)


def key_id_in(credential: str) -> str | None:
    """The id within a credential that has the form of a key made here; None for any other."""
    if not _BODY_CHARS <= len(credential) <= _BODY_CHARS + PREFIX_MAX_CHARS:
        return None
    body = credential[-_BODY_CHARS:]
    key_id = body[:ID_CHARS]
    is_well_formed = body.isascii() and body.isalnum() and key_id == key_id.lower()
    return key_id if is_well_formed else None


def _random(alphabet: str, count: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))
