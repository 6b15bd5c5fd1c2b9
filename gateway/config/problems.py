"""What is wrong with a configuration, in words: one `Problem` per mistake, all of them in one `ConfigErrors`.

Rules:
    - A problem names the file, the line where it can be had, the key, what was expected or found, and how to mend it.
    - A problem's text never contains a secret.

Not here: finding the problems (yaml_file, environ, check, references).
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value stands in the tree: names of maps and positions in lists."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `file` is a path as the user would write it, or the name of an environment variable."""

    file: str
    line: int | None
    key: str
    expected: str = ""
    found: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = f"expected {self.expected}, found {self.found}" if self.expected and self.found else ""
        what = what or (f"expected {self.expected}" if self.expected else self.found)
        parts = [part for part in (where, self.key, what) if part]
        return printable(": ".join(parts) + (f" - {self.hint}" if self.hint else ""))


class ConfigErrors(Exception):
    """Every problem of one configuration, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_order))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _order(problem: Problem) -> tuple[str, int, str, str]:
    return problem.file, problem.line or 0, problem.key, str(problem)


def dotted(path: Sequence[str | int]) -> str:
    """`("models", "gpt-4o", "candidates", 0)` as `models.gpt-4o.candidates[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def undotted(key: str) -> Path:
    """The reverse of `dotted`."""
    steps: list[str | int] = []
    for part in key.split("."):
        name, _, rest = part.partition("[")
        if name:
            steps.append(name)
        steps.extend(int(index) for index in rest.rstrip("]").split("][") if index.isdigit())
    return tuple(steps)


def printable(text: str) -> str:
    """`text` on one line, with no character that moves the cursor or colours the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or with the known names when there are few, or nothing."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(names)}" if 0 < len(names) <= 20 else ""


def shown(value: object) -> str:
    """A value as it is quoted in a message: short, on one line."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
