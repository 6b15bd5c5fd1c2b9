"""What docs/routing.md shows does what the page says.

Rules: every layer of the page is loaded; every command is run beside a gateway with both layers it speaks of; the
    figures are what the simulations give.
Not here: the other pages (test_docs_examples).
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from gateway.config.load import load
from loadtests.plot_routing import FIGURES, FOLDER
from tests.conftest import ROOT
from tests.e2e.test_readme import blocks_of
from tests.support.place import clean_environ, write_layer
from tests.support.single import InProcess, single

PAGE = (ROOT / "docs/routing.md").read_text("utf-8")
BLOCKS = list(blocks_of("docs/routing.md", PAGE))
LAYERS = [yaml.safe_load(block.text) for block in BLOCKS if block.language == "yaml"]
COMMANDS = [
    line.removeprefix("$ ")
    for block in BLOCKS
    if block.language == "console"
    for line in block.text.splitlines()
    if line
]


def both() -> dict[str, object]:
    """The two layers the commands speak of, as one."""
    first, second = LAYERS[0], LAYERS[1]
    return {
        "http": {"call_headers": [*first["http"]["call_headers"], *second["http"]["call_headers"]]},
        "providers": {**first["providers"], **second["providers"]},
        "models": {**first["models"], **second["models"]},
    }


async def run(made: InProcess, command: str) -> subprocess.CompletedProcess[str]:
    """One command, as a reader would run it in the gateway's directory."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    host, _, port = made.grpc_address.rpartition(":")
    own = {"GATEWAY_GRPC__HOST": host, "GATEWAY_GRPC__PORT": port, "GATEWAY_ADMIN_KEY": "an-operators-secret"}
    environ = {**clean_environ(), "GATEWAY_ENV": "test", "GATEWAY_STATE_DIR": str(made.root / "state"), **own}
    ask = functools.partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False)
    return await asyncio.to_thread(ask, ["bash", "-c", command], cwd=made.root, env={**environ, "PATH": path})


def test_every_block_is_tried() -> None:
    """Layers and commands, nothing else."""
    assert {block.language for block in BLOCKS} == {"console", "yaml"}


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: next(iter(layer.get("models", layer))))
def test_layers_are_accepted(tmp_path: Path, layer: dict[str, object]) -> None:
    """Each stands for itself."""
    write_layer(tmp_path, layer)
    load(tmp_path, environment="test", environ={"GATEWAY_STATE_DIR": str(tmp_path / "state")})


async def test_commands_work_as_shown() -> None:
    """And say what the page says they do."""
    async with single(both(), environ={"GATEWAY_ADMIN_KEY": "an-operators-secret"}) as made:
        told = {}
        for command in COMMANDS:
            done = await run(made, command)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            told[command] = done.stdout
    reasons = {each["reason"] for each in json.loads(told[COMMANDS[1]])["dropped"]}
    assert reasons == {"context window of 32000 tokens is below the 50000 this call may need", "lacks vision"}
    assert "rule european" in told[COMMANDS[0]]
    assert "by a rule of assistant" in told[COMMANDS[2]]


def test_quoted_reasons_are_those_of_the_gateway() -> None:
    """The words a reader would search for."""
    joined = " ".join(PAGE.split())
    assert "context window of 32000 tokens is below the 50000 this call may need" in joined
    assert "lacks vision" in joined


@pytest.mark.parametrize("name", FIGURES)
def test_the_figures_are_what_the_simulations_give(name: str) -> None:
    """`python -m loadtests.plot_routing` makes the committed files again, and they are whole XML."""
    text = FIGURES[name]()
    assert text == (FOLDER / name).read_text("utf-8")
    assert ET.fromstring(text).tag.endswith("svg")
