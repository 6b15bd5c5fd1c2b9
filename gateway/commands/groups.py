"""`gateway groups list|put|delete|add|remove`: what people pay and may use, by an administrator.

Rules:
    - What a list replaces, it replaces whole; what is not named stays.
Not here: what a group means (docs/accounts.md).
"""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.asking import (
    Address,
    AsJson,
    Column,
    Credential,
    UserId,
    asking,
    limits_of,
    pages_of,
    show,
    user_id_of,
)

app = typer.Typer(no_args_is_help=True)
COLUMNS = (
    Column("id", "id"),
    Column("name", "name"),
    Column("ratio_ppm", "ratio_ppm"),
    Column("models", "models"),
    Column("limits", "limits"),
)


@app.command("list")
def list_groups(address: Address = None, key: Credential = None, as_json: AsJson = False) -> None:
    """Show groups by id."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        pages = pages_of(client, accounts.LIST_GROUPS, v1.ListGroupsRequest())
        found = [group for page in pages for group in page.groups]
    show(found, COLUMNS, as_json=as_json, none="")


@app.command()
def put(
    group_id: str,
    name: Annotated[str | None, typer.Option()] = None,
    ratio: Annotated[float | None, typer.Option(min=0, help="Times the price: 0.5 is half.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A name or glob; repeat. Replaces all.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER; repeat. Replaces all.")] = None,
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Make a group, or change what is named of one."""
    from gateway.client import accounts, v1

    request = v1.PutGroupRequest(
        id=group_id,
        name=name,
        ratio_ppm=None if ratio is None else round(ratio * 1_000_000),
        models=v1.Texts(values=model) if model else None,
        limits=v1.LimitSet(limits=limits_of(limit)) if limit else None,
    )
    with asking(address, key) as client:
        show([client.call(accounts.PUT_GROUP, request)], COLUMNS, as_json=as_json, none="")


@app.command()
def delete(group_id: str, address: Address = None, key: Credential = None) -> None:
    """Remove a group that nobody is in."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        client.call(accounts.DELETE_GROUP, v1.DeleteGroupRequest(id=group_id))
    typer.echo(f"group {group_id} is removed", err=True)


@app.command()
def add(group_id: str, user_id: UserId, address: Address = None, key: Credential = None) -> None:
    """Let a user make keys for this group, too."""
    _set_member(group_id, user_id, address, key, is_member=True)


@app.command()
def remove(group_id: str, user_id: UserId, address: Address = None, key: Credential = None) -> None:
    """Not any more; keys they made for it stop working."""
    _set_member(group_id, user_id, address, key, is_member=False)


def _set_member(group_id: str, user_id: str, address: str | None, key: str | None, *, is_member: bool) -> None:
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        found = user_id_of(client, user_id)
        request = v1.SetMemberRequest(user_id=found, group=group_id, is_member=is_member)
        client.call(accounts.SET_MEMBER, request)
    typer.echo(f"user {user_id} {'may now' if is_member else 'may no longer'} use group {group_id}", err=True)
