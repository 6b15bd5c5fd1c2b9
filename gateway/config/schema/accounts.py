"""The sections about people: where accounts are stored, who may register, how long tokens and cached keys live.

Rules:
    - Keys declared in configuration need nothing of this; the database is opened at its first use.
    - A token's algorithm is not a setting.

Not here: records of users and keys (the database); limits of a key (access.py).
"""

from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator

from gateway.config.schema.base import SecretValue, Section, Slug, setting


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is no address or network such as 10.0.0.0/8 or 2001:db8::1") from None
    return text


Network = Annotated[str, AfterValidator(_network)]


class Database(Section):
    """Where accounts live."""

    url: SecretValue | None = setting(
        None,
        "`postgresql://USER:PASSWORD@HOST/NAME` or `sqlite:////PATH`; unset = a SQLite file in the state directory.",
        reloads=False,
    )
    timeout_s: float = setting(
        5.0, "Longest time of one transaction; then its caller gets 503.", unit="seconds", reloads=False, gt=0, le=300
    )
    pool_max: int = setting(10, "Connections of one service.", unit="connections", reloads=False, ge=1, le=1000)


class TokenKey(Section):
    """A secret that access tokens are signed with."""

    secret: SecretValue = setting(..., "At least 32 characters.")


class Accounts(Section):
    """Users, their keys and their sessions."""

    enabled: bool = setting(
        True, "Whether there are accounts; off, only keys in the configuration work.", reloads=False
    )
    registration: Literal["closed", "invited", "open"] = setting(
        "closed", "Who may register: nobody, who has an invitation, everybody. Administrators make users in any case."
    )
    password_min_chars: int = setting(10, "Shortest password.", unit="characters", ge=8, le=128)
    new_user_balance_usd: Decimal = setting(
        Decimal(0), "What a wallet begins with when its user registers.", unit="USD", ge=0, le=1_000_000
    )
    is_usage_recorded: bool = setting(
        True, "Whether the usage of every call is written to the journal and the database.", reloads=False
    )
    usage_retention_days: int | None = setting(
        None, "How long single calls are kept in the database; unset = for ever. What was paid stays in the ledger.",
        unit="days", ge=1, le=36_500,
    )  # fmt: skip
    is_charged: bool = setting(
        False, "Whether calls of users are paid from their wallets; off, what they cost is only written down."
    )
    trust_factor: int = setting(
        0,
        "A purse with more than so many times what a call may cost is charged at its end only, without a hold; "
        "0 = every call is held.",
        unit="times",
        ge=0,
        le=1_000_000,
    )
    keys_per_user_max: int = setting(100, "Keys one user may have that are not revoked.", unit="keys", ge=1)
    token_keys: dict[Slug, TokenKey] = setting(
        dict, "Secrets of access tokens by name; empty = one derived from `auth.pepper`. All of them are accepted."
    )
    token_signing_key: Slug | None = setting(None, "Which of `token_keys` signs; unset = the first.")
    token_issuer: str = setting("one-gateway", "Issuer of access tokens; others are refused.", min_length=1)
    token_audience: str = setting("one-gateway", "Audience of access tokens; others are refused.", min_length=1)
    access_token_s: int = setting(3600, "How long an access token works.", unit="seconds", ge=60, le=7 * 86_400)
    refresh_token_s: int = setting(
        30 * 86_400, "How long a session can be refreshed.", unit="seconds", ge=60, le=365 * 86_400
    )
    rotation_overlap_s: int = setting(
        86_400,
        "How long the old secret of a rotated key works beside the new one.",
        unit="seconds",
        ge=0,
        le=30 * 86_400,
    )
    key_cache_s: float = setting(
        30.0, "How long a key is not asked for again: the longest a revocation made elsewhere takes.", unit="seconds",
        ge=0, le=3600,
    )  # fmt: skip
    key_cache_stale_s: float = setting(
        3600.0, "How long a cached key works on while the database cannot answer.", unit="seconds", ge=0, le=7 * 86_400
    )
    key_cache_max: int = setting(50_000, "Keys and sessions that are cached.", unit="keys", ge=100, reloads=False)
    key_lookup_timeout_s: float = setting(
        1.0, "How long a call of a key that is not cached waits for the database; then it gets 503.", unit="seconds",
        gt=0, le=60,
    )  # fmt: skip
    wrong_keys_per_minute: int = setting(
        60, "Unknown keys one address may try before the database is not asked for it any more.",
        unit="keys per minute", ge=1,
    )  # fmt: skip
    logins_per_minute: int = setting(
        10, "Failed logins of one account; one address has three times as many.", unit="logins per minute", ge=1
    )
