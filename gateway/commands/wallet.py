"""`gateway wallet show|top-up|adjust|ledger|codes`: money, by an administrator, or one's own.

Rules:
    - A change has an idempotency key; without --once-as one is made, so a command that is repeated is a second change.
Not here: what wallets promise (docs/accounts.md).
"""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from gateway.commands.asking import Address, AsJson, Column, Credential, UserId, asking, show, usd_micros, user_id_of

app = typer.Typer(no_args_is_help=True)
COLUMNS = (
    Column("user_id", "user_id"),
    Column("balance_usd", "balance_usd_micros"),
    Column("held_usd", "held_usd_micros"),
)
ENTRIES = (
    Column("id", "id"),
    Column("created_at", "created_at_ms"),
    Column("kind", "kind"),
    Column("amount_usd", "amount_usd_micros"),
    Column("balance_usd", "balance_usd_micros"),
    Column("note", "note"),
    Column("actor", "actor"),
)
User = Annotated[str, typer.Argument(metavar="[USER]", help="Id or email; without it, the credential's own.")]
Note = Annotated[str, typer.Option(help="Why, for the ledger.")]
OnceAs = Annotated[str, typer.Option("--once-as", help="Names this change: the same again changes nothing.")]


@app.command("show")
def show_wallet(user_id: User = "", address: Address = None, key: Credential = None, as_json: AsJson = False) -> None:
    """Show a balance, and what running calls hold of it."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        found = client.call(accounts.GET_WALLET, v1.GetWalletRequest(user_id=user_id_of(client, user_id)))
    show([found], COLUMNS, as_json=as_json, none="")


@app.command("top-up")
def top_up(
    user_id: UserId, amount_usd: str, note: Note = "", once_as: OnceAs = "", address: Address = None,
    key: Credential = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fill a wallet."""
    _change("top_up", user_id, amount_usd, note, once_as, address, key, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def adjust(
    user_id: UserId, amount_usd: str, note: Note = "", once_as: OnceAs = "", address: Address = None,
    key: Credential = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Correct a wallet; an amount below zero takes away, no more than is free."""
    _change("adjust", user_id, amount_usd, note, once_as, address, key, as_json=as_json)


def _change(  # the options of two commands
    kind: str, user_id: str, amount_usd: str, note: str, once_as: str, address: str | None, key: str | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    from gateway.client import accounts, v1

    request = v1.ChangeWalletRequest(
        user_id=user_id,
        kind=kind,
        amount_usd_micros=usd_micros(amount_usd),
        idempotency_key=once_as or f"command-{secrets.token_hex(8)}",
        note=note,
    )
    with asking(address, key) as client:
        request.user_id = user_id_of(client, user_id)
        show([client.call(accounts.CHANGE_WALLET, request)], COLUMNS, as_json=as_json, none="")


@app.command()
def ledger(
    user_id: User = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first.")] = 50,
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Show the changes of a balance."""
    from gateway.client import accounts, v1

    with asking(address, key) as client:
        found = user_id_of(client, user_id)
        page = client.call(accounts.LIST_LEDGER, v1.ListLedgerRequest(user_id=found, page_size=limit))
    show(page.entries, ENTRIES, as_json=as_json, none="nothing yet")


@app.command()
def codes(
    amount_usd: str,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 1,
    name: Annotated[str, typer.Option(help="What they are for.")] = "",
    address: Address = None,
    key: Credential = None,
    as_json: AsJson = False,
) -> None:
    """Make redemption codes; they are shown only now."""
    from gateway.client import accounts, v1

    request = v1.CreateCodesRequest(count=count, name=name, amount_usd_micros=usd_micros(amount_usd))
    with asking(address, key) as client:
        made = client.call(accounts.CREATE_CODES, request)
    show(made.codes, [Column("id", "id"), Column("code", "code")], as_json=as_json, none="")
