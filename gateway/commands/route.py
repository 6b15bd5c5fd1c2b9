"""`gateway route explain MODEL`: which deployments a call would try, in which order, and which are out.

Rules:
    - Reads the configuration as a service would; asks no provider.
Not here:
    - The decision itself (routing.plan).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.keys import _load

if TYPE_CHECKING:
    from gateway.config.catalogue import Entry

app = typer.Typer(no_args_is_help=True)


@app.callback()
def route() -> None:
    """Ask where calls go."""


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A wire name, as a client would send it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which deployments a call for MODEL would try, in order, and why others are dropped."""
    import random

    from gateway.config.catalogue import Catalogue
    from gateway.routing.board import Board
    from gateway.routing.facts import NO_FACTS
    from gateway.routing.plan import make_plan

    catalogue = Catalogue.of(_load().config)
    entry = catalogue.find(model)
    if entry is None:
        typer.echo(_unknown(model, [name for name, _ in catalogue.listed()]), err=True)
        raise typer.Exit(1)
    plan = make_plan(entry, NO_FACTS, Board(), random.random, 0.0)
    answer = {
        "model": model,
        "entry": entry.slug,
        "candidates": [_candidate(d, model, entry) for d in plan.candidates],
        "dropped": [{"deployment": d.deployment.id, "reason": d.reason} for d in plan.dropped],
    }
    if as_json:
        import json

        typer.echo(json.dumps(answer, indent=2))
    else:
        _show(answer, entry)


def _candidate(deployment: Any, model: str, entry: Entry) -> dict[str, Any]:
    return {
        "deployment": deployment.id,
        "provider": deployment.provider,
        "upstream_model": deployment.upstream_model or model,
        "base_url": deployment.base_url,
        "priority": deployment.priority,
        "weight": deployment.weight,
        "attempts_max": entry.attempts_max,
    }


def _show(answer: dict[str, Any], entry: Entry) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"model {answer['model']} -> entry {entry.slug} ({', '.join(entry.capability_list)})", highlight=False
    )
    table = Table()
    for title in ("order", "deployment", "upstream model", "base URL", "priority", "weight", "attempts"):
        table.add_column(title, overflow="fold")  # a name that is cut cannot be looked up
    for order, row in enumerate(answer["candidates"], 1):
        weight = "" if row["weight"] is None else str(row["weight"])
        table.add_row(
            str(order), row["deployment"], row["upstream_model"], row["base_url"], str(row["priority"]), weight,
            str(row["attempts_max"]),
        )  # fmt: skip
    console.print(table if answer["candidates"] else "no deployment can be used now")
    for dropped in answer["dropped"]:
        console.print(f"dropped {dropped['deployment']}: {dropped['reason']}", highlight=False)


def _unknown(model: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(model, known, n=1)
    hint = f' - did you mean "{near[0]}"?' if near else ""
    return f'no model is configured under the name "{model}"{hint}'
