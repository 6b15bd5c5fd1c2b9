"""Names with `*` and `?`: one rule for wire names in the configuration and for what a key may use.

Rules:
    - `*` is any text, `?` one character; everything else is itself, brackets too. Case counts.
Not here:
    - Whose globs these are (config.catalogue, accounts.keys).
"""

from __future__ import annotations

import fnmatch


def is_glob(name: str) -> bool:
    """Whether a configured name stands for many."""
    return "*" in name or "?" in name


def matches(name: str, glob: str) -> bool:
    """Whether the glob stands for this whole name."""
    return fnmatch.fnmatchcase(name, glob.replace("[", "[[]"))
