"""The security page: a section for each clause, each with a test that exists."""

from __future__ import annotations

import ast
import re

import pytest

from tests.meta.tree import ROOT, python_files, short

PAGE = (ROOT / "docs/security.md").read_text("utf-8")
CLAUSES = [f"S{number}" for number in range(1, 22)]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = dict(re.findall(r"^### (S\d+) [^\n]+\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_clause_has_its_section() -> None:
    """S1 to S21, each once, in order."""
    assert list(SECTIONS) == CLAUSES


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_test_that_is_named_exists(clause: str) -> None:
    """A section names at least one test, and each is a function of the file it is said to be in."""
    named = NAMED.findall(SECTIONS[clause])
    assert named
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in found, f"{path} has no {name}"


def test_every_test_of_a_clause_is_named() -> None:
    """A test called by a clause's id stands in the section of that clause."""
    for path in python_files("tests"):
        for name in re.findall(r"def (test_S\d+_\w+)", path.read_text("utf-8")):
            for clause in re.findall(r"(?<=_)S\d+(?=_)", name):
                assert f"`{short(path)}::{name}`" in SECTIONS[clause], f"{name} is not named under {clause}"
