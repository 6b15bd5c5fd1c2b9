"""Merged values against the schema: the tree, or every mistake at its file and line.

Rules:
    - The schema's own errors are retold with our words: what may stand there, what stands there, how to mend it.
    - Nothing is coerced: `"8080"` is text, not a port.

Not here: rules that span sections (references.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.config.merge import Merged
from gateway.config.problems import Path, Problem, did_you_mean, dotted, shown
from gateway.config.schema import Config
from gateway.config.schema.walk import Place, expected, names, place
from gateway.config.secrets import Resolved

URL_SECRETS = re.compile(r"[?#].*|(?<=//)[^/@]*@")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
FACTORS: Mapping[str, Mapping[str, float]] = {
    "seconds": {"ms": 0.001, "m": 60, "min": 60, "h": 3600, "d": 86_400},
    "bytes": {
        "k": 1024,
        "kb": 1000,
        "kib": 1024,
        "m": 1024**2,
        "mb": 1000**2,
        "mib": 1024**2,
        "gb": 1000**3,
        "gib": 1024**3,
    },
}
ENTRIES = ("keys", "providers", "models", "profiles")
_CALL_KEY = "key, group, user, header:NAME or metadata:NAME"
PATTERNS = {
    "base_url": "a URL with scheme and host and without query, such as https://api.example.com/v1",
    "hmac": "64 lower-case hex digits",
    "id": "4 to 64 letters, digits, `_` or `-`",
    "names": "a name without spaces or commas, at most 200 characters",
    "key_prefix": "at most 32 letters, digits, `_` or `-`",
    "paths": 'a path that begins with "/"',
    "affinity": _CALL_KEY,
    "by": _CALL_KEY,
    "call_headers": "a header's name in lower case",
}


def validate(values: Mapping[str, Any], resolved: Resolved) -> tuple[Config | None, list[ErrorDetails]]:
    """The tree, or pydantic's errors."""
    try:
        return Config.model_validate_json(json.dumps(values, default=str), context=resolved), []
    except ValidationError as error:
        return None, error.errors(include_url=False, include_context=True)


def problems(errors: list[ErrorDetails], merged: Merged) -> list[Problem]:
    """Pydantic's errors as problems at their places."""
    return [problem for error in errors if not _is_echo(error) for problem in _problem(error, merged)]


def _is_echo(error: ErrorDetails) -> bool:
    """A list whose items were refused is also called too short; one message is enough."""
    return error["type"] == "too_short" and bool(error["input"])


def prune(values: dict[str, Any], errors: list[ErrorDetails]) -> set[Path]:
    """Take what was refused out of `values`, so that the rest can be looked at; gives the paths taken out.

    A section that lacks a key goes as a whole; a list with a bad item goes as a whole, since positions must stay.
    """
    taken = set()
    for error in errors:
        path = tuple(step for step in error["loc"] if step != "[key]")
        if error["type"] in ("missing", "value_error", "too_short"):
            path = path[:2] if path[0] in ENTRIES else path[:1]
        while len(path) > 1 and isinstance(path[-1], int):
            path = path[:-1]
        _take_out(values, path)
        taken.add(path)
    return taken


def _take_out(values: Any, path: Path) -> None:
    for step in path[:-1]:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(values, dict):
        values.pop(path[-1], None)


def _problem(error: ErrorDetails, merged: Merged) -> Iterator[Problem]:
    path = tuple(step for step in error["loc"] if step != "[key]")
    origin = merged.origin(path)
    file, line = (origin.source, origin.line) if origin else ("configuration", None)
    if error["loc"][-1:] == ("[key]",):
        hint = "use lower-case letters, digits, `-` and `_`; a wire name goes into a value"
        yield Problem(file, line, dotted(path[:-1]), found=f'"{path[-1]}" cannot be a key here', hint=hint)
    elif error["type"] == "extra_forbidden":
        at = place(path[:-1])
        hint = did_you_mean(str(path[-1]), names(at)) if at else ""
        yield Problem(file, line, dotted(path), found="unknown key", hint=hint)
    elif error["type"] == "missing":
        yield Problem(file, line, dotted(path), found="is missing", hint=f"add {_expected(path, error)}")
    elif error["type"] == "value_error":
        words, _, hint = str(error["ctx"]["error"]).partition(" - ")
        yield Problem(file, line, dotted(path), found=words, hint=hint)
    else:
        yield _mistyped(error, path, file, line)


def _expected(path: Path, error: ErrorDetails) -> str:
    named = next((PATTERNS[str(step)] for step in reversed(path) if step in PATTERNS), "")
    if named and error["type"] in ("string_pattern_mismatch", "missing"):
        return named
    at = place(path)
    return expected(at) if at else error["msg"].lower()


def _mistyped(error: ErrorDetails, path: Path, file: str, line: int | None) -> Problem:
    at = place(path)
    found = error["input"]
    words = _expected(path, error)
    if error["type"] in ("too_short", "string_too_short") and not found:
        kind = "list" if isinstance(found, list) else "text"
        return Problem(file, line, dotted(path), f"{words}, not empty", f"an empty {kind}")
    seen = URL_SECRETS.sub("", found) if isinstance(found, str) and path[-1] == "base_url" else found
    return Problem(file, line, dotted(path), words, shown(seen), _hint(at, found))


def _hint(at: Place | None, found: Any) -> str:
    if at is None:
        return ""
    if at.kind == "choice" and isinstance(found, str):
        return did_you_mean(found, at.choices) if found.lower() not in at.choices else f'write "{found.lower()}"'
    if at.kind in ("int", "number", "decimal") and isinstance(found, str):
        return "remove the quotes" if NUMBER.fullmatch(found) else _without_unit(at, found)
    if at.kind == "bool" and isinstance(found, str) and found.lower() in ("yes", "no", "on", "off"):
        return f"write {'true' if found.lower() in ('yes', 'on') else 'false'}"
    if at.kind == "text" and isinstance(found, int | float):
        return "put it in quotes"
    return "begin each item with `- `" if at.kind == "list" and isinstance(found, str) else ""


def _without_unit(at: Place, found: str) -> str:
    """`30s`, `500ms` or `20MiB` as the number this key takes."""
    split = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z%$]+)\s*", found)
    if split is None:
        return ""
    factor = FACTORS.get(at.unit, {}).get(split[2].lower(), 1)
    number = Decimal(split[1]) * Decimal(str(factor))
    return f"write {number.normalize():f}, without a unit"
