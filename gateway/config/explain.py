"""What a key means, what it is now, and who set it.

Rules:
    - Works for any key of the schema, set or not; a section or map lists what is in it.
    - Secrets are `***` everywhere, also in what a higher layer replaced.

Not here: printing (commands/config.py).
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.config import environ
from gateway.config.flat import at, shown
from gateway.config.load import Loaded
from gateway.config.merge import Origin
from gateway.config.problems import Path, did_you_mean, dotted, undotted
from gateway.config.schema import Config
from gateway.config.schema.walk import Place, expected, fields, is_reloaded, names, place


class UnknownKeyError(LookupError):
    """No such key in the schema or in the values; the text says which one may be meant."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one key. `children` are keys below it, with their values."""

    key: str
    description: str
    takes: str
    unit: str
    value: Any
    default: Any
    is_reloaded: bool
    variable: str
    origins: tuple[Origin, ...]
    children: tuple[tuple[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        origins = [{"layer": o.layer, "source": o.source, "line": o.line, "value": o.shown} for o in self.origins]
        plain = {name: getattr(self, name) for name in ("key", "description", "takes", "unit", "value", "default")}
        return {
            **plain,
            "reloads": self.is_reloaded,
            "variable": self.variable,
            "origins": origins,
            "children": dict(self.children),
        }


def explain(loaded: Loaded, key: str) -> Explanation:
    """What `key` is. Raises UnknownKeyError with the nearest key."""
    path = _real(loaded.config, undotted(key))
    found = place(path)
    if not path or found is None:
        raise UnknownKeyError(_unknown(key, loaded.config))
    try:
        value = at(loaded.config, path)
    except KeyError:
        raise UnknownKeyError(_unknown(key, loaded.config)) from None
    is_open = isinstance(value, BaseModel) or (isinstance(value, dict) and found.kind == "map" and bool(value))
    return Explanation(
        key=dotted(path),
        description=found.description or (found.type.__doc__ or "").strip()
        if found.kind == "section"
        else found.description,
        takes=expected(found),
        unit=found.unit,
        value=None if is_open else shown(value),
        default=_default(found),
        is_reloaded=is_reloaded(path),
        variable="" if {int} & {type(step) for step in path} else environ.variable_of(path),
        origins=loaded.provenance.get(path, ()),
        children=_children(value, path) if is_open else (),
    )


def _real(config: Config, path: Path) -> Path:
    """`path` with map keys that hold dots (header names) joined again, and in the spelling of the values."""
    real: list[str | int] = []
    for step in path:
        try:
            here = at(config, tuple(real))
        except KeyError:
            return path
        known = here if isinstance(here, dict) else type(here).model_fields if isinstance(here, BaseModel) else ()
        real.append(next((name for name in known if name.lower() == str(step).lower()), step))
    return tuple(real)


def _children(value: Any, path: Path) -> tuple[tuple[str, Any], ...]:
    items = value.items() if isinstance(value, dict) else ((name, getattr(value, name)) for name in names_of(value))
    return tuple((dotted((*path, name)), _brief(item)) for name, item in items)


def names_of(section: BaseModel) -> tuple[str, ...]:
    """The keys of a section."""
    return tuple(type(section).model_fields)


def _brief(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return "{...}"
    if isinstance(value, dict) and any(isinstance(item, BaseModel) for item in value.values()):
        return f"{{{len(value)} entries}}"
    return shown(value)


def _about(found: Place) -> str:
    return (found.type.__doc__ or "").strip() if found.kind == "section" else ""


def _default(found: Place) -> Any:
    field = found.field
    if field is None or found.kind == "section":
        return None
    if field.default_factory is not None:
        return shown(field.get_default(call_default_factory=True, validated_data={}))
    return "required" if field.default is PydanticUndefined else shown(field.default)


def _unknown(key: str, config: Config) -> str:
    known = {dotted(path) for path, _ in fields() if not {"*", 0} & set(path)}
    for path, found in list(fields()):
        if found.kind == "map" and not {"*", 0} & set(path):
            for slug, item in at(config, path).items():
                known.add(dotted((*path, slug)))
                known |= {
                    dotted((*path, slug, name)) for name in (names_of(item) if isinstance(item, BaseModel) else ())
                }
    last = {name.rpartition(".")[2]: name for name in sorted(known)}
    near = get_close_matches(key, last, n=1, cutoff=0.7)
    hint = did_you_mean(key, known) or (f'did you mean "{last[near[0]]}"?' if near else "")
    return f'unknown key "{key}"' + (f" - {hint}" if hint else " - `gateway config explain` lists the sections")


def sections() -> tuple[tuple[str, str], ...]:
    """The top-level keys, with their descriptions."""
    top = place(())
    found = ((name, place((name,))) for name in (names(top) if top else ()))
    return tuple((name, at_.description) for name, at_ in found if at_ is not None)
