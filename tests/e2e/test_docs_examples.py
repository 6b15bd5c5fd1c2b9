"""What docs/configuration.md, operations.md and simulator.md show does what the page says.

Rules: each line of a console block is run as it stands beside a served gateway, only ID and PORT are filled in; each
    yaml block is a layer the gateway accepts; a block in another language fails, so that none goes unnoticed.
Not here: README.md and blocks marked for it (test_readme), docs/grpc.md (test_client_docs).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.test_readme import Block, blocks_of
from tests.support.certificates import make_certificates
from tests.support.place import clean_environ
from tests.support.served import Served

PAGES = ("configuration", "operations", "simulator")
BLOCKS = [b for page in PAGES for b in blocks_of(f"docs/{page}.md", (ROOT / f"docs/{page}.md").read_text("utf-8"))]
CONSOLE = [block for block in BLOCKS if block.language == "console"]
LAYERS = [block for block in BLOCKS if block.language == "yaml"]
KEY_ID = re.compile(r"gw-([a-z0-9]+)\.")


def commands_of(block: Block) -> list[str]:
    """Its commands, a continued line with the one before."""
    return [text.strip() for text in block.text.removeprefix("$ ").split("\n$ ")]


def run(command: str, root: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command as a reader would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=root,
        env={**environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_block_is_run_or_loaded() -> None:
    """These pages have commands and layers, and nothing a reader could try that no test tries."""
    assert CONSOLE
    assert LAYERS
    assert {block.language for block in BLOCKS} == {"console", "yaml"}


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.where)
def test_commands_work_as_shown(gateway: Served, block: Block) -> None:
    """Each succeeds and says something."""
    key_id = ""
    environ = {name: value for name, value in gateway.env.items() if name != "GATEWAY_DEV_KEY"}  # a reader has none
    for command in commands_of(block):
        filled = re.sub(r"\bID\b", key_id, command).replace("PORT", gateway.simulator.url.rpartition(":")[2])
        done = run(filled, gateway.root, environ)
        told = f"{block.where}\n{filled}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, told
        assert done.stdout + done.stderr or " -o " in filled, told
        if found := KEY_ID.search(done.stdout):
            key_id = found[1]


@pytest.mark.parametrize("block", LAYERS, ids=lambda block: block.where)
def test_layers_are_accepted(tmp_path: Path, block: Block) -> None:
    """Written into config/local.yaml, it passes `gateway config check`."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "vllm.key").write_text("a-key-for-tests\n")
    if "cert_file" in block.text:
        made = make_certificates(folder)
        made.cert.rename(folder / "service.pem")
        made.key.rename(folder / "service.key")
        made.ca.rename(folder / "frontends.pem")
    (folder / "local.yaml").write_text(block.text)
    done = run("gateway config check", tmp_path, {**clean_environ(), "GATEWAY_STATE_DIR": str(tmp_path / "state")})
    assert done.returncode == 0, f"{block.where}\n{done.stdout}\n{done.stderr}"
