"""The tree as one line per value: key path to value.

Rules:
    - Maps and lists of sections are opened; other lists and free-form values are one value.
    - `shown` makes any value printable: secrets are `***`, decimals keep their digits.

Not here: who set a value (Loaded.provenance).
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from gateway.config.problems import Path
from gateway.config.schema.walk import place
from gateway.core.secret import HIDDEN, Secret


def flatten(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value below `value`, in the order of the schema. Empty maps and lists are values themselves."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from flatten(getattr(value, name), (*path, name))
    elif isinstance(value, dict) and value and not _is_free(path):
        for name, item in value.items():
            yield from flatten(item, (*path, name))
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, item in enumerate(value):
            yield from flatten(item, (*path, index))
    else:
        yield path, value


def _is_free(path: Path) -> bool:
    at = place((*path, "*"))
    return at is None or at.kind == "any"


def shown(value: Any) -> Any:
    """A value that JSON can carry and eyes may see."""
    if isinstance(value, Secret):
        return HIDDEN if value.is_set else f"{HIDDEN} ({value.absence})"
    if isinstance(value, BaseModel):
        return {name: shown(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(name): shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def at(value: Any, path: Path) -> Any:
    """The value at `path`. Raises KeyError when there is none."""
    for step in path:
        try:
            value = getattr(value, str(step)) if isinstance(value, BaseModel) else value[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            raise KeyError(path) from None
    return value
