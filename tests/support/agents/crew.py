"""The agents: how each is installed, pointed at a gateway, and made to edit a file.

Rules: versions are pinned here; an installation is reused when it is whole; nothing is installed outside the
    folder given.
Not here: running and judging (task).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTE = "note.txt"
BEFORE, AFTER = "hello world\n", "goodbye world\n"
TASK = f"In {NOTE}, change hello to goodbye."
DONE = "Done: the note says goodbye."
INSTALL_S = 900.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent works: its own installation, home and scratch folder, the gateway, and the key."""

    installed: Path
    home: Path
    folder: Path
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent; `turns` is the script its model plays, `variables` and `command` start it on `TASK`."""

    name: str
    package: str
    version: str
    registry: str
    turns: Callable[[Path], list[dict[str, Any]]]
    variables: Callable[[Place, str], Mapping[str, str]]
    command: Callable[[Place, str], list[str]]
    needs_tools: bool = True
    after: tuple[str, ...] = ()
    """The one install script of the package that has to run, below `node_modules`; those of others never do."""

    @property
    def script(self) -> str:
        """The name of its script."""
        return self.name.replace("-", "")

    def install(self, cache: Path) -> Path:
        """Its folder below `cache`, made if it is not there. Raises CalledProcessError."""
        folder = cache / f"{self.name}-{self.version}"
        if not (folder / ".whole").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for step in _STEPS[self.registry](folder, self):
                subprocess.run(step, cwd=folder, check=True, timeout=INSTALL_S, stdout=sys.stderr, env=_path())
            (folder / ".whole").touch()
        return folder


def _path() -> dict[str, str]:
    """This environment, with the programs of the virtual environment (node, npm) first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _npm(folder: Path, agent: Agent) -> list[list[str]]:
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    install = ["npm", "install", "--prefix", str(folder), *quiet, f"{agent.package}@{agent.version}"]
    return [install, *(["node", str(folder / "node_modules" / script)] for script in agent.after)]


def _pypi(folder: Path, agent: Agent) -> list[list[str]]:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{agent.package}=={agent.version}"]
    return [[sys.executable, "-m", "venv", str(folder)], pip]


_STEPS: dict[str, Callable[[Path, Agent], list[list[str]]]] = {"npm": _npm, "pypi": _pypi}


# Claude Code: reads a file before it edits it


def _claude_turns(folder: Path) -> list[dict[str, Any]]:
    path = str(folder / NOTE)
    edit = {"file_path": path, "old_string": "hello", "new_string": "goodbye"}
    return [
        {"calls": [{"name": "Read", "arguments": {"file_path": path}}]},
        {"calls": [{"name": "Edit", "arguments": edit}]},
        {"text": DONE},
    ]


def _claude_variables(place: Place, model: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_AUTH_TOKEN": place.key,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
    }


def _claude_command(place: Place, model: str) -> list[str]:
    program = str(place.installed / "node_modules" / ".bin" / "claude")
    return [program, "-p", TASK, "--permission-mode", "acceptEdits", "--output-format", "json"]


# Codex: runs a command


def _codex_turns(folder: Path) -> list[dict[str, Any]]:
    command = f"sed -i s/hello/goodbye/ {NOTE}"
    return [{"calls": [{"name": "exec_command", "arguments": {"cmd": command}}]}, {"text": DONE}]


def _codex_variables(place: Place, model: str) -> dict[str, str]:
    home = place.home / "codex"
    home.mkdir(parents=True, exist_ok=True)
    return {"CODEX_HOME": str(home), "GATEWAY_KEY": place.key}


def _codex_command(place: Place, model: str) -> list[str]:
    provider = f'{{name="gateway",base_url="{place.url}/v1",env_key="GATEWAY_KEY",wire_api="responses"}}'
    program = str(place.installed / "node_modules" / ".bin" / "codex")
    return [
        program, "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "-c", "model_provider=gateway",
        "-c", f"model_providers.gateway={provider}", "-m", model, TASK,
    ]  # fmt: skip


# Gemini CLI: edits a file by a tool; the way it logs in is a setting


def _gemini_turns(folder: Path) -> list[dict[str, Any]]:
    edit = {"file_path": str(folder / NOTE), "instruction": TASK, "old_string": "hello", "new_string": "goodbye"}
    return [{"calls": [{"name": "replace", "arguments": edit}]}, {"text": DONE}]


def _gemini_variables(place: Place, model: str) -> dict[str, str]:
    settings = place.home / ".gemini" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(GEMINI_SETTINGS))
    return {"GOOGLE_GEMINI_BASE_URL": place.url, "GEMINI_API_KEY": place.key}


def _gemini_command(place: Place, model: str) -> list[str]:
    program = str(place.installed / "node_modules" / ".bin" / "gemini")
    return [program, "-m", model, "--approval-mode", "auto_edit", "--skip-trust", "-p", TASK]


# Aider: writes the edit into its text


def _aider_turns(folder: Path) -> list[dict[str, Any]]:
    fence = "```"
    edit = f"<<<<<<< SEARCH\n{BEFORE}=======\n{AFTER}>>>>>>> REPLACE"
    return [{"text": f"{NOTE}\n{fence}\n{edit}\n{fence}\n"}]


def _aider_variables(place: Place, model: str) -> dict[str, str]:
    return {
        "OPENAI_API_BASE": f"{place.url}/v1",
        "OPENAI_API_KEY": place.key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def _aider_command(place: Place, model: str) -> list[str]:
    quiet = [
        "--analytics-disable", "--no-check-update", "--no-show-model-warnings", "--no-show-release-notes",
        "--no-detect-urls", "--no-pretty", "--no-gitignore", "--no-git", "--yes-always",
    ]  # fmt: skip
    models = ["--model", f"openai/{model}", "--weak-model", f"openai/{model}", "--edit-format", "diff"]
    return [str(place.installed / "bin" / "aider"), *models, *quiet, "--map-tokens", "0", "--message", TASK, NOTE]


GEMINI_SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"disableAutoUpdate": True},
}

AGENTS = (
    Agent("claude-code", "@anthropic-ai/claude-code", "2.1.197", "npm",
          _claude_turns, _claude_variables, _claude_command, after=("@anthropic-ai/claude-code/install.cjs",)),
    Agent("codex", "@openai/codex", "0.169.0", "npm", _codex_turns, _codex_variables, _codex_command),
    Agent("gemini-cli", "@google/gemini-cli", "0.61.0", "npm",
          _gemini_turns, _gemini_variables, _gemini_command),
    Agent("aider", "aider-chat", "0.86.2", "pypi",
          _aider_turns, _aider_variables, _aider_command, needs_tools=False),
)  # fmt: skip
