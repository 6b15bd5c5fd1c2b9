"""The tables, as SQLAlchemy Core knows them. What a deployed database has is decided by the migrations.

Rules:
    - Money is integer micro-USD, times are unix milliseconds, lists are JSON; nothing is a float or a datetime.
    - No secret is stored: passwords as argon2id, keys, codes and refresh tokens as HMAC-SHA-256.
    - `ledger_entries`, `usage_records` and `audit_log` are only appended to.
    - The tables equal what the migrations make (a test compares, on both databases).
Not here:
    - Who may change what (accounts); how a schema changes (migrations).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER primary key
Json = JSON().with_variant(JSONB, "postgresql")
ID = String(64)
DIGEST = String(64)


def _at(name: str, *, is_required: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=not is_required)


groups = Table(
    "groups",
    metadata,
    Column("id", ID, primary_key=True),  # the slug that people write
    Column("name", String(200), nullable=False),
    Column("ratio_ppm", BigInteger, nullable=False),  # price times this over a million
    Column("models", Json, nullable=False),  # globs; empty = all
    Column("limits", Json, nullable=False),
    _at("created_at_ms", is_required=True),
)
users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),  # lower case
    Column("username", String(200), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("group_id", ID, ForeignKey("groups.id"), nullable=False),
    Column("is_blocked", Boolean, nullable=False),
    Column("limits", Json, nullable=False),
    _at("tokens_from_ms", is_required=True),  # access tokens made before are refused
    _at("created_at_ms", is_required=True),
    _at("last_login_at_ms"),
)
memberships = Table(
    "memberships",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", ID, ForeignKey("groups.id"), primary_key=True),
    _at("created_at_ms", is_required=True),
)
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", ID, primary_key=True),  # the public part of the key
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("shown_prefix", String(64), nullable=False),  # what lists show of it
    Column("group_id", ID, ForeignKey("groups.id")),  # null = the user's
    Column("models", Json, nullable=False),
    Column("allowed_ips", Json, nullable=False),
    Column("limits", Json, nullable=False),
    Column("max_budget_usd_micros", BigInteger),
    Column("spent_usd_micros", BigInteger, nullable=False),
    Column("is_blocked", Boolean, nullable=False),
    _at("expires_at_ms"),
    _at("revoked_at_ms"),
    _at("created_at_ms", is_required=True),
    _at("last_used_at_ms"),
)
key_secrets = Table(
    "key_secrets",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("key_id", ID, ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False, index=True),
    _at("created_at_ms", is_required=True),
    _at("expires_at_ms"),
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_digest", DIGEST, nullable=False, unique=True),
    Column("spent_digest", DIGEST, index=True),  # of the token before; shown again, the session ends
    _at("created_at_ms", is_required=True),
    _at("expires_at_ms", is_required=True),
    _at("ended_at_ms"),
)
invitations = Table(
    "invitations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("group_id", ID, ForeignKey("groups.id"), nullable=False),
    _at("created_at_ms", is_required=True),
    _at("expires_at_ms"),
    Column("used_by", ID),
    _at("used_at_ms"),
)
wallets = Table(
    "wallets",
    metadata,
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("balance_usd_micros", BigInteger, nullable=False),  # the sum of its ledger entries
)
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),  # top_up, redeem, adjust, usage
    Column("amount_usd_micros", BigInteger, nullable=False),
    Column("balance_usd_micros", BigInteger, nullable=False),  # after it
    Column("idempotency_key", String(200), nullable=False),
    Column("key_id", ID),
    Column("note", String(500), nullable=False),
    Column("actor", String(128), nullable=False),
    _at("created_at_ms", is_required=True),
    UniqueConstraint("user_id", "idempotency_key"),
    Index("ix_ledger_entries_user_id_id", "user_id", "id"),
)
redemption_codes = Table(
    "redemption_codes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("digest", DIGEST, nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("amount_usd_micros", BigInteger, nullable=False),
    _at("created_at_ms", is_required=True),
    _at("expires_at_ms"),
    Column("is_blocked", Boolean, nullable=False),
    Column("redeemed_by", ID),
    _at("redeemed_at_ms"),
)
usage_records = Table(
    "usage_records",
    metadata,
    Column("id", String(128), primary_key=True),  # of the call: written twice, it is counted once
    Column("request_id", String(128), nullable=False, default=""),
    Column("user_id", ID, nullable=False),
    Column("key_id", ID, nullable=False),
    Column("model", String(300), nullable=False),
    Column("provider", String(200), nullable=False),
    Column("outcome", String(40), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cost_usd_micros", BigInteger),  # null = no price was known
    Column("latency_ms", BigInteger, nullable=False),
    Column("is_cached", Boolean, nullable=False),
    Column("is_estimate", Boolean, nullable=False, default=False),
    _at("created_at_ms", is_required=True),
    Index("ix_usage_records_key_id_created_at_ms", "key_id", "created_at_ms"),
    Index("ix_usage_records_user_id_created_at_ms", "user_id", "created_at_ms"),
    Index("ix_usage_records_created_at_ms", "created_at_ms"),
)
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=True),
    _at("at_ms", is_required=True),
    Column("actor", String(128), nullable=False),  # user:ID, key:ID or system
    Column("action", String(64), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("details", Json, nullable=False),
    Column("peer", String(128), nullable=False),
    Column("request_id", String(128), nullable=False, default=""),
    Column("generation", Integer),  # of the configuration; null = the gateway itself, or written before this column
    Index("ix_audit_log_subject", "subject"),
)
settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Json, nullable=False),
    _at("updated_at_ms", is_required=True),
)
