"""Keys of users, as `gateway keys` manages them through a running gateway.

Rules:
    - A key itself goes alone to standard output, once; everything else to standard error or into a table.
Not here: keys in the state directory (keys).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from gateway.commands.asking import (
    Address,
    AsJson,
    Column,
    Credential,
    asking,
    limits_of,
    pages_of,
    print_json,
    show,
    user_id_of,
)
from gateway.commands.asking import usd_micros as micros_of

COLUMNS = (
    Column("id", "id"),
    Column("key_prefix", "key_prefix"),
    Column("name", "name"),
    Column("user_id", "user_id"),
    Column("models", "allowed_models"),
    Column("limits", "limits"),
    Column("max_budget_usd", "max_budget_usd_micros"),
    Column("spent_usd", "spent_usd_micros"),
    Column("is_blocked", "is_blocked"),
    Column("is_revoked", "is_revoked"),
    Column("expires_at", "expires_at_ms"),
    Column("last_used_at", "last_used_at_ms"),
)
BRIEF = [column for column in COLUMNS if column.head in ("id", "name", "user_id", "limits", "spent_usd", "is_revoked")]


def create(
    user_id: str, name: str, models: Sequence[str], limits: Mapping[str, int], *,
    profile: str, address: str | None, key: str | None, as_json: bool,
) -> None:  # fmt: skip
    """A user's new key."""
    from gateway.client import accounts, v1

    request = v1.CreateKeyRequest(user_id=user_id, name=name, allowed_models=list(models), limits=dict(limits))
    request.profile = profile
    with asking(address, key) as client:
        request.user_id = user_id_of(client, user_id)
        _tell(client.call(accounts.CREATE_KEY, request), as_json=as_json)


def show_all(user_id: str, *, address: str | None, key: str | None, as_json: bool) -> None:
    """Keys of a user, or of everybody."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        request = v1.ListKeysRequest(user_id=user_id_of(client, user_id))
        found = [each for page in pages_of(client, accounts.LIST_KEYS, request) for each in page.keys]
    show(
        found,
        COLUMNS if as_json else BRIEF,
        as_json=as_json,
        none="no keys; make one: gateway keys create --user ID --name NAME",
    )


def revoke(key_id: str, *, address: str | None, key: str | None) -> None:
    """For ever."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        client.call(accounts.REVOKE_KEY, v1.RevokeKeyRequest(id=key_id))
    typer.echo(f"key {key_id} is revoked", err=True)


def rotate(
    key_id: str,
    overlap_s: Annotated[int | None, typer.Option(min=0, help="How long the old secret works on.")] = None,
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Give a user's key a new secret."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        _tell(client.call(accounts.ROTATE_KEY, v1.RotateKeyRequest(id=key_id, overlap_s=overlap_s)), as_json=as_json)


def update(  # noqa: PLR0913, PLR0917  # one parameter per option of the command line
    key_id: str,
    name: Annotated[str | None, typer.Option()] = None,
    model: Annotated[list[str] | None, typer.Option(help="A name or glob; repeat. Replaces all.")] = None,
    allow_ip: Annotated[list[str] | None, typer.Option(help="An address or network; repeat. Replaces all.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER; repeat. Replaces all.")] = None,
    max_budget_usd: Annotated[str | None, typer.Option(help="What it may spend; `none` = no bound.")] = None,
    block: Annotated[bool | None, typer.Option("--block/--unblock", help="Refuse it for now.")] = None,
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named."""
    from gateway.client import accounts, v1

    has_budget = max_budget_usd is not None and max_budget_usd != "none"
    request = v1.UpdateKeyRequest(
        id=key_id,
        name=name,
        allowed_models=v1.Texts(values=model) if model else None,
        allowed_ips=v1.Texts(values=allow_ip) if allow_ip else None,
        limits=v1.LimitSet(limits=limits_of(limit)) if limit else None,
        max_budget_usd_micros=micros_of(max_budget_usd or "") if has_budget else None,
        is_blocked=block,
        clear=["max_budget_usd_micros"] if max_budget_usd == "none" else [],
    )
    with asking(address, key) as client:
        show([client.call(accounts.UPDATE_KEY, request)], COLUMNS, as_json=as_json, none="")


def _tell(made: Any, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": made.id, "key": made.key, "name": made.name, "user_id": made.user_id})
        return
    typer.echo(f"key {made.id} ({made.name}) of user {made.user_id}, shown only this once:", err=True)
    typer.echo(made.key)
