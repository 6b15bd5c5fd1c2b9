"""Merged values against the schema: the tree, or every mistake at its file and line.

Rules:
    - The schema's own errors are retold with our words: what may stand there, what stands there, how to mend it.
    - Nothing is coerced: `"8080"` is text, not a port.

Not here: rules that span sections (references.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.config.merge import Merged
from gateway.config.problems import Path, Problem, did_you_mean, dotted, shown
from gateway.config.schema import Config
from gateway.config.schema.walk import Place, expected, names, place
from gateway.config.secrets import Resolved

PATTERNS = {
    "base_url": "a URL with scheme and host and without query, such as https://api.example.com/v1",
    "hmac": "64 lower-case hex digits",
    "id": "4 to 64 letters, digits, `_` or `-`",
    "names": "a name without spaces or commas, at most 200 characters",
    "key_prefix": "at most 32 letters, digits, `_` or `-`",
    "paths": 'a path that begins with "/"',
}


def validate(values: Mapping[str, Any], resolved: Resolved) -> tuple[Config | None, list[ErrorDetails]]:
    """The tree, or pydantic's errors."""
    try:
        return Config.model_validate_json(json.dumps(values, default=str), context=resolved), []
    except ValidationError as error:
        return None, error.errors(include_url=False, include_context=True)


def problems(errors: list[ErrorDetails], merged: Merged) -> list[Problem]:
    """Pydantic's errors as problems at their places."""
    return [problem for error in errors for problem in _problem(error, merged)]


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
        at = place(path)
        yield Problem(file, line, dotted(path), found="is missing", hint=f"write {expected(at)}" if at else "")
    elif error["type"] == "value_error":
        words, _, hint = str(error["ctx"]["error"]).partition(" - ")
        yield Problem(file, line, dotted(path), found=words, hint=hint)
    else:
        yield _mistyped(error, path, file, line)


def _mistyped(error: ErrorDetails, path: Path, file: str, line: int | None) -> Problem:
    at = place(path)
    found = error["input"]
    words = expected(at) if at else error["msg"].lower()
    if error["type"] == "string_pattern_mismatch":
        words = next((PATTERNS[str(step)] for step in reversed(path) if step in PATTERNS), words)
    elif error["type"] in ("too_short", "string_too_short"):
        words, found = f"{words}, not empty", found or "an empty one"
    hint = _hint(at, found)
    return Problem(file, line, dotted(path), words, "an empty one" if found == "an empty one" else shown(found), hint)


def _hint(at: Place | None, found: Any) -> str:
    if at is None:
        return ""
    if at.kind == "choice" and isinstance(found, str):
        return did_you_mean(found, at.choices) if found.lower() not in at.choices else f'write "{found.lower()}"'
    if at.kind in ("int", "number", "decimal") and isinstance(found, str):
        number = re.match(r"\s*([+-]?\d+(?:\.\d+)?)\s*[A-Za-z%]", found)
        if number:
            return f"write {number[1]}: the unit is part of the key's meaning" if at.unit else f"write {number[1]}"
        return "remove the quotes" if re.fullmatch(r"[+-]?\d+(\.\d+)?", found) else ""
    if at.kind == "bool" and isinstance(found, str) and found.lower() in ("yes", "no", "on", "off"):
        return f"write {'true' if found.lower() in ('yes', 'on') else 'false'}"
    if at.kind == "text" and isinstance(found, int | float):
        return "put it in quotes"
    return "begin each item with `- `" if at.kind == "list" and isinstance(found, str) else ""
