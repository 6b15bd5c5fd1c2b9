"""The sections about who may call, and how much: auth, limits, keys.

Rules:
    - No key is stored in clear: a record holds an HMAC-SHA-256 of the whole key under the pepper, as hex.
    - A limit of null means no limit; a key's own limit replaces the default, it does not add to it.

Not here: checking a presented key (pipeline and accounts); counting (quota).
"""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from gateway.config.schema.accounts import Network
from gateway.config.schema.base import SecretValue, Section, Slug, setting

KEY_ID = r"^[A-Za-z0-9_-]{4,64}$"
HMAC_HEX = r"^[0-9a-f]{64}$"


class Auth(Section):
    """How callers prove who they are."""

    is_required: bool = setting(True, "Whether calls need a key. Off only for laptops: refused in production.")
    key_prefix: str = setting("gw-", "What every key made here begins with.", pattern=r"^[A-Za-z0-9_-]{0,32}$")
    pepper: SecretValue | None = setting(
        None,
        "Secret under which keys are hashed; unset = made once and kept in the state directory. Also `GATEWAY_PEPPER`.",
        reloads=False,
    )
    dev_key: SecretValue | None = setting(
        None,
        "A whole key accepted in development, instead of one made at first start. Also `GATEWAY_DEV_KEY`.",
        reloads=False,
    )


class Limits(Section):
    """How much may be used. Of a key: unset = the default of section `limits`; null there = no limit."""

    requests_per_minute: int | None = setting(None, "Requests per minute.", unit="requests per minute", ge=1)
    tokens_per_minute: int | None = setting(
        None, "Tokens per minute, prompt and completion.", unit="tokens per minute", ge=1
    )
    concurrency: int | None = setting(None, "Calls at the same time.", unit="calls", ge=1)
    input_tokens_per_minute: int | None = setting(None, "Prompt tokens per minute.", unit="tokens per minute", ge=1)
    output_tokens_per_minute: int | None = setting(
        None, "Completion tokens per minute.", unit="tokens per minute", ge=1
    )
    requests_per_day: int | None = setting(None, "Requests in any 24 hours.", unit="requests per day", ge=1)
    tokens_per_day: int | None = setting(
        None, "Tokens in any 24 hours, prompt and completion.", unit="tokens per day", ge=1
    )
    input_tokens_per_day: int | None = setting(None, "Prompt tokens in any 24 hours.", unit="tokens per day", ge=1)
    output_tokens_per_day: int | None = setting(None, "Completion tokens in any 24 hours.", unit="tokens per day", ge=1)


class Key(Section):
    """One API key's record. Made by `gateway keys create`; the key itself is shown once and not kept."""

    id: str = setting(..., "Public part of the key, between prefix and dot; found by this.", pattern=KEY_ID)
    hmac: str = setting(..., "HMAC-SHA-256 of the whole key under the pepper, 64 hex digits.", pattern=HMAC_HEX)
    name: str = setting("", "What a person calls it.", max_length=200)
    models: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = setting(
        (), "Wire names or globs this key may use; empty = all."
    )
    limits: Limits = setting(Limits, "Limits of this key; what is unset comes from section `limits`.")
    allowed_ips: tuple[Network, ...] = setting((), "Addresses and networks it may be used from; empty = all.")
    is_admin: bool = setting(False, "Whether the key may manage accounts: users, groups, money, everybody's keys.")
    is_disabled: bool = setting(False, "Whether the key is refused.")
    created_at: datetime | None = setting(None, "When it was made.", unit="ISO 8601")
    expires_at: datetime | None = setting(None, "When it stops working; unset = never.", unit="ISO 8601")


Keys = dict[Slug, Key]
