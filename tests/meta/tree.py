"""The files of this repository, as the meta-tests see them.

Rules: generated code, caches and installed packages are never listed.
Not here: the rules about them (`test_*.py` beside this file).
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GATEWAY = ROOT / "gateway"
GENERATED = (GATEWAY / "wire/pb", GATEWAY / "client/generated")
_INSTALLED = {"node_modules", "__pycache__"}


def python_files(*folders: str) -> list[Path]:
    """Hand-written Python files below the given folders, sorted."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not is_generated(path) and not _INSTALLED & set(path.parts))


def is_generated(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in GENERATED)


def has_code(path: Path) -> bool:
    """Whether the file says more than its docstring: an `__init__.py` that only marks a folder does not."""
    body = ast.parse(path.read_text("utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def committed_files() -> list[Path]:
    """Files under version control, and new ones that are not ignored; outside a git work tree: none."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    names = result.stdout.split("\0") if result.returncode == 0 else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))
