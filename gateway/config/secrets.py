"""Secrets: references in the merged values are replaced by `Secret`s before the schema sees them.

Rules:
    - `{env: NAME}` and `{file: PATH}` (relative to the configuration directory; trailing newline dropped).
    - A literal is allowed in `.secrets.yaml` and in environment variables; anywhere else it is a mistake.
    - A reference that leads nowhere becomes a `Secret` that is not set; whether that is a mistake: references.py.

Not here: the type (core/secret.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from gateway.config.merge import Merged
from gateway.config.problems import Path, Problem, dotted
from gateway.config.schema.walk import place
from gateway.core.secret import Secret

TOKEN = "secret#"


@dataclass(slots=True)
class Resolved:
    """The secrets found, by the token that stands for each in the values. Used as validation context."""

    secrets: list[Secret] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[FilePath] = field(default_factory=list)

    def keep(self, secret: Secret) -> str:
        """Store a secret and give its token."""
        self.secrets.append(secret)
        return f"{TOKEN}{len(self.secrets) - 1}"

    def __call__(self, raw: Any) -> Secret:
        return self.secrets[int(str(raw).removeprefix(TOKEN))]


def resolve(merged: Merged, environ: Mapping[str, str], folder: FilePath) -> tuple[dict[str, Any], Resolved]:
    """The values with every secret replaced by a token, and the secrets."""
    resolved = Resolved()

    def replace(path: Path, value: Any) -> Any:
        at = place(path)
        if at is not None and at.kind == "secret":
            return None if value is None and at.is_optional else resolved.keep(_one(path, value))
        if isinstance(value, Mapping):
            return {name: replace((*path, name), item) for name, item in value.items()}
        if isinstance(value, list):
            return [replace((*path, index), item) for index, item in enumerate(value)]
        return value

    def _one(path: Path, value: Any) -> Secret:
        match value:
            case {"env": str(name), **rest} if not rest and name:
                text = environ.get(name)
                return Secret(text or None, f"environment variable {name}")
            case {"file": str(name), **rest} if not rest and name:
                resolved.files.append(folder / name)
                return _from_file(folder / name, name)
        resolved.problems.extend(_mistakes(merged, path, value))
        return Secret(value if isinstance(value, str) and value else None, "a literal")

    return {name: replace((name,), value) for name, value in merged.values.items()}, resolved


def _from_file(path: FilePath, name: str) -> Secret:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return Secret(None, f"file {name}")
    return Secret(text or None, f"file {name}")


def _mistakes(merged: Merged, path: Path, value: Any) -> Iterator[Problem]:
    origin = merged.origin(path)
    source, line = (origin.source, origin.line) if origin else ("", None)
    if isinstance(value, str):
        if path not in merged.literals:
            hint = "write {env: NAME} or {file: PATH}, or move it to config/.secrets.yaml"
            yield Problem(source, line, dotted(path), found="a secret written out in this file", hint=hint)
        elif not value:
            yield Problem(source, line, dotted(path), "a secret", "an empty text")
    else:
        kind = (
            "a map of other keys" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else "a number"
        )
        kind = "true or false" if isinstance(value, bool) else kind
        hint = "put it in quotes" if kind == "a number" else ""
        yield Problem(source, line, dotted(path), "a secret: {env: NAME} or {file: PATH}", kind, hint)
