"""Laying one layer over another, and remembering who set what.

Rules:
    - Maps merge deeply; lists, secrets and plain values replace what was there.
    - Keys meet regardless of case; the spelling of the schema, or else of the lower layer, is kept.
    - `null` takes an entry out of a map of entries (a model, a provider, a header).
    - Every value remembers its origins, lowest layer first; a replaced list forgets the origins of its old items.

Not here: reading the layers (load, environ); judging the values (check).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.config.problems import Path
from gateway.config.schema.walk import names, place
from gateway.core.secret import HIDDEN


@dataclass(frozen=True, slots=True)
class Origin:
    """Who set a value: the layer, its file (or environment variable), the line, and the value as shown to people."""

    layer: str
    source: str
    line: int | None = None
    shown: Any = None

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of values. `locate` gives the line and source of a path, as written in that layer."""

    name: str
    values: Mapping[str, Any]
    locate: Callable[[Path], tuple[str, int | None]]
    is_secret_allowed: bool = False


@dataclass(slots=True)
class Merged:
    """The layers laid so far: the values, and the origins of every path that was set."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, tuple[Origin, ...]] = field(default_factory=dict)
    literals: set[Path] = field(default_factory=set)

    def origin(self, path: Path) -> Origin | None:
        """Who set the value at `path`, or the nearest thing above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]][-1]
        return None


def lay(merged: Merged, layer: Layer) -> None:
    """Lay `layer` over what is there."""
    _lay_map(merged, layer, merged.values, layer.values, (), ())


def _lay_map(
    merged: Merged, layer: Layer, below: dict[str, Any], above: Mapping[str, Any], path: Path, written: Path
) -> None:
    for raw, value in above.items():
        name = _spelling(path, str(raw), below)
        here, there = (*path, name), (*written, raw)
        if value is None and _is_entry(path):
            _forget(merged, here)
            below.pop(name, None)
            merged.origins.pop(here, None)
        elif isinstance(value, Mapping) and not is_atomic(here):
            if not isinstance(below.get(name), dict):
                _forget(merged, here)
                below[name] = {}
            _note(merged, layer, here, there, None)
            _lay_map(merged, layer, below[name], value, here, there)
        else:
            if name in below:
                _forget(merged, here)
            below[name] = value
            _note(merged, layer, here, there, _shown(here, value))
            _note_items(merged, layer, value, here, there)


def is_atomic(path: Path) -> bool:
    """Whether a map at `path` is one value: a reference to a secret."""
    at = place(path)
    return at is not None and at.kind == "secret"


def _is_entry(path: Path) -> bool:
    """Whether what stands under `path` are entries of a map, which `null` takes out, and not fields."""
    at = place(path)
    if at is None or at.kind != "map":
        return False
    item = place((*path, "*"))
    return item is not None and item.kind != "any"


def _spelling(path: Path, name: str, below: Mapping[str, Any]) -> str:
    if name in below:
        return name
    at = place(path)
    known = [*below, *(names(at) if at else ())]
    return next((other for other in known if other.lower() == name.lower()), name)


def _shown(path: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_shown((*path, at), item) for at, item in enumerate(value)]
    return HIDDEN if is_atomic(path) and isinstance(value, str) else value


def _note(merged: Merged, layer: Layer, path: Path, written: Path, shown: Any) -> None:
    source, line = layer.locate(written)
    merged.origins[path] = (*merged.origins.get(path, ()), Origin(layer.name, source, line, shown))
    if layer.is_secret_allowed:
        merged.literals.add(path)
    else:
        merged.literals.discard(path)


def _note_items(merged: Merged, layer: Layer, value: Any, path: Path, written: Path) -> None:
    """Origins inside a replaced value, so that a message about one item of a list finds its line."""
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, Mapping) else ()
    for step, item in items:
        here, there = (*path, step), (*written, step)
        _note(merged, layer, here, there, _shown(here, item))
        _note_items(merged, layer, item, here, there)


def _forget(merged: Merged, path: Path) -> None:
    for old in [other for other in merged.origins if len(other) > len(path) and other[: len(path)] == path]:
        del merged.origins[old]
        merged.literals.discard(old)
