"""What docs/accounts.md shows, as it stands: its commands in one shell, in their order, its layers in one gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.conftest import ROOT
from tests.e2e.test_readme import blocks_of
from tests.support.place import clean_environ
from tests.support.served import Served, served

PAGE = ROOT / "docs/accounts.md"
BLOCKS = list(blocks_of("docs/accounts.md", PAGE.read_text("utf-8")))
CONSOLE = [block for block in BLOCKS if block.language == "console"]
WAIT_S = 30


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    """A gateway of its own: the page begins with an empty database."""
    with served() as found:
        yield found


def shell(gateway: Served, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script where the gateway was started, as a reader without a development key."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {name: value for name, value in gateway.env.items() if name != "GATEWAY_DEV_KEY"}
    environ |= {"PATH": path, "GATEWAY_GRPC_ADDRESS": gateway.grpc_address, "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=gateway.root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.timeout(300)  # some fifteen commands, each a process of its own
def test_the_page_works_as_shown(running: Served) -> None:
    """All its commands, one after the other; what they made is there afterwards."""
    text = "\n".join(block.text for block in CONSOLE).replace("http://localhost:8080", running.url)
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.strip()]
    wait = f"for _ in $(seq {WAIT_S}); do gateway users list >/dev/null 2>&1 && break; sleep 0.5; done"
    at = next(n for n, command in enumerate(commands) if "--admin" in command) + 1
    done = shell(running, "\n".join([*commands[:at], wait, *commands[at:], "echo", "gateway users list --json"]))
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    assert '"token":"eyJ' in done.stdout, told
    [user] = json.loads(done.stdout[done.stdout.rindex("\n[") :])
    assert (user["email"], user["group"]) == ("ana@example.org", "partners")
    assert (running.root / "accounts.copy.db").stat().st_size > 0


def test_failures_say_what_to_do(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an administrator's key, with no amount, with nobody there: exit codes, and words on standard error."""
    monkeypatch.setenv("GATEWAY_GRPC_ADDRESS", running.grpc_address)

    def told(code: int, *words: str) -> str:
        result = CliRunner().invoke(app, list(words))
        assert (result.exit_code, result.stdout) == (code, "")
        return result.stderr

    assert "gateway keys create --admin" in told(1, "users", "list", "--key", "gw-wrong.key")
    assert "at most 6 decimals" in told(2, "wallet", "top-up", "someone", "1.0000001")
    assert "nobody has the email" in told(2, "wallet", "show", "no@body.org", "--key", running.key)
    assert "no answer from the gateway" in told(1, "users", "list", "--address", "127.0.0.1:1", "--key", "k")


def test_a_made_administrator_outlives_a_restart() -> None:
    """The database of the state directory is opened at the next start, and its users are there."""
    environ = {"GATEWAY_NEW_PASSWORD": "correct-horse-battery"}
    with served() as first:
        made = subprocess.run(
            [str(Path(sys.executable).with_name("gateway")), "users", "create", "bea@example.org"],
            env={**clean_environ(), **first.env, **first.environ, **environ},
            cwd=first.root, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        first.signal(9, "service")
        until_s = time.monotonic() + WAIT_S
        found = ""
        while "bea@example.org" not in found and time.monotonic() < until_s:
            found = first.command("users", "list", "--json", "--address", first.grpc_address, "--key", first.key).stdout
        assert "bea@example.org" in found


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda block: block.where)
def test_layers_are_accepted(tmp_path: Path, block: object) -> None:
    """Written into config/local.yaml, each passes `gateway config check`."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "local.yaml").write_text(block.text)  # type: ignore[attr-defined]  # a Block
    done = subprocess.run(
        [str(Path(sys.executable).with_name("gateway")), "config", "check"],
        cwd=tmp_path,
        env={
            **clean_environ(),
            "GATEWAY_STATE_DIR": str(tmp_path / "state"),
            "DATABASE_URL": "postgresql://user:password@db.example/gateway",
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
