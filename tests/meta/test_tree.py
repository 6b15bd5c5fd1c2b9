"""The shape of the house: every room is tested, files stay readable, nothing of one machine is committed."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.meta.tree import GATEWAY, ROOT, committed_files, has_code, is_generated, python_files, short

LINES_MAX = 400
# Homes, work folders and scratch folders of a developer's machine; examples in documents use ~ or a relative path.
MACHINE_PATH = re.compile(r"(?<![\w.~/}-])/(?:home/(?!user\b)\w+|root|Users/\w+|work|private/var)/[\w.-]+")


def rooms() -> list[str]:
    """Folders directly below `gateway/` that hold hand-written code."""
    folders = (path for path in sorted(GATEWAY.iterdir()) if path.is_dir())
    return [folder.name for folder in folders if any(map(has_code, python_files(short(folder))))]


def test_every_room_has_tests() -> None:
    """A room without a folder of tests of its own (`tests/unit/<room>`, or `tests/contract/<room>`) is reported."""
    bare = [room for room in rooms() if not any((ROOT / "tests").glob(f"*/{room}/**/test_*.py"))]
    assert not bare, f"no tests/unit/<room>/test_*.py for: {', '.join(bare)}"


def test_unit_tests_mirror_the_house() -> None:
    """A folder below `tests/unit` has the name of a room or of a program folder, so that a reader finds it."""
    known = {path.stem for path in GATEWAY.iterdir()} | {"scripts", "loadtests"}
    found = {path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found <= known, f"tests/unit has folders that mirror nothing: {sorted(found - known)}"


def test_every_module_states_its_rules() -> None:
    """A module says in its docstring what it guarantees (`Rules:`); files that only mark a folder need not."""
    silent = [
        short(path)
        for path in python_files("gateway")
        if has_code(path) and "Rules:" not in (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    ]
    assert not silent, "module docstring without `Rules:`:\n" + "\n".join(silent)


def test_files_stay_readable() -> None:
    """No hand-written file is longer than 400 lines."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in python_files("gateway", "scripts", "tests")}
    long = [f"{short(path)}: {count} lines" for path, count in lengths.items() if count > LINES_MAX]
    assert not long, f"longer than {LINES_MAX} lines; give a part of it a name and a file:\n" + "\n".join(long)


def test_test_modules_have_unique_names_or_packages() -> None:
    """Every folder with tests is a package, so that two files of one name do not collide."""
    folders = {path.parent for path in python_files("tests") if path.name.startswith("test_")}
    loose = sorted(short(folder) for folder in folders if not (folder / "__init__.py").is_file())
    assert not loose, f"missing __init__.py in: {', '.join(loose)}"


def test_no_path_of_one_machine_is_committed() -> None:
    """No committed text names a home or work folder of the machine it was written on."""
    found = []
    for path in committed_files():
        if is_generated(path) or path.suffix in {".lock", ".png", ".ico", ".woff2"}:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{short(path)}: {match.group()}" for match in MACHINE_PATH.finditer(text)]
    assert not found, "absolute paths of a machine:\n" + "\n".join(found)


def test_scripts_can_be_run() -> None:
    """What the README tells people to run carries its executable bit and a bash or python first line."""
    programs = [
        *(path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix),
        ROOT / ".ci/run",
    ]
    wrong = [short(path) for path in programs if not path.stat().st_mode & 0o100 or path.read_bytes()[:2] != b"#!"]
    assert not wrong, f"not executable: {wrong}"


def test_every_shipped_default_is_packed() -> None:
    """An installed gateway finds the same defaults as a checkout: each YAML of `config/` is named in the wheel."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = tuple(build["only-include"])
    shipped = [short(path) for path in committed_files() if path.is_relative_to(ROOT / "config")]
    shipped = [name for name in shipped if not name.endswith(".example.yaml")]  # something to copy, not a layer
    missing = [name for name in shipped if not name.startswith(packed)]
    assert not missing, f"add to only-include in pyproject.toml: {', '.join(missing)}"


def test_no_page_has_a_figure_to_be_filled_in() -> None:
    """A placeholder of a measurement (`@@NAME@@`) is not committed."""
    pages = [path for path in committed_files() if path.suffix == ".md"]
    open_ones = [short(path) for path in pages if re.search(r"@@\w+@@", path.read_text())]
    assert not open_ones, f"measure it and write it down: {open_ones}"
