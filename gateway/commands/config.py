"""`gateway config`: check, explain, schema, diff.

Rules:
    - Reads configuration, changes nothing; exit 1 when there is a problem, with all of them printed.
    - Problems go to stderr, answers to stdout; `--json` gives one JSON document.
    - Heavy imports stand inside the commands.

Not here: what the answers say (config/explain.py, config/diff.py, config/reference.py).
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.config.diff import Change
    from gateway.config.explain import Explanation
    from gateway.config.load import Loaded

app = typer.Typer(no_args_is_help=True, help="Check, explain and compare configuration.")

EnvironmentOption = Annotated[
    str | None, typer.Option("--environment", "-E", help="development, production or test; default: GATEWAY_ENV.")
]
DirOption = Annotated[Path | None, typer.Option("--config-dir", help="Configuration directory; default: ./config.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer as one JSON document.")]


@app.command()
def check(environment: EnvironmentOption = None, config_dir: DirOption = None, is_json: JsonOption = False) -> None:
    """Read every layer and print everything that is wrong."""
    from gateway.config.standin import is_needed

    loaded = _load(environment, config_dir, is_json=is_json)
    config = loaded.config
    available = [slug for slug, provider in config.providers.items() if provider.is_available]
    if is_json:
        _print_json(
            {
                "ok": True,
                "environment": config.environment,
                "fingerprint": loaded.short_fingerprint,
                "models": len(config.models),
                "keys": len(config.keys),
                "providers": {s: p.unavailable_reason or "available" for s, p in config.providers.items()},
                "warnings": list(loaded.warnings),
            }
        )
        return
    typer.echo(f"ok: {config.environment}, fingerprint {loaded.short_fingerprint}")
    typer.echo(f"  {len(config.models)} models, {len(config.keys)} keys, {len(config.providers)} providers")
    typer.echo(f"  available: {', '.join(available) or 'none'}")
    for slug, provider in config.providers.items():
        if provider.unavailable_reason:
            typer.echo(f"  {slug}: {provider.unavailable_reason}")
    if is_needed(loaded.written):
        typer.echo("  no provider is available: the simulator answers for every model")
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="A key such as http.port, or the beginning of one such as http.")] = "",
    environment: EnvironmentOption = None,
    config_dir: DirOption = None,
    is_json: JsonOption = False,
) -> None:
    """Tell what a key means, its value, and which layers set it."""
    from gateway.config import explain as explaining

    if not key:
        _list_sections(explaining.sections(), is_json=is_json)
        return
    loaded = _load(environment, config_dir, is_json=is_json)
    try:
        found = explaining.explain(loaded, key)
    except explaining.UnknownKeyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if is_json:
        _print_json(found.as_json())
    else:
        _print_explanation(found)


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead.")] = None,
    is_markdown: Annotated[bool, typer.Option("--markdown", help="Tables of every key, for docs.")] = False,
) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from gateway.config import reference

    text = reference.markdown() if is_markdown else json.dumps(reference.json_schema(), indent=2) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="An environment, a configuration directory, `defaults` or `current`.")],
    after: Annotated[str, typer.Argument(help="The same.")] = "current",
    is_json: JsonOption = False,
) -> None:
    """Compare two environments, directories, or the defaults with what is in force."""
    from gateway.config.diff import changes, origin_of

    one, other = _side(before, is_json=is_json), _side(after, is_json=is_json)
    found = changes(one.written, other.written)
    rows = [(change, origin_of(one, change.path), origin_of(other, change.path)) for change in found]
    if is_json:
        _print_json([_change_json(change, old, new) for change, old, new in rows])
    elif not rows:
        typer.echo("no difference")
    else:
        _print_changes(rows, before, after)


def _side(name: str, *, is_json: bool) -> "Loaded":
    from gateway.config.sources import ENVIRONMENTS

    if name == "current":
        return _load(None, None, is_json=is_json)
    if name == "defaults":
        return _load(None, None, is_json=is_json, is_bare=True)
    if name in ENVIRONMENTS:
        return _load(name, None, is_json=is_json)
    return _load(None, Path(name), is_json=is_json)


def _load(environment: str | None, config_dir: Path | None, *, is_json: bool, is_bare: bool = False) -> "Loaded":
    """Load, or print every problem and end with 1. `is_bare` leaves out all but what is shipped."""
    import os
    import tempfile

    from gateway.config.load import load
    from gateway.config.problems import ConfigErrors

    try:
        if not is_bare:
            return load(environment=environment, config_dir=config_dir)
        with tempfile.TemporaryDirectory() as nowhere:
            kept = {name: value for name, value in os.environ.items() if name == "GATEWAY_ENV"}
            return load(Path(nowhere), environment=environment, environ=kept)
    except ConfigErrors as errors:
        _print_problems(errors, is_json=is_json)
        raise typer.Exit(1) from None


def _print_problems(errors: Any, *, is_json: bool) -> None:
    if is_json:
        rows = [
            {"file": p.file, "line": p.line, "key": p.key, "expected": p.expected, "found": p.found, "hint": p.hint}
            for p in errors.problems
        ]
        _print_json({"ok": False, "problems": rows})
        return
    for problem in errors.problems:
        typer.echo(str(problem), err=True)
    count = len(errors.problems)
    typer.echo(f"{count} problem{'s' if count > 1 else ''}", err=True)


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _list_sections(sections: tuple[tuple[str, str], ...], *, is_json: bool) -> None:
    if is_json:
        _print_json(dict(sections))
        return
    for name, description in sections:
        typer.echo(f"{name:<12} {description}")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_explanation(found: "Explanation") -> None:
    if found.children:
        typer.echo(f"{found.key}: {found.description}")
        width = min(48, max(len(key) for key, _ in found.children))
        for key, value in found.children:
            typer.echo(f"  {key:<{width}}  {_word(value)}")
        return
    typer.echo(f"{_bold(found.key)} = {_word(found.value)}" + (f" ({found.unit})" if found.unit else ""))
    typer.echo(f"  {found.description}")
    typer.echo(f"  takes     {found.takes}")
    typer.echo(f"  default   {_word(found.default)}")
    typer.echo(f"  set by    {found.origins[-1] if found.origins else 'the default'}")
    for origin in reversed(found.origins[:-1]):
        typer.echo(f"  over      {origin}  {_word(origin.shown)}")
    typer.echo(f"  reload    {'applies it' if found.is_reloaded else 'does not apply it: restart'}")
    if found.variable:
        typer.echo(f"  variable  {found.variable}")


def _bold(text: str) -> str:
    return typer.style(text, bold=True) if sys.stdout.isatty() else text


def _change_json(change: "Change", old: Any, new: Any) -> dict[str, Any]:
    return {
        "key": change.key,
        "before": change.side(change.before),
        "after": change.side(change.after),
        "before_set_by": str(old) if old else None,
        "after_set_by": str(new) if new else None,
        "reloads": change.is_reloaded,
    }


def _print_changes(rows: list[tuple["Change", Any, Any]], before: str, after: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("key", before, after, "set by", box=None, pad_edge=False)
    for change, old, new in rows:
        sides = [_side_text(change, change.before), _side_text(change, change.after)]
        table.add_row(change.key, *(Text(side) for side in sides), f"{old or 'default'} -> {new or 'default'}")
    Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200).print(table)


def _side_text(change: "Change", value: Any) -> str:
    from gateway.config.diff import ABSENT

    return "-" if value is ABSENT else _word(change.side(value))
