"""Two configurations, key by key: what was added, removed or changed, and who set each side.

Rules:
    - Equal values are not listed; secrets are compared by value and shown as `***`.
    - Pure.

Not here: loading the two sides (commands/config.py); acting on a change (snapshot.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.config.flat import flatten, shown
from gateway.config.load import Loaded
from gateway.config.merge import Origin
from gateway.config.problems import Path, dotted
from gateway.config.schema import Config
from gateway.config.schema.walk import is_reloaded

ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs. A side that lacks the key holds ABSENT."""

    path: Path
    before: Any
    after: Any

    @property
    def key(self) -> str:
        return dotted(self.path)

    @property
    def is_reloaded(self) -> bool:
        """Whether a reload applies it."""
        return is_reloaded(self.path)

    def side(self, value: Any) -> Any:
        """A side as it may be printed; None when absent."""
        return None if value is ABSENT else shown(value)


def changes(before: Config, after: Config) -> tuple[Change, ...]:
    """Every key whose value differs, by key."""
    old, new = dict(flatten(before)), dict(flatten(after))
    keys = sorted({*old, *new}, key=dotted)
    sides = ((path, old.get(path, ABSENT), new.get(path, ABSENT)) for path in keys)
    return tuple(Change(path, one, other) for path, one, other in sides if one != other)


def origin_of(loaded: Loaded, path: Path) -> Origin | None:
    """Who set the value at `path`; None for a default or a value the gateway added itself."""
    provenance: Mapping[Path, tuple[Origin, ...]] = loaded.provenance
    for length in range(len(path), 0, -1):
        found = provenance.get(path[:length])
        if found and (length == len(path) or found[-1].shown is not None):
            return found[-1]
    return None
