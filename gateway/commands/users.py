"""`gateway users list|create|show|update|keys|invite`: people, by an administrator.

Rules:
    - A password is asked for, or read from GATEWAY_NEW_PASSWORD; it is never an argument, which others can see.
Not here: what an administrator may do (the service).
"""

from __future__ import annotations

import os
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
    Column("email", "email"),
    Column("username", "username"),
    Column("role", "role"),
    Column("group", "group"),
    Column("is_blocked", "is_blocked"),
    Column("balance_usd", "wallet.balance_usd_micros"),
    Column("created_at", "created_at_ms"),
    Column("last_login_at", "last_login_at_ms"),
)
PASSWORD = "GATEWAY_NEW_PASSWORD"


@app.command("list")
def list_users(
    contains: Annotated[str, typer.Option(help="A part of the email.")] = "",
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Show users by email."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        pages = pages_of(client, accounts.LIST_USERS, v1.ListUsersRequest(contains=contains))
        found = [user for page in pages for user in page.users]
    columns = [column for column in COLUMNS if column.head != "balance_usd"]
    show(found, columns, as_json=as_json, none="no users; make one: gateway users create EMAIL")


@app.command()
def create(
    email: str,
    username: Annotated[str, typer.Option(help="Default: the email before @.")] = "",
    role: Annotated[str, typer.Option(help="user or admin.")] = "user",
    group: Annotated[str, typer.Option(help="What the user pays and may use.")] = "default",
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Make a user, whatever `accounts.registration` says."""
    from gateway.client import accounts, v1

    password = _password()
    request = v1.CreateUserRequest(email=email, password=password, username=username, role=role, group=group)
    with asking(address, key) as client:
        show([client.call(accounts.CREATE_USER, request)], COLUMNS, as_json=as_json, none="")


@app.command("show")
def show_user(user_id: UserId, address: Address = None, key: Credential = None, as_json: AsJson = False) -> None:
    """Show one user and their balance."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        found = client.call(accounts.GET_USER, v1.GetUserRequest(id=user_id_of(client, user_id)))
    show([found], COLUMNS, as_json=as_json, none="")


@app.command()
def update(  # noqa: PLR0913, PLR0917  # one parameter per option of the command line
    user_id: UserId,
    role: Annotated[str | None, typer.Option(help="user or admin.")] = None,
    group: Annotated[str | None, typer.Option()] = None,
    username: Annotated[str | None, typer.Option()] = None,
    block: Annotated[bool | None, typer.Option("--block/--unblock", help="Refuse everything of theirs.")] = None,
    limit: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER; repeat. Replaces all limits.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new one; ends every session.")] = False,
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named."""
    from gateway.client import accounts, v1

    request = v1.UpdateUserRequest(
        id=user_id,
        role=role,
        group=group,
        username=username,
        is_blocked=block,
        limits=v1.LimitSet(limits=limits_of(limit)) if limit is not None else None,
        password=_password() if password else None,
    )
    with asking(address, key) as client:
        request.id = user_id_of(client, user_id)
        found = client.call(accounts.UPDATE_USER, request)
    show([found], [column for column in COLUMNS if column.head != "balance_usd"], as_json=as_json, none="")


@app.command()
def invite(
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 1,
    group: Annotated[str, typer.Option(help="Where they lead.")] = "default",
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Make invitations; each lets one user register, and is shown only now."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        made = client.call(accounts.CREATE_INVITATIONS, v1.CreateInvitationsRequest(count=count, group=group))
    show(made.codes, [Column("id", "id"), Column("invitation", "code")], as_json=as_json, none="")


def _password() -> str:
    given = os.environ.get(PASSWORD)
    if given is None:
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return given
