"""Whatever stands in a file, loading ends in a tree or in problems: never in another exception."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config.load import load
from gateway.config.problems import ConfigErrors, Problem
from gateway.config.schema.walk import fields
from tests.unit.config.conftest import Load, Write

WORDS = sorted(
    {str(step) for path, _ in fields() for step in path} | {"openai", "gpt-4o", "default", "env", "file", "x"}
)
NAMES = st.sampled_from(WORDS)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.dates(),
    st.datetimes(),
    st.sampled_from(["openai", "https://a.example", "auto", "on", "1s", "@x", "*", "<<"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers() | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def fits_the_schema_loosely() -> st.SearchStrategy[Any]:
    """Trees whose upper levels are real keys, so that examples get past the first refusal."""
    plain = [path for path, _ in fields()]

    def planted(choice: list[tuple[tuple[str | int, ...], Any]]) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for path, value in choice:
            here = tree
            for step in path[:-1]:
                name = {"*": "openai", 0: "x"}.get(step, step)
                here = here.setdefault(str(name), {}) if isinstance(here.get(str(name), {}), dict) else {}
            here[str(path[-1])] = value
        return tree

    return st.lists(st.tuples(st.sampled_from(plain), TREES), max_size=5).map(planted)


def outcome(text: str) -> tuple[str, ...]:
    """The problems of this text as local.yaml."""
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "config/local.yaml"
        path.parent.mkdir()
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        problems = problems_of(Path(root))
    assert all(problem.file for problem in problems)
    return tuple(str(problem) for problem in problems)


def problems_of(root: Path) -> tuple[Problem, ...]:
    """What is wrong under `root`."""
    try:
        load(root, environ={})
    except ConfigErrors as errors:
        return errors.problems
    return ()


@settings(max_examples=60)
@given(fits_the_schema_loosely() | TREES)
def test_any_tree(tree: Any) -> None:
    """A tree of real keys and arbitrary values loads, or says what is wrong, one line each."""
    for problem in outcome(yaml.dump(tree, Dumper=yaml.SafeDumper, allow_unicode=True)):
        assert len(problem.splitlines()) == 1


@settings(max_examples=60)
@given(st.text(alphabet="ab:-[]{}\n\t &*!|>'\"#%@,?<0.~é\ufeff\x00\ud800", max_size=40))
@example("? a\n: b\n")
@example("{a: b}: c")
@example("--- !x")
@example("%YAML 9.9\n---\na: 1")
@example("http: &a {cors: {<<: *a}}")
def test_any_text(text: str) -> None:
    """Not even YAML: a problem, not an exception."""
    outcome(text)


def test_bottomless_nesting_does_not_end_the_process(write: Write, load_here: Load) -> None:
    """libyaml recurses on the C stack; the depth is looked at before it may."""
    write("config/local.yaml", "http: " + "[" * 200_000)
    with pytest.raises(ConfigErrors, match="nested too deeply"):
        load_here()
