"""`gateway keys`, `gateway route explain`, the banner, and that the command line loads no server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.commands.banner import lines

COMMANDS = ("serve", "frontend", "service", "simulate", "chat", "config", "route", "keys")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `gateway ...` in a directory of its own."""
    monkeypatch.setenv("GATEWAY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GATEWAY_ENV", "test")
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke


def made(run: Any, *words: str) -> dict[str, Any]:
    """A key, made with --json."""
    result = run("keys", "create", "--json", *words)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def listed(run: Any) -> list[dict[str, Any]]:
    """`gateway keys list --json`."""
    answer: list[dict[str, Any]] = json.loads(run("keys", "list", "--json").stdout)
    return answer


def test_a_key_is_alone_on_standard_output(run: Any) -> None:
    """So that it can be piped; it is shown once and never by `list`."""
    result = run("keys", "create", "--name", "one")
    key = result.stdout.strip()
    assert re.fullmatch(r"gw-[a-z0-9]{16}\.[A-Za-z0-9_-]{43}", key)
    shown = run("keys", "list").output + run("keys", "list", "--json").output
    assert key.partition(".")[2] not in shown
    assert key.partition(".")[0].removeprefix("gw-") in shown


def test_models_and_limits_of_a_key(run: Any) -> None:
    """Repeated options are a list."""
    key = made(
        run, "--name", "n", "--model", "gpt-*", "--model", "gpt-4o", "--rpm", "5", "--tpm", "70", "--concurrency", "2"
    )
    (record,) = listed(run)
    assert (record["id"], record["models"], record["state"]) == (key["id"], "gpt-*, gpt-4o", "active")
    assert record["limits"] == "requests_per_minute 5, tokens_per_minute 70, concurrency 2"


@pytest.mark.parametrize("words", [["--rpm", "0"], ["--tpm", "-1"], ["--concurrency", "x"]])
def test_a_limit_is_a_positive_number(run: Any, words: list[str]) -> None:
    """A wrong command line is exit code 2 and makes nothing."""
    assert run("keys", "create", *words).exit_code == 2
    assert listed(run) == []


