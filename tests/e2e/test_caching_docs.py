"""What docs/caching.md shows does what the page says.

Rules: its first layer is served as it stands; each command of its console blocks is run, and says what stands below it.
Not here: the other pages (test_docs_examples).
"""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest
import yaml

from tests.conftest import ROOT
from tests.e2e.test_readme import blocks_of
from tests.support.single import single

BLOCKS = list(blocks_of("docs/caching.md", (ROOT / "docs/caching.md").read_text("utf-8")))
LAYERS = [yaml.safe_load(block.text) for block in BLOCKS if block.language == "yaml"]
CONSOLE = [block.text for block in BLOCKS if block.language == "console"]


def test_every_block_is_tried() -> None:
    """Layers and commands, nothing else."""
    assert {block.language for block in BLOCKS} == {"console", "yaml"}


@pytest.mark.parametrize("text", CONSOLE)
async def test_commands_say_what_is_shown(text: str) -> None:
    """Each command beside a gateway with the layer of the page."""
    async with single(LAYERS[0]) as running:
        environ = {**os.environ, "GATEWAY_BASE_URL": running.url, "GATEWAY_API_KEY": running.key}
        for step in text.removeprefix("$ ").split("\n$ "):
            command, _, shown = step.strip().partition("\n")
            done = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-c", command],
                env=environ,
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
            assert done.stdout.strip().lower() == shown.strip(), command


async def test_the_other_layer_is_accepted() -> None:
    """A gateway starts with it, also when nobody answers at that address."""
    async with single(LAYERS[1], environ={"STORE_URL": "valkey://127.0.0.1:9/0"}) as running:
        assert not running.half.store_is_up
