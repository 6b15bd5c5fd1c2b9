"""API keys: making them, hashing them, and telling whose key a credential is.

Rules:
    - A key is `PREFIX` + id + `.` + secret: 80 random bits of id, 256 of secret. It is shown once.
    - Only HMAC-SHA-256(pepper, whole key) is kept; comparison is constant-time, and an unknown id
      costs the same work as a known one.
    - A bad key is INVALID_KEY whatever is wrong with it; only the log says which (`cause`).
Not here:
    - Where records live (configuration layers); what a key may spend (quota).
    - Keys and tokens that only the database knows (directory).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.accounts.addresses import Network, networks
from gateway.config.schema import Config, Key
from gateway.core.errors import GatewayError, Kind
from gateway.core.globs import matches
from gateway.core.limits import LIMIT_NAMES, Debit, Limits, Scope

CREDENTIAL_MAX_CHARS = 1024
_NO_DIGEST = "0" * 64
_BLOCK_BYTES = 64  # of SHA-256
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: the key's public id, its name, what it may use. `models` empty = all.

    `user_id` and `group` are empty for keys of the configuration. A session is a user who logged in, without a key.
    """

    key_id: str
    name: str
    models: tuple[str, ...]
    limits: Limits
    scopes: tuple[Scope, ...] = ()  # whom its calls are counted for: the key, its user, its group
    user_id: str = ""
    group: str = ""
    debits: tuple[Debit, ...] = ()  # whose money its calls may take
    ratio_ppm: int = 1_000_000  # what its group pays of a price, in millionths
    is_admin: bool = False
    is_session: bool = False
    allowed_ips: tuple[Network, ...] = ()  # empty = all
    group_models: tuple[str, ...] = ()  # of its group; empty = all

    @property
    def actor(self) -> str:
        """Who it is in ledgers and the audit log."""
        return f"user:{self.user_id}" if self.user_id else f"key:{self.key_id}"

    def may_use(self, model: str) -> bool:
        """Whether this key may call the model of that wire name."""
        return is_among(model, self.models) and is_among(model, self.group_models)