@pytest.mark.parametrize(
    "words", [["--name", "@int 5"], ["--name", "x" * 201], ["--model", ""], ["--model", "no-such-model"]]
)
def test_a_record_nobody_could_read_is_not_made(run: Any, words: list[str]) -> None:
    """Exit code 1 with the reason; the next load is fine."""
    result = run("keys", "create", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no key was made" in result.stderr
    assert listed(run) == []


def test_a_revoked_key_stays_in_the_list(run: Any) -> None:
    """Only that one; the second time is the same."""
    first, second = made(run, "--name", "a"), made(run, "--name", "a")
    for _ in range(2):
        assert run("keys", "revoke", first["id"]).exit_code == 0
    assert {record["id"]: record["state"] for record in listed(run)} == {first["id"]: "revoked", second["id"]: "active"}


def test_an_unknown_id_is_said(run: Any) -> None:
    """With where to look; a key of another file is named as such."""
    result = run("keys", "revoke", "nope")
    assert result.exit_code == 1
    assert "keys list" in result.stderr


def test_an_expired_key_is_shown_as_such(run: Any, tmp_path: Path) -> None:
    """It is refused, so it is not active."""
    made(run, "--name", "old")
    path = tmp_path / "state/keys.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["keys"]["old"]["expires_at"] = "2020-01-01T00:00:00Z"
    path.write_text(yaml.safe_dump(tree))
    assert [record["state"] for record in listed(run)] == ["expired"]


def test_a_wrong_configuration_is_exit_78(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command that reads it."""
    monkeypatch.setenv("GATEWAY_HTTP__PORT", "x")
    for words in (["keys", "list"], ["keys", "create"], ["keys", "revoke", "x"], ["route", "explain", "m"]):
        result = run(*words)
        assert result.exit_code == 78
        assert "http.port" in result.stderr


def config(tmp_path: Path, **tree: Any) -> None:
    """A local layer."""
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config/local.yaml").write_text(yaml.safe_dump(tree))


def layer(tmp_path: Path) -> None:
    """One model with a good, a disabled and a second good candidate."""
    block = {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1", "auth": "none", "is_local": True}
    candidates = [
        {"provider": "one", "upstream_model": "up-1"}, {"provider": "off"}, {"provider": "two", "priority": 1},
    ]  # fmt: skip
    config(
        tmp_path,
        providers={"one": block, "two": block, "off": {**block, "enabled": "off"}},
        models={"mine": {"names": ["mine", "mine-*"], "candidates": candidates}},
    )


def test_where_a_call_goes(run: Any, tmp_path: Path) -> None:
    """Candidates in order with the vendor's name of the model, and the dropped with the reason."""
    layer(tmp_path)
    answer = json.loads(run("route", "explain", "mine-x", "--json").stdout)
    assert (answer["model"], answer["entry"]) == ("mine-x", "mine")
    assert [(each["provider"], each["upstream_model"]) for each in answer["candidates"]] == [
        ("one", "up-1"), ("two", "mine-x"),
    ]  # fmt: skip
    assert answer["dropped"] == [{"deployment": "off/*", "reason": "disabled"}]
    shown = run("route", "explain", "mine-x").output
    assert "one/up-1" in shown
    assert "dropped off/*: disabled" in shown


def test_an_unknown_model_has_a_suggestion(run: Any, tmp_path: Path) -> None:
    """The nearest listed name, exit code 1."""
    layer(tmp_path)
    result = run("route", "explain", "mime")
    assert result.exit_code == 1
    assert 'did you mean "mine"' in result.stderr


def test_the_banner_shows_a_new_key_once() -> None:
    """As lines that can be pasted; without one it says where the key is."""
    plan = {
        "environment": "development", "http": "127.0.0.1:8080", "grpc": "127.0.0.1:50051", "new_key": "gw-a.b",
        "has_dev_key": False, "is_simulated": True, "warnings": ["mind the gap"],
    }  # fmt: skip
    text = "\n".join(lines(plan))
    assert "export OPENAI_API_KEY=gw-a.b" in text
    assert "export OPENAI_BASE_URL=http://127.0.0.1:8080/v1" in text
    assert "SIMULATOR" in text
    assert "mind the gap" in text
    later = "\n".join(lines({**plan, "new_key": "", "is_simulated": False, "grpc": ""}))
    assert "gateway keys create" in later
    assert "SIMULATOR" not in later
    assert "gRPC" not in later
    assert "GATEWAY_DEV_KEY" in "\n".join(lines({**plan, "new_key": "", "has_dev_key": True}))


def test_help_lists_every_command_and_loads_no_server() -> None:
    """In a process of its own: neither grpc nor aiohttp nor the configuration's libraries."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom gateway.cli import app\n"
        "print(CliRunner().invoke(app, ['--help']).stdout)\n"
        "heavy = {'grpc', 'aiohttp', 'dynaconf', 'pydantic', 'prometheus_client', 'uvloop'} & set(sys.modules)\n"
        "print('LOADED', sorted(heavy))"
    )
    environ = {**os.environ, "TERM": "dumb", "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    for command in COMMANDS:
        assert re.search(rf"^\W*{command}\b", done.stdout, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Any, command: str) -> None:
    """With -h as well."""
    for flag in ("--help", "-h"):
        assert run(command, flag).exit_code == 0


async def test_the_key_of_the_first_start_works_at_once(tmp_path: Path) -> None:
    """`serve --single` in development: what the banner shows is accepted by the first request."""
    environ = {**os.environ, "GATEWAY_STATE_DIR": str(tmp_path), "GATEWAY_HTTP__PORT": "0", "GATEWAY_GRPC__PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--single",
        env=environ, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        shown: dict[str, str] = {}
        while len(shown) < 2:
            line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
            assert line, "the gateway ended before it showed its key"
            shown.update(re.findall(r"export OPENAI_(\w+)=(\S+)", line))
        headers = {"authorization": f"Bearer {shown['API_KEY']}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{shown['BASE_URL']}/models") as response,
        ):
            assert response.status == 200
    finally:
        process.terminate()
        await process.wait()


def test_long_names_are_shown_whole(run: Any, tmp_path: Path) -> None:
    """On the narrowest terminal a name is folded, not cut."""
    block = {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1", "auth": "none", "is_local": True}
    name = "a-vendor/with-a-very-long-name-of-its-model-2026-01-01-preview-of-the-second-edition"
    candidates = [{"provider": "one", "upstream_model": name}]
    config(tmp_path, providers={"one": block}, models={"mine": {"names": ["mine"], "candidates": candidates}})
    shown = run("route", "explain", "mine").output
    assert "…" not in shown
    rows = [line.split("│")[1:-1] for line in shown.splitlines() if "│" in line]
    assert "".join(row[1].strip() for row in rows) == f"one/{name}"
    assert "".join(row[2].strip() for row in rows) == name
