"""Every YAML file we ship can be read, has no duplicate key, and the configuration passes the gateway's own check.

Rules: all failures are listed, each with its file; files that are wrong on purpose (`tests/`) are left out.
Not here: what a correct configuration is (`gateway/config`), the texts of its errors (`tests/contract`).
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator
from pathlib import Path

import yaml

from gateway.config.load import load
from gateway.config.problems import ConfigErrors

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("config", "loadtests", "deploy")


class UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice; PyYAML itself silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def shipped_files() -> Iterator[Path]:
    yield from (path for pattern in ("*.yaml", "*.yml") for path in sorted(ROOT.glob(pattern)))
    for folder in FOLDERS:
        yield from sorted([*(ROOT / folder).rglob("*.yaml"), *(ROOT / folder).rglob("*.yml")])


def syntax_problems() -> list[str]:
    problems = []
    for path in shipped_files():
        try:
            list(yaml.load_all(path.read_text("utf-8"), UniqueKeyLoader))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(f"{path.relative_to(ROOT)}: {error}")
    return problems


def environments() -> list[str]:
    return sorted(path.stem for path in (ROOT / "config/environments").glob("*.yaml"))


def configuration_problems() -> list[str]:
    """What the gateway's own loader says about each shipped environment, variables of the caller aside."""
    problems = []
    for environment in environments():
        try:
            load(ROOT, environment=environment, environ={})
        except ConfigErrors as error:
            problems.append(f"environment {environment}:\n{error}")
    return problems


def main() -> int:
    problems = syntax_problems() or configuration_problems()
    print("\n".join(problems) if problems else "every YAML file is valid")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
