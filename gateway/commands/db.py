"""`gateway db status|upgrade|backup`: the database of the accounts, where it is configured.

Rules:
    - A running gateway may be using it: an upgrade takes the lock that starting services take, a backup is consistent.
Not here: the steps (store.sql.migrations).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.commands.asking import AsJson, print_json
from gateway.commands.keys import _load

if TYPE_CHECKING:
    from gateway.store.sql.urls import Place

app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say where the database stands: exit 0 when it is current, 1 when it is not, or cannot be asked."""
    from gateway.store.sql import migrate
    from gateway.store.sql.urls import HEAD

    place = _place()
    if place.file is not None and not place.file.exists():
        found = migrate.Status(place.shown, "", HEAD)
    else:
        found = _run(place, lambda engine: migrate.status(engine, place))
    if as_json:
        print_json({"database": found.place, "version": found.version, "newest": found.newest})
    else:
        typer.echo(f"{found.place}: version {found.version or 'none'}, newest {found.newest}")
    raise typer.Exit(0 if found.is_current else 1)


@app.command()
def upgrade() -> None:
    """Bring the database to this version. Starting a service does it, too."""
    from gateway.store.sql import migrate
    from gateway.store.sql.urls import HEAD

    place = _place()
    was_behind = _run(place, lambda engine: migrate.upgrade(engine, place))
    typer.echo(f"{place.shown}: {'upgraded to' if was_behind else 'already at'} {HEAD}", err=True)


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="A file that does not exist yet.")]) -> None:
    """Copy the SQLite database, also while it is in use."""
    from gateway.store.sql import migrate

    place = _place()
    try:
        size_bytes = migrate.backup(place, target)
    except (ValueError, OSError) as error:
        typer.echo(f"no backup was made: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{target}: {size_bytes} bytes", err=True)


def _place() -> Place:
    from gateway.app.books import database_of

    loaded = _load()
    try:
        return database_of(loaded.config, loaded.sources.state_dir)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(78) from None


def _run(place: Place, ask: Callable[[Any], Awaitable[T]]) -> T:
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.store.sql.database import make_engine
    from gateway.store.sql.migrate import WrongVersion

    async def go() -> T:
        engine = make_engine(place)
        try:
            return await ask(engine)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(go())
    except (SQLAlchemyError, WrongVersion, OSError) as error:
        typer.echo(f"{place.shown}: {error}", err=True)
        raise typer.Exit(1) from None
