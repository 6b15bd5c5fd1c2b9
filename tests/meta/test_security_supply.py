"""What is installed and what it may do before anybody calls: locked, listed, silent, without ways to run a text."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path

import pytest

from gateway.core.globs import matches
from tests.meta.tree import ROOT, python_files, short

LOCK = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
# Names that turn a text into a running program, and who may use them.
RUNS_TEXT = {
    "eval": (), "exec": (), "compile": (), "__import__": (), "os.system": (), "os.popen": (), "marshal.loads": (),
    "yaml.load": ("gateway/config/yaml_file.py",),  # with a loader of plain values
    "subprocess.Popen": ("gateway/supervisor/children.py",),  # our own processes
    "subprocess.run": ("gateway/app/serve.py",),
    "asyncio.create_subprocess_exec": (), "asyncio.create_subprocess_shell": (), "runpy.run_path": (),
}  # fmt: skip
# Ways to stop checking certificates, and who may: one handshake that only asks for a reason, and sends nothing.
UNCHECKED = {"ssl.CERT_NONE", "ssl._create_unverified_context", "ssl.CERT_OPTIONAL"}
MAY_ASK = {"gateway/app/link_tls.py"}

IMPORT_ALL = """
import sys
def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system"}:
        raise SystemExit(f"{event} at import: {arguments}")
sys.addaudithook(watch)
import importlib, pkgutil, gateway
for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
    if not found.name.endswith(("__main__", "migrations.env")):  # run by others, not imported
        importlib.import_module(found.name)
print(len(sys.modules))
"""


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def calls(path: Path) -> set[str]:
    """What a file calls or refers to, as written."""
    tree = parsed(path)
    dotted = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return dotted | {
        node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_S21_every_locked_file_has_its_hash() -> None:
    """Each package comes from the index with the SHA-256 of every file that may be installed."""
    for package in LOCK["package"]:
        if "editable" in package["source"]:
            continue
        assert "registry" in package["source"], f"{package['name']} comes from {package['source']}"
        files = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]
        assert files
        assert all(each["hash"].startswith("sha256:") and len(each["hash"]) == 71 for each in files), package["name"]


def test_S21_the_bill_of_materials_lists_what_is_installed() -> None:
    """`scripts/sbom` names each package the product needs, in the version that runs here, and no test tool."""
    done = subprocess.run([sys.executable, ROOT / "scripts/sbom"], capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    listed = {component["name"]: component["version"] for component in bill["components"]}
    assert {"aiohttp", "grpcio", "protobuf", "pydantic", "redis", "multidict"} <= listed.keys()
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & listed.keys()
    assert all(component["externalReferences"] for component in bill["components"])
    for name in ("aiohttp", "grpcio", "pyjwt", "argon2-cffi", "multidict"):
        assert listed[name] == metadata.version(name)
    assert len(listed) <= 80, "few packages: think before adding another"


def test_S21_importing_reaches_for_nothing() -> None:
    """Importing every module of the gateway opens no socket, asks no resolver and starts no program."""
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 200


def test_S21_an_installed_gateway_runs_nothing_by_itself() -> None:
    """The wheel brings packages and defaults only: no `.pth` file, which would run at every start of Python."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert not [name for name in build["only-include"] if name.endswith(".pth")]
    assert not list(ROOT.glob("gateway/**/*.pth"))


@pytest.mark.parametrize("name", sorted(RUNS_TEXT))
def test_S20_no_text_becomes_a_program(name: str) -> None:
    """No templates, no expressions, no shell: a name that runs text is used where it must be, or nowhere."""
    found = [short(path) for path in python_files("gateway") if name in calls(path)]
    assert set(found) <= set(RUNS_TEXT[name]), f"{name} is used in {found}"


def test_S20_globs_take_no_time_however_they_are_written() -> None:
    """A glob of many stars against a long name that nearly fits: an answer, where backtracking would never end."""
    glob, name = "*a" * 60 + "b", "a" * 2000
    assert not matches(name, glob)
    assert matches(name + "b", glob)
    assert not matches("?" * 3000 + "x", "?" * 3000 + "[*" * 40)
    assert not fnmatchcase(name, glob)


def test_S3_nobody_stops_checking_certificates() -> None:
    """No setting, no module: the one exception is a handshake that asks why another one failed, and sends nothing."""
    found = {short(path) for path in python_files("gateway") if UNCHECKED & calls(path)}
    assert found == MAY_ASK
    for path in python_files("gateway"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.keyword) and node.arg in {"ssl", "verify", "verify_ssl"}:
                value = node.value
                assert not (isinstance(value, ast.Constant) and value.value is False), f"{short(path)}:{value.lineno}"
