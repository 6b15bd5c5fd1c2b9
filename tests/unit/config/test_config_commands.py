"""`gateway config ...` as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.commands.config import app
from gateway.config.schema import Config
from tests.unit.config.conftest import Write


@pytest.fixture(autouse=True)
def in_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working root is the current directory."""
    monkeypatch.chdir(tmp_path)


def run(*words: str, **environ: str) -> Result:
    return CliRunner().invoke(app, list(words), env=environ)


def test_check_says_ok_and_what_there_is() -> None:
    """Exit 0, environment, fingerprint, and why each provider is unavailable."""
    result = run("check", OPENAI_API_KEY="x")
    assert result.exit_code == 0
    assert result.output.startswith("ok: development, fingerprint ")
    assert "available: simulator, openai, openai-responses\n" in result.output
    assert "groq: environment variable GROQ_API_KEY is not set" in result.output


def test_check_prints_every_problem_and_ends_with_1(write: Write) -> None:
    """All at once, on stderr, with their count."""
    write("config/local.yaml", "http: {prot: 1}\ngrpc: {port: x}\n")
    result = run("check")
    assert result.exit_code == 1
    assert result.stderr == (
        'config/local.yaml:1: http.prot: unknown key - did you mean "port"?\n'
        'config/local.yaml:2: grpc.port: expected a whole number (TCP port) from 0 to 65535, found "x"\n'
        "2 problems\n"
    )
    assert result.stdout == ""
    found = json.loads(run("check", "--json").stdout)
    assert found["ok"] is False
    assert [(problem["file"], problem["line"], problem["key"]) for problem in found["problems"]] == [
        ("config/local.yaml", 1, "http.prot"),
        ("config/local.yaml", 2, "grpc.port"),
    ]


def test_check_of_another_environment_and_directory(write: Write) -> None:
    """Options reach the loader; a warning is a warning."""
    write("other/local.yaml", "simulator: {enabled: on}\n")
    assert run("check", "--config-dir", "other").exit_code == 0
    result = run("check", "--config-dir", "other", "-E", "production")
    assert result.exit_code == 1
    assert "the simulator never runs in production" in result.output
    assert "warning: no provider is available" in run("check", "-E", "production").stderr
    assert json.loads(run("check", "--json", "-E", "test").stdout)["environment"] == "test"


def test_explain_a_value(write: Write) -> None:
    """Value, unit, default, chain of layers, reload, variable."""
    write("config/local.yaml", "http:\n  port: 9001\n")
    lines = run("explain", "http.port", GATEWAY_HTTP__PORT="9002").output.splitlines()
    assert lines[0] == "http.port = 9002 (TCP port)"
    assert "  default   8080" in lines
    assert "  set by    GATEWAY_HTTP__PORT" in lines
    assert "  over      config/local.yaml:2  9001" in lines
    assert "  reload    does not apply it: restart" in lines
    assert "  variable  GATEWAY_HTTP__PORT" in lines


def test_explain_as_json() -> None:
    """One document with the same facts."""
    found = json.loads(run("explain", "limits.concurrency", "--json", GATEWAY_LIMITS__CONCURRENCY="5").stdout)
    assert (found["key"], found["value"], found["default"], found["reloads"]) == ("limits.concurrency", 5, None, True)
    assert found["origins"][-1] == {
        "layer": "environment",
        "source": "GATEWAY_LIMITS__CONCURRENCY",
        "line": None,
        "value": 5,
    }


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("http", "http.port"),
        ("models", "models.gpt-4o"),
        ("models.gpt-4o", "models.gpt-4o.owned_by"),
        ("models.gpt-4o.candidates[0].provider", "= openai"),
        ("providers.openai.base_url", "= https://api.openai.com/v1"),
        ("HTTP.Port", "http.port = 8080"),
        ("keys", "keys = {}"),
    ],
)
def test_explain_any_key(key: str, part: str) -> None:
    """Sections and maps list what is in them; items and odd spellings are found."""
    result = run("explain", key)
    assert result.exit_code == 0
    assert part in result.output


def test_explain_every_section() -> None:
    """Without a key: what there is to explain; and each of it can be explained."""
    names = [line.split()[0] for line in run("explain").output.splitlines()]
    assert names == list(Config.model_fields)
    assert [name for name in names if run("explain", name).exit_code] == []
    assert list(json.loads(run("explain", "--json").stdout)) == names


@pytest.mark.parametrize(
    ("key", "meant"), [("http.prot", "http.port"), ("prot", ".port"), ("models.gpt-4p", "models.gpt-4o")]
)
def test_explain_an_unknown_key(key: str, meant: str) -> None:
    """Exit 1 and the nearest key."""
    result = run("explain", key)
    assert result.exit_code == 1
    assert "did you mean" in result.stderr
    assert meant in result.stderr


def test_schema_to_a_file(tmp_path: Path) -> None:
    """JSON Schema on stdout or in a file; tables with --markdown."""
    assert json.loads(run("schema").stdout)["title"] == "gateway configuration"
    run("schema", "--output", str(tmp_path / "schema.json"))
    assert json.loads((tmp_path / "schema.json").read_text())["title"] == "gateway configuration"
    assert "| `http.port` |" in run("schema", "--markdown").stdout


def test_diff_of_environments() -> None:
    """Key by key with both sides."""
    rows = {row["key"]: row for row in json.loads(run("diff", "development", "production", "--json").stdout)}
    assert (rows["process.drain_s"]["before"], rows["process.drain_s"]["after"]) == (30, 60)
    assert rows["process.drain_s"]["after_set_by"].endswith("production.yaml:8")
    assert "process.drain_s" in run("diff", "development", "production").stdout


def test_diff_from_the_defaults(write: Write) -> None:
    """What is set here, by whom; an entry taken out has no other side."""
    write("config/local.yaml", "limits: {concurrency: 4}\nmodels: {gpt-4o: null}\n")
    rows = {row["key"]: row for row in json.loads(run("diff", "defaults", "--json").stdout)}
    assert rows["limits.concurrency"]["after_set_by"] == "config/local.yaml:1"
    assert rows["models.gpt-4o.owned_by"]["after"] is None
    assert {key.split(".")[0] for key in rows} == {"limits", "models"}


def test_diff_of_directories(write: Write) -> None:
    """Two directories; equal ones have no difference."""
    write("a/local.yaml", "limits: {concurrency: 4}\n")
    write("b/local.yaml", "limits: {concurrency: 5}\n")
    assert [row["key"] for row in json.loads(run("diff", "a", "b", "--json").stdout)] == ["limits.concurrency"]
    assert run("diff", "a", "a").stdout == "no difference\n"
    assert run("diff", "a", "nowhere").exit_code == 1


def test_check_says_that_the_simulator_answers() -> None:
    """Nobody should take its answers for a vendor's."""
    assert "the simulator answers for every model" in run("check").stdout
    assert "simulator answers" not in run("check", OPENAI_API_KEY="x").stdout
