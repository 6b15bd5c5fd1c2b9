"""What docs/profiles.md shows does what the page says.

Rules: its first layer is served, on ports of the test's own; each command of its console blocks is run in the order of
    the page, and says what stands below it.
Not here: the acceptance lists of the gateways (test_xmaxgate.py and the others).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from gateway.config.schema import Profile
from tests.conftest import ROOT
from tests.e2e.test_readme import blocks_of
from tests.support.served import GATEWAY, served
from tests.support.waiting import PATIENCE_S, free_port

RELOAD_S = PATIENCE_S
PAGE = (ROOT / "docs/profiles.md").read_text("utf-8")
BLOCKS = list(blocks_of("docs/profiles.md", PAGE))
LAYERS = [yaml.safe_load(block.text) for block in BLOCKS if block.language == "yaml"]
CONSOLE = [block.text for block in BLOCKS if block.language == "console"]


def test_every_block_is_tried() -> None:
    """Layers and commands, nothing else; the profile of one's own is a profile."""
    assert {block.language for block in BLOCKS} == {"console", "yaml"}
    [own] = LAYERS[1]["profiles"].values()
    Profile.model_validate_json(json.dumps(own))


def test_commands_say_what_is_shown() -> None:
    """All of them, at one gateway with the page's listeners."""
    layer = LAYERS[0]
    ports = {}
    for listener in layer["http"]["listeners"].values():
        ports[f"127.0.0.1:{listener['port']}"] = f"127.0.0.1:{(own := free_port())}"
        listener["port"] = own
    with served(layer) as running:
        ports["127.0.0.1:8080"] = running.url.removeprefix("http://")
        environ = {**os.environ, **running.env, "PATH": f"{GATEWAY.parent}:{os.environ['PATH']}"}
        for text in CONSOLE:
            for step in text.removeprefix("$ ").split("\n$ "):
                command, _, shown = step.strip().partition("\n")
                for written, real in ports.items():
                    command = command.replace(written, real)
                _say(command, shown.strip(), running.root, environ)


def _say(command: str, shown: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Run it; a key of the configuration made a moment ago may need a reload first."""
    until_s = time.monotonic() + RELOAD_S
    while True:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if (done.returncode, done.stdout.strip()) == (0, shown):
            return
        assert time.monotonic() < until_s, (command, done.stdout, done.stderr)
        time.sleep(0.2)
