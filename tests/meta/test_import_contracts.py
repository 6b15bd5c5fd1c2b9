"""The import contracts of `pyproject.toml` bite: a planted wrong import is named, a right one passes.

The house here is a skeleton with one module per room, so that a rule is tested before the first mistake is made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.meta.tree import ROOT

_EDGES = ("commands", "frontend", "service", "supervisor", "client", "simulator")
_DECIDERS = ("pipeline", "routing", "quota", "accounts", "cache", "providers", "tasks")
ROOMS = (*_EDGES, *_DECIDERS, "rpc", "config", "observe", "core", "wire")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A `gateway` package with an empty module `inner` in every room, and our contracts beside it."""
    for folder in ("", *ROOMS, "wire/pb"):
        (tmp_path / "gateway" / folder).mkdir(exist_ok=True)
        (tmp_path / "gateway" / folder / "__init__.py").touch()
        (tmp_path / "gateway" / folder / "inner.py").touch()
    (tmp_path / "gateway/inner.py").unlink()
    for name in ("cli", "app"):
        (tmp_path / f"gateway/{name}.py").touch()
    (tmp_path / "gateway/wire/pb/chat_pb2_grpc.py").write_text("import grpc\n")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    env = os.environ | {"PYTHONPATH": str(house), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=house, env=env, capture_output=True, text=True, check=False)


def plant(house: Path, module: str, line: str) -> None:
    (house / "gateway" / module).write_text(f"{line}\n")


def broken(output: str) -> list[str]:
    """Names of the broken contracts."""
    return [line.split(" BROKEN")[0] for line in output.splitlines() if " BROKEN" in line]


def named(contract_id: str) -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    return next(str(contract["name"]) for contract in contracts if contract["id"] == contract_id)


def test_the_way_down_is_open(house: Path) -> None:
    """Imports that follow the arrow break nothing."""
    plant(house, "cli.py", "import gateway.app, gateway.commands.inner, gateway.simulator.inner, gateway.client.inner")
    plant(house, "commands/inner.py", "import gateway.cli")
    plant(house, "app.py", "import gateway.frontend.inner, gateway.service.inner, gateway.config.inner")
    plant(house, "service/inner.py", "import gateway.pipeline.inner, gateway.rpc.inner, grpc")
    plant(house, "pipeline/inner.py", "import gateway.routing.inner, gateway.quota.inner, gateway.core.inner")
    plant(house, "frontend/inner.py", "import gateway.rpc.inner, gateway.wire.inner, aiohttp")
    plant(house, "config/inner.py", "import dynaconf, gateway.core.inner")
    plant(house, "core/inner.py", "import gateway.wire.inner")
    plant(house, "simulator/inner.py", "import gateway.wire.inner, aiohttp")
    plant(house, "client/inner.py", "import gateway.client, grpc")
    result = lint(house)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract_id"),
    [
        ("core/inner.py", "import gateway.config.inner", "layers"),
        ("wire/inner.py", "import gateway.core.inner", "layers"),
        ("frontend/inner.py", "import gateway.service.inner", "layers"),
        ("routing/inner.py", "import gateway.providers.inner", "layers"),
        ("rpc/inner.py", "import gateway.pipeline.inner", "layers"),
        ("frontend/inner.py", "import gateway.pipeline.inner", "frontend"),
        ("client/inner.py", "import gateway.wire.inner", "client"),
        ("simulator/inner.py", "import gateway.core.inner", "simulator"),
        ("providers/inner.py", "import gateway.simulator.inner", "simulator-apart"),
        ("supervisor/inner.py", "import grpc", "light"),
        ("supervisor/inner.py", "import gateway.service.inner", "layers"),
        ("core/inner.py", "import asyncio", "pure"),
        ("wire/inner.py", "import grpc", "pure"),
        ("routing/inner.py", "import socket", "pure"),
        ("frontend/inner.py", "import json", "json"),
        ("observe/inner.py", "import dynaconf", "settings"),
    ],
)
def test_a_wrong_import_breaks_its_contract(house: Path, module: str, line: str, contract_id: str) -> None:
    """Each rule names the import that breaks it."""
    plant(house, module, line)
    result = lint(house)
    assert result.returncode != 0
    assert named(contract_id) in broken(result.stdout), result.stdout + result.stderr


def test_a_room_without_a_height_is_refused(house: Path) -> None:
    """A new room must be placed in the layers contract before it can be built."""
    (house / "gateway/attic").mkdir()
    (house / "gateway/attic/__init__.py").touch()
    result = lint(house)
    assert result.returncode != 0
    assert "attic" in result.stdout