def is_among(model: str, globs: Sequence[str]) -> bool:
    """Whether one of the globs stands for the model; no globs stand for all."""
    return not globs or any(matches(model, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class _Record:
    digest: str
    identity: Identity
    is_disabled: bool
    expires_at: float | None  # unix seconds


def make_key(prefix: str) -> tuple[str, str]:
    """A new key: (id, whole key)."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
    return key_id, f"{prefix}{key_id}.{secrets.token_urlsafe(32)}"


def digest(pepper: bytes, key: str) -> str:
    """HMAC-SHA-256 of the whole key under the pepper, as 64 hex digits."""
    return hmac.digest(pepper, key.encode("utf-8", "surrogatepass"), "sha256").hex()


class Digester:
    """`digest` under one pepper, its two padded blocks hashed once (RFC 2104): half the time of `hmac.digest`."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, pepper: bytes) -> None:
        block = (hashlib.sha256(pepper).digest() if len(pepper) > _BLOCK_BYTES else pepper).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, key: str) -> str:
        """The same as `digest(pepper, key)`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(key.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.hexdigest()


def id_of(key: str, prefix: str) -> str | None:
    """The public id within a key; None when it is not of the form `PREFIX id . secret`."""
    if not key.startswith(prefix):
        return None
    key_id, dot, secret = key[len(prefix) :].partition(".")
    return key_id if dot and key_id and secret else None


class Keyring:
    """All keys of one configuration snapshot; looked up by id, never changed."""

    def __init__(
        self, records: Mapping[str, _Record], pepper: bytes, prefixes: tuple[str, ...], *, is_required: bool
    ) -> None:
        self._records = records
        self._digester = Digester(pepper)
        self._prefixes = prefixes
        self._is_required = is_required
        self._anonymous = Identity("", "anonymous", (), Limits(None, None, None))

    @classmethod
    def of(cls, config: Config, pepper: bytes) -> Keyring:
        """The keyring of a checked configuration. A key in `auth.dev_key` is added in development."""
        prefixes = _prefixes(config)
        records = {key.id: _record(key, config) for key in config.keys.values()}
        dev_key = config.auth.dev_key
        if config.environment != "production" and dev_key is not None and dev_key.is_set:
            whole = dev_key.reveal()
            key_id = next(filter(None, (id_of(whole, prefix) for prefix in prefixes)), whole)
            limits = _limits(None, config)
            identity = Identity("dev", "development key", (), limits, (Scope("dev", limits),), is_admin=True)
            records[key_id] = _Record(digest(pepper, whole), identity, is_disabled=False, expires_at=None)
        return cls(records, pepper, prefixes, is_required=config.auth.is_required)

    def identify(self, credential: str, now_unix_s: float) -> Identity:
        """Whose key this is, if the configuration knows it.

        Raises GatewayError MISSING_KEY or INVALID_KEY; the message never quotes the credential.
        """
        found = self.look(credential, now_unix_s)
        if isinstance(found, str):
            raise refused("unknown id or wrong secret")
        return found

    def _record(self, credential: str) -> _Record | None:
        for prefix in self._prefixes if "." in credential else ():
            if (key_id := id_of(credential, prefix)) and (record := self._records.get(key_id)) is not None:
                return record
        return self._records.get(credential)

    def look(self, credential: str, now_unix_s: float) -> Identity | str:
        """Whose key this is; of an id that the configuration does not know, the digest of the credential.

        Raises GatewayError MISSING_KEY or INVALID_KEY.
        """
        if not credential:
            if not self._is_required:
                return self._anonymous
            raise GatewayError(
                Kind.MISSING_KEY,
                "You did not provide an API key. Send it in the Authorization header: Authorization: Bearer YOUR_KEY.",
            )
        if len(credential) > CREDENTIAL_MAX_CHARS:
            raise refused("longer than any key")
        record = self._record(credential)
        presented = self._digester.digest(credential)
        is_same = hmac.compare_digest(presented, record.digest if record else _NO_DIGEST)
        if record is None:
            return presented
        if not is_same:
            raise refused("wrong secret")
        if record.is_disabled:
            raise refused(f"key {record.identity.key_id} is disabled")
        if record.expires_at is not None and record.expires_at <= now_unix_s:
            raise refused(f"key {record.identity.key_id} expired at {record.expires_at:.0f}")
        return record.identity


def _prefixes(config: Config) -> tuple[str, ...]:
    """What keys may begin with: the gateway's own prefix first, then those of profiles."""
    found = {config.auth.key_prefix: None}
    for profile in config.profiles.values():
        found |= dict.fromkeys(profile.key_prefixes)
        if profile.key_prefix is not None:
            found[profile.key_prefix] = None
    return tuple(found)


def refused(cause: str) -> GatewayError:
    """The failure of a bad key, the same for whatever is wrong with it; the log has `cause`."""
    return GatewayError(
        Kind.INVALID_KEY,
        "Incorrect API key provided. Check the key, and that it was made for this gateway.",
        cause=cause,
    )


def _record(key: Key, config: Config) -> _Record:
    limits = _limits(key, config)
    identity = Identity(
        key.id, key.name, key.models, limits, (Scope(key.id, limits),),
        is_admin=key.is_admin, allowed_ips=networks(key.allowed_ips),
    )  # fmt: skip
    expires_at = key.expires_at.timestamp() if key.expires_at else None
    return _Record(key.hmac, identity, key.is_disabled, expires_at)


def _limits(key: Key | None, config: Config) -> Limits:
    """A key's own limits where it sets them (null included), else the defaults."""
    own = key.limits if key else None
    return Limits(*(_limit(own, config.limits, name) for name in LIMIT_NAMES))


def _limit(own: object, default: object, name: str) -> int | None:
    is_own = own is not None and name in own.model_fields_set  # type: ignore[attr-defined]  # both are config Limits
    value: int | None = getattr(own if is_own else default, name)
    return value
