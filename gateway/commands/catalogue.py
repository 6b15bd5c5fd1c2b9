"""`gateway catalogue refresh`: compare the configured prices with a maintained list, and write what people reviewed.

Rules:
    - Shows every difference; writes only where `--write` says, as a layer that a person puts among the others.
    - Exit code 1 with `--check` when something differs, for a job that watches prices.
Not here:
    - The comparison (config.prices).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.keys import _load

if TYPE_CHECKING:
    from gateway.config.prices import Proposal

app = typer.Typer(no_args_is_help=True)
MODES = {
    **{word: {"service_tier": word} for word in ("flex", "priority", "fast")},
    "batch": {"processing": "batch"},
}
"""The word a vendor's answer has for a mode, and how the list is asked for its prices."""
HEADER = "# Prices by `gateway catalogue refresh`, {day}, from genai-prices {version}. Review before use.\n"


@app.callback()
def catalogue() -> None:
    """Keep prices up to date."""


@app.command()
def refresh(
    write: Annotated[Path | None, typer.Option("--write", help="Write the differences to this YAML file.")] = None,
    is_check: Annotated[bool, typer.Option("--check", help="Exit with 1 when something differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show where configured prices differ from the list of the installed package genai-prices."""
    from gateway.config.prices import proposals

    found = list(proposals(_load().config, _lookup()))
    changed = [each for each in found if each.changes]
    if as_json:
        import json

        shown = [{"model": each.slug, "source": each.source, "changes": each.changes} for each in changed]
        typer.echo(json.dumps({"changed": shown, "unknown": [e.slug for e in found if e.prices is None]}, indent=2))
    else:
        _show(found, changed)
    if write is not None and changed:
        write.write_text(_document(changed), encoding="utf-8")
        typer.echo(f"wrote {write}: review it, then merge it into models.yaml or local.yaml", err=True)
    raise typer.Exit(1 if is_check and changed else 0)


def _lookup() -> Any:
    """How the list is asked. Exits with 1 and a hint when the package is not installed."""
    try:
        from genai_prices import data_snapshot
    except ImportError:
        typer.echo("the price list is not installed: pip install 'one-gateway[catalogue]'", err=True)
        raise typer.Exit(1) from None
    snapshot, now = data_snapshot.get_snapshot(), datetime.now(UTC)

    def lookup(vendor: str, name: str) -> dict[str, Any] | None:
        try:
            _, model = snapshot.find_provider_model(name, None, vendor, None)
        except LookupError:
            return None
        modes = {word: vars(model.get_prices(now, asked)) for word, asked in MODES.items()}
        return {**vars(model.get_prices(now)), "modes": modes}

    return lookup


def _document(changed: list[Proposal]) -> str:
    from importlib.metadata import version

    import yaml

    from gateway.config.prices import layer

    head = HEADER.format(day=datetime.now(UTC).date().isoformat(), version=version("genai-prices"))
    return head + yaml.safe_dump(layer(changed), sort_keys=False)


def _show(found: list[Proposal], changed: list[Proposal]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table()
    for title in ("model", "on the list", "price", "configured", "listed"):
        table.add_column(title, overflow="fold")  # a name that is cut cannot be looked up
    for each in changed:
        for name, (before, after) in each.changes.items():
            table.add_row(each.slug, each.source, name, "-" if before is None else before, after)
    if changed:
        console.print(table)
    unknown = [each.slug for each in found if each.prices is None]
    same = len(found) - len(changed) - len(unknown)
    console.print(f"{len(changed)} models differ, {same} agree, {len(unknown)} are not on the list", highlight=False)
    if unknown:
        console.print(f"not on the list: {', '.join(unknown)}", highlight=False)
