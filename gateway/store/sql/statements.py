"""What running calls ask of the database, as prepared statements: the few questions that cannot wait for SQLAlchemy.

Rules:
    - Each is written once, in SQLAlchemy Core. PostgreSQL runs it as it is; its text for SQLite is in `sqlite.sql`,
      written by `python -m gateway.store.sql.statements` and compared by a test: to run it needs no SQLAlchemy.
    - Parameters go by name; the columns of `JSON_COLUMNS` are read as the values they hold.
Not here:
    - Running them (prepared); what people ask and change (accounts: any statement, over SQLAlchemy).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, Integer, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from gateway.store.sql.tables import (
    api_keys,
    groups,
    key_secrets,
    ledger_entries,
    memberships,
    sessions,
    usage_records,
    users,
    wallets,
)

USAGE_NAMES = {"created_at_ms": "at_ms"}  # of a record's members, where they differ
SQLITE_FILE = Path(__file__).with_name("sqlite.sql")
GRAIN_MS = 600_000
_HEAD = """-- Written by `python -m gateway.store.sql.statements` from gateway/store/sql/statements.py; never by hand.
"""


def _group_columns() -> tuple[Any, ...]:
    return (
        users.c.limits.label("user_limits"),
        groups.c.id.label("group"),
        groups.c.models.label("group_models"),
        groups.c.limits.label("group_limits"),
        groups.c.ratio_ppm,
    )


def _key_facts() -> Executable:
    group_id = func.coalesce(api_keys.c.group_id, users.c.group_id)
    is_member = (
        select(memberships.c.user_id)
        .where(memberships.c.user_id == users.c.id, memberships.c.group_id == group_id)
        .exists()
    )
    return (
        select(
            api_keys,
            users.c.is_blocked.label("is_user_blocked"),
            users.c.group_id.label("own_group_id"),
            *_group_columns(),
            is_member.label("is_member"),
            key_secrets.c.digest,
            key_secrets.c.expires_at_ms.label("secret_expires_at_ms"),
        )
        .join_from(api_keys, users, users.c.id == api_keys.c.user_id)
        .join(groups, groups.c.id == group_id)
        .join(key_secrets, key_secrets.c.key_id == api_keys.c.id)
        .where(api_keys.c.id == bindparam("key_id"))
    )


def _session_facts() -> Executable:
    return (
        select(
            sessions.c.ended_at_ms,
            sessions.c.expires_at_ms,
            users.c.id,
            users.c.username,
            users.c.role,
            users.c.is_blocked,
            users.c.tokens_from_ms,
            *_group_columns(),
        )
        .join_from(sessions, users, users.c.id == sessions.c.user_id)
        .join(groups, groups.c.id == users.c.group_id)
        .where(sessions.c.id == bindparam("session_id"))
    )


def _wallet() -> Executable:
    entries = ledger_entries.c
    last = select(func.max(entries.id)).where(entries.user_id == bindparam("user_id")).scalar_subquery()
    return select(wallets.c.balance_usd_micros, last.label("last_entry")).where(
        wallets.c.user_id == bindparam("user_id")
    )


def _spent() -> Executable:
    return select(api_keys.c.spent_usd_micros).where(api_keys.c.id == bindparam("key_id"))


def _day() -> Select[Any]:
    """Sums of ten minutes each."""
    table = usage_records.c
    grain = (table.created_at_ms - table.created_at_ms % GRAIN_MS).label("grain_ms")
    sums = (
        func.count().label("requests"),
        func.sum(table.prompt_tokens).label("input_tokens"),
        func.sum(table.completion_tokens).label("output_tokens"),
    )
    recent = select(grain, *sums).where(
        table.created_at_ms >= bindparam("from_ms"), table.created_at_ms < bindparam("until_ms")
    )
    return recent.group_by(grain).order_by(grain)


def _day_of_key() -> Executable:
    return _day().where(usage_records.c.key_id == bindparam("subject"))


def _day_of_user() -> Executable:
    return _day().where(usage_records.c.user_id == bindparam("subject"))


def _day_of_group() -> Executable:
    whole = usage_records.outerjoin(api_keys, api_keys.c.id == usage_records.c.key_id).join(
        users, users.c.id == usage_records.c.user_id
    )
    group = func.coalesce(api_keys.c.group_id, users.c.group_id)
    return _day().select_from(whole).where(group == bindparam("subject"))


def _known_usage() -> Executable:
    given = func.json_each(bindparam("ids")).table_valued("value")
    return select(usage_records.c.id).where(usage_records.c.id.in_(select(given.c.value)))


def _enter_usage() -> Executable:
    named: dict[Any, Any] = {column: bindparam(USAGE_NAMES.get(column.name, column.name)) for column in usage_records.c}
    return insert(usage_records).values(named)


def _charge_wallet() -> Executable:
    balance = wallets.c.balance_usd_micros
    moved = update(wallets).where(wallets.c.user_id == bindparam("of_user"))
    return moved.values(balance_usd_micros=balance - bindparam("amount")).returning(balance)


def _enter_ledger() -> Executable:
    columns = [column for column in ledger_entries.c if column.name != "id"]
    return insert(ledger_entries).values({column: bindparam(column.name) for column in columns})


def _charge_key() -> Executable:
    spent = api_keys.c.spent_usd_micros + bindparam("amount")
    moved = update(api_keys).where(api_keys.c.id == bindparam("of_key"))
    return moved.values(spent_usd_micros=spent, last_used_at_ms=bindparam("at_ms"))


def _note_used() -> Executable:
    moved = update(api_keys).where(api_keys.c.id == bindparam("of_key"))
    return moved.values(last_used_at_ms=bindparam("at_ms"))


def _forget_usage() -> Executable:
    table = usage_records.c
    old = select(table.id).where(table.created_at_ms < bindparam("until_ms")).order_by(table.created_at_ms)
    return delete(usage_records).where(table.id.in_(old.limit(bindparam("count", type_=Integer))))


_BUILDERS: dict[str, Callable[[], Executable]] = {
    "key_facts": _key_facts,
    "session_facts": _session_facts,
    "wallet": _wallet,
    "spent": _spent,
    "day_of_key": _day_of_key,
    "day_of_user": _day_of_user,
    "day_of_group": _day_of_group,
    "known_usage": _known_usage,
    "enter_usage": _enter_usage,
    "charge_wallet": _charge_wallet,
    "enter_ledger": _enter_ledger,
    "charge_key": _charge_key,
    "note_used": _note_used,
    "forget_usage": _forget_usage,
}


@cache
def statement(name: str) -> Executable:
    """A statement by its name. Raises KeyError."""
    return _BUILDERS[name]()


def sqlite_text() -> str:
    """All of them, as `sqlite.sql` has to hold them."""
    return "\n".join((_HEAD, *(f"-- name: {name}\n{_sqlite(statement(name))};\n" for name in _BUILDERS)))


def _sqlite(asked: Any) -> str:
    """One of them; what has a value already is written out, the rest are parameters."""
    compiled = asked.compile(dialect=sqlite.dialect(paramstyle="named"))
    text = re.sub(r" +$", "", str(compiled), flags=re.MULTILINE)
    for name, value in compiled.params.items():
        if value is not None:
            text = re.sub(rf":{name}\b", str(int(value)), text)
    return text


if __name__ == "__main__":
    SQLITE_FILE.write_text(sqlite_text(), encoding="utf-8")
