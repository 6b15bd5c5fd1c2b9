"""An effect has one address: what may be imported or called in one place only, and where that place is.

The contracts of import-linter (`pyproject.toml`) speak of rooms; these rules speak of files inside a room.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.meta.tree import python_files, short

WAITING = ("asyncio", "socket", "aiohttp", "grpc", "dynaconf", "threading")
# Files that decide or translate: bytes and records in, bytes and records out.
PURE_FILES = (
    "gateway/providers/*_dialect.py",
    "gateway/providers/dialects/*.py",
    "gateway/frontend/*_decode.py",
    "gateway/frontend/*_render.py",
    "gateway/frontend/decode_*.py",
    "gateway/frontend/render_*.py",
)
# name used -> the files that may use it, and why.
ONE_ADDRESS = {
    "aiohttp.ClientSession": (("gateway/providers/transport.py",), "the only upstream socket"),
    "os.fork": ((), "grpc does not survive fork"),
    "pickle": ((), "reading it runs code"),
}


def imports(tree: ast.Module) -> Iterator[str]:
    """Full names of everything imported, anywhere in the file: `a.b` for `import a.b` and for `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_names(tree: ast.Module) -> set[str]:
    """Imported names plus dotted uses (`aiohttp.ClientSession` after `import aiohttp`)."""
    dotted = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return dotted | set(imports(tree))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def test_files_that_decide_do_not_wait() -> None:
    """Dialects and decode/render pairs import nothing that waits or opens a socket."""
    pure = [path for path in python_files("gateway") if any(fnmatch(short(path), pattern) for pattern in PURE_FILES)]
    found = [
        f"{short(path)} imports {name}"
        for path in pure
        for name in imports(parsed(path))
        if name.split(".")[0] in WAITING
    ]
    assert not found, "async is for waiting; these files decide:\n" + "\n".join(found)


def test_dialects_do_not_import_each_other() -> None:
    """What two dialects share lives beside them, so that one can change without the other."""
    dialects = [path for path in python_files("gateway/providers") if path.stem.endswith("_dialect")]
    stems = {path.stem for path in dialects}
    found = [
        f"{short(path)} imports {name}"
        for path in dialects
        for name in imports(parsed(path))
        if (stems - {path.stem}) & set(name.split("."))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", sorted(ONE_ADDRESS))
def test_an_effect_has_one_address(name: str) -> None:
    """A name with one address is used nowhere else in the product."""
    allowed, reason = ONE_ADDRESS[name]
    files = [path for path in python_files("gateway") if short(path) not in allowed]
    found = [
        short(path) for path in files if any(f"{used}.".startswith(f"{name}.") for used in used_names(parsed(path)))
    ]
    assert not found, f"{name} belongs to {allowed or 'nobody'} ({reason}); used in: {', '.join(found)}"
