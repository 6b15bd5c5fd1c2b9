"""`gateway keys create|list|revoke|rotate|update`: API keys, in the state directory or of users.

Rules:
    - Without --user or --users a key is a record in the state directory, which needs no database and no running
      gateway; with it a running gateway is asked. `rotate` and `update` are for users' keys.
    - A key is printed once, at creation, alone on standard output; everything else goes to standard error.
    - A running gateway sees a change within seconds; nothing has to be restarted.
Not here:
    - Records and hashing (app.state, accounts.keys); keys written in other configuration files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands import user_keys
from gateway.commands.asking import Address, Credential

if TYPE_CHECKING:
    from gateway.config.load import Loaded

app = typer.Typer(no_args_is_help=True)
app.command("rotate", help="Give a user's key a new secret; the old one works a while longer.")(user_keys.rotate)
app.command("update", help="Change a user's key.")(user_keys.update)


@app.command()
def create(  # noqa: PLR0913, PLR0917  # one parameter per option of the command line
    name: Annotated[str, typer.Option(help="What a person calls the key.")] = "key",
    model: Annotated[
        list[str] | None, typer.Option(help="A model name or glob it may use; repeat. None = all.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests per minute.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens per minute.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Calls at the same time.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may manage accounts.")] = False,
    profile: Annotated[str, typer.Option(help="A profile, whose prefix the key gets.")] = "",
    user: Annotated[str, typer.Option(help="A user of a running gateway (id or email), whose key it is.")] = "",
    address: Address = None,
    key: Credential = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a key. It is shown once and not kept."""
    from gateway.app.state import create_key

    if user:
        given = {"requests_per_minute": rpm, "tokens_per_minute": tpm, "concurrency": concurrency}
        own = {limit: value for limit, value in given.items() if value is not None}
        user_keys.create(user, name, model or [], own, profile=profile, address=address, key=key, as_json=as_json)
        return
    loaded = _load()
    asked = {"requests_per_minute": rpm, "tokens_per_minute": tpm, "concurrency": concurrency}
    limits = {limit: value for limit, value in asked.items() if value is not None}
    try:
        key_id, whole = create_key(loaded, name, models=model or [], limits=limits, is_admin=admin, profile=profile)
    except ValueError as error:
        typer.echo(f"no key was made: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        _print_json({"id": key_id, "key": whole, "name": name})
        return
    typer.echo(f"key {key_id} ({name}), shown only this once:", err=True)
    typer.echo(whole)


@app.command("list")
def list_keys(
    users: Annotated[bool, typer.Option("--users", help="Keys of users, of a running gateway.")] = False,
    user: Annotated[str, typer.Option(help="A user of a running gateway: id or email.")] = "",
    address: Address = None,
    key: Credential = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Show every key's record; never a key."""
    if users or user:
        user_keys.show_all(user, address=address, key=key, as_json=as_json)
        return
    records = [_shown(slug, key) for slug, key in _load().config.keys.items()]
    if as_json:
        _print_json(records)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "name", "models", "limits", "state")
    for record in records:
        table.add_row(*(str(record[column]) for column in ("id", "name", "models", "limits", "state")))
    Console().print(table if records else "no keys; make one: gateway keys create --name NAME")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id of the key, as `keys list` shows it.")],
    users: Annotated[bool, typer.Option("--users", help="A user's key, of a running gateway.")] = False,
    address: Address = None,
    key: Credential = None,
) -> None:
    """Refuse a key from now on. Its record stays, marked as disabled."""
    from gateway.app.state import revoke_key

    if users:
        user_keys.revoke(key_id, address=address, key=key)
        return
    loaded = _load()
    if not revoke_key(loaded.sources.state_dir, key_id):
        elsewhere = any(key.id == key_id for key in loaded.config.keys.values())
        hint = "it is written in a configuration file: set is_disabled there" if elsewhere else "see: gateway keys list"
        typer.echo(f"no key with id {key_id} in {loaded.sources.state_dir / 'keys.yaml'} - {hint}", err=True)
        raise typer.Exit(1)
    typer.echo(f"key {key_id} is revoked", err=True)


def _load() -> Loaded:
    from gateway.config.load import load
    from gateway.config.problems import ConfigErrors

    try:
        return load()
    except ConfigErrors as errors:
        typer.echo(str(errors), err=True)
        raise typer.Exit(78) from None


def _shown(slug: str, key: Any) -> dict[str, Any]:
    limits = {limit: value for limit, value in key.limits.model_dump().items() if value is not None}
    return {
        "id": key.id,
        "slug": slug,
        "name": key.name,
        "models": ", ".join(key.models) or "all",
        "limits": ", ".join(f"{limit} {value}" for limit, value in limits.items()) or "defaults",
        "state": _state(key),
        "created_at": key.created_at.isoformat() if key.created_at else None,
    }


def _state(key: Any) -> str:
    from datetime import UTC, datetime

    if key.is_disabled:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at.timestamp() <= datetime.now(UTC).timestamp() else "active"


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2))
