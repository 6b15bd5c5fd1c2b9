"""Finding one's way in the schema by key path: which field stands there, of what kind, said in words.

Rules:
    - Pure reading of the schema's types; no values.
    - A path below a free-form value (`force`) is of kind `any`.

Not here: the merged values and where they came from (config/merge.py).
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.problems import Path
from gateway.config.schema import Config
from gateway.core.secret import Secret

KINDS = {
    bool: "bool",
    int: "int",
    float: "number",
    Decimal: "decimal",
    str: "text",
    datetime: "datetime",
    Secret: "secret",
}
WORDS = {
    "section": "a map",
    "map": "a map",
    "list": "a list",
    "secret": "a secret: {env: NAME} or {file: PATH}",
    "text": "text",
    "int": "a whole number",
    "number": "a number",
    "decimal": "a decimal number",
    "bool": "true or false",
    "datetime": "a time such as 2030-01-31T12:00:00Z",
    "any": "any value",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What may stand at a path: its kind, the type without `None`, and the field that declares it (None in lists)."""

    kind: str
    type: Any
    is_optional: bool
    field: FieldInfo | None
    metadata: tuple[Any, ...]

    @property
    def unit(self) -> str:
        return str(_extra(self.field).get("unit", ""))

    @property
    def is_reloaded(self) -> bool:
        return bool(_extra(self.field).get("reloads", True))

    @property
    def description(self) -> str:
        return (self.field.description or "") if self.field else ""

    @property
    def choices(self) -> tuple[str, ...]:
        return get_args(self.type) if self.kind == "choice" else ()


def _extra(field: FieldInfo | None) -> dict[str, Any]:
    extra = field.json_schema_extra if field else None
    return extra if isinstance(extra, dict) else {}


def _place(annotation: Any, field: FieldInfo | None, metadata: tuple[Any, ...] = ()) -> Place:
    is_optional = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            metadata += tuple(more)
        elif origin in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            is_optional = len(members) < len(get_args(annotation))
            annotation = members[0]
        else:
            return Place(_kind(annotation), annotation, is_optional, field, metadata)


def _kind(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    named = {dict: "map", tuple: "list", Literal: "choice"}.get(get_origin(annotation))
    return named or KINDS.get(annotation, "any")


@lru_cache(maxsize=4096)
def place(path: Path) -> Place | None:
    """What the schema allows at `path`; None when there is no such key."""
    here = _place(Config, None)
    for step in path:
        below = _step(here, step)
        if below is None:
            return None
        here = below
    return here


def _step(here: Place, step: str | int) -> Place | None:
    if here.kind == "section":
        field = here.type.model_fields.get(step)
        return None if field is None else _place(field.annotation, field, tuple(field.metadata))
    if here.kind == "map":
        return _place(get_args(here.type)[1], None)
    if here.kind == "list" and isinstance(step, int):
        return _place(get_args(here.type)[0], None)
    return here if here.kind == "any" else None


def is_reloaded(path: Path) -> bool:
    """Whether a reload applies what stands at `path`: nothing on the way down to it needs a restart."""
    steps = (place(path[:length]) for length in range(1, len(path) + 1))
    return all(step is None or step.is_reloaded for step in steps)


def names(at: Place) -> tuple[str, ...]:
    """The keys a section knows; empty for everything else."""
    return tuple(at.type.model_fields) if at.kind == "section" else ()


def expected(at: Place) -> str:
    """What may stand there in words: kind, unit and bounds."""
    if at.kind == "choice":
        return "one of " + ", ".join(f'"{choice}"' for choice in at.choices)
    words = WORDS[at.kind]
    if at.kind == "list":
        item = _place(get_args(at.type)[0], None)
        words += f" of {'texts' if item.kind == 'text' else 'maps' if item.kind == 'section' else 'values'}"
    if at.unit:
        words += f" ({at.unit})"
    words += bounds(at)
    return words + (" or null" if at.is_optional else "")


def bounds(at: Place) -> str:
    """The bounds of a number in words, with a leading space; empty when there are none."""
    low = next(
        (f"{'from' if isinstance(m, Ge) else 'above'} {_bound(m):.12g}" for m in at.metadata if isinstance(m, Ge | Gt)),
        "",
    )
    high = next(
        (f"{'to' if isinstance(m, Le) else 'below'} {_bound(m):.12g}" for m in at.metadata if isinstance(m, Le | Lt)),
        "",
    )
    if low.startswith("from") and not high:
        low = "of at least" + low[4:]
    return "".join(f" {part}" for part in (low, high) if part)


def _bound(mark: Any) -> float:
    return float(next(getattr(mark, name) for name in ("ge", "gt", "le", "lt") if hasattr(mark, name)))


def fields(prefix: Path = (), at: Place | None = None) -> Iterator[tuple[Path, Place]]:
    """Every declared field below a path, depth first; maps and lists of sections appear with `*` and `0`."""
    at = at or place(prefix)
    for name in names(at) if at else ():
        here = _step(at, name) if at else None
        if here is None:
            continue
        path = (*prefix, name)
        yield path, here
        yield from fields(path, here)
        if here.kind in ("map", "list"):
            item = _step(here, "*" if here.kind == "map" else 0)
            yield from (
                fields((*path, "*" if here.kind == "map" else 0), item) if item and item.kind == "section" else ()
            )
