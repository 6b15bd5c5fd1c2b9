"""What docs/clients.md says and nobody can run here is at least well-formed, and says what the tested agents are told.

Rules: every block is run (test_readme), or of a language whose syntax is checked here.
Not here: running agents (test_agents).
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.e2e.test_readme import Block, blocks_of
from tests.support.agents.crew import AGENTS, Place

PAGE = ROOT / "docs" / "clients.md"
BLOCKS = list(blocks_of("docs/clients.md", PAGE.read_text("utf-8")))
STATIC = [block for block in BLOCKS if block.test_id is None]
TOOLS = (
    "OpenAI", "Anthropic", "Google Gen AI", "LangChain", "LlamaIndex", "Vercel AI SDK", "Claude Code", "Codex CLI",
    "Gemini CLI", "Aider", "Continue", "Cline, Roo Code", "Open WebUI", "LibreChat",
)  # fmt: skip


def _bash(text: str) -> None:
    subprocess.run([shutil.which("bash") or "bash", "-n"], input=text, text=True, check=True, capture_output=True)


CHECKS: dict[str, Callable[[str], object]] = {
    "bash": _bash,
    "python": ast.parse,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
    "json": json.loads,
    "text": str,
}


@pytest.mark.parametrize("block", STATIC, ids=lambda block: block.where)
def test_settings_are_well_formed(block: Block) -> None:
    """In their own language."""
    CHECKS[block.language](block.text)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_a_section_with_an_example(tool: str) -> None:
    """That names the gateway's address."""
    text = PAGE.read_text("utf-8")
    section = re.split(r"^#+ ", text.split(f"\n### {tool}\n")[1], flags=re.MULTILINE)[0]
    assert re.search(r"```\w+\n[^`]*:8080", section), section


def test_agents_are_told_what_the_page_says(tmp_path: Path) -> None:
    """The variables of the examples are those the tested agents are started with."""
    place = Place(tmp_path, tmp_path, tmp_path, "http://127.0.0.1:8080", "k")
    text = PAGE.read_text("utf-8")
    shown = set(re.findall(r"^export (\w+)=", text, re.MULTILINE))
    given = {name for agent in AGENTS for name in agent.variables(place, "m")}
    assert shown <= given, shown - given
    provider = next(block for block in BLOCKS if block.language == "toml")
    (gateway,) = tomllib.loads(provider.text)["model_providers"].values()
    (codex,) = (agent for agent in AGENTS if agent.name == "codex")
    (told,) = (word for word in codex.command(place, "m") if word.startswith("model_providers.gateway="))
    started = tomllib.loads(told.replace("model_providers.gateway", "x"))["x"]
    assert started == {**gateway, "env_key": "GATEWAY_KEY"}
