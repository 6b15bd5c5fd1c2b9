"""The scripts keep their promises: every failure is listed, stale code is found, a missing Python is explained."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_yaml, run_checks
from tests.meta.tree import ROOT


def test_every_check_runs_and_every_failure_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure stops nothing: the later check runs, and both failures are printed with what mends them."""
    python = sys.executable
    checks = [
        run_checks.Check("first", (python, "-c", "print('one'); raise SystemExit(1)"), "mend one"),
        run_checks.Check("second", (python, "-c", "pass"), "-"),
        run_checks.Check("third", ("no-such-program",), "mend three"),
    ]
    monkeypatch.setattr(run_checks, "all_checks", lambda: checks)
    assert run_checks.main([]) == 1
    output = capsys.readouterr().out
    assert "--- first: mend one\none" in output
    assert "--- third: mend three" in output
    assert "2 of 3 checks failed" in output.splitlines()[-1]
    assert run_checks.main(["second"]) == 0
    assert run_checks.main(["fourth"]) == 2


def test_a_key_given_twice_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML's silent "last one wins" is reported with file, line and key."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/a.yaml").write_text("http:\n  port: 1\n  port: 2\n")
    (tmp_path / "config/b.yaml").write_text("http:\n  port: 1\n")
    monkeypatch.setattr(check_yaml, "ROOT", tmp_path)
    (problem,) = check_yaml.syntax_problems()
    assert "config/a.yaml" in problem
    assert "duplicate key 'port'" in problem
    assert "line 3" in problem


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A tree with the generator and a contract of two files that use each other and Google's types."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/generate_code.py", tmp_path / "scripts")
    for folder in ("gateway", "gateway/wire", "gateway/client"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    protos = tmp_path / "proto/gateway/v1"
    protos.mkdir(parents=True)
    head = 'syntax = "proto3";\npackage gateway.v1;\n'
    (protos / "types.proto").write_text(head + "message Block { optional string text = 1; }\n")
    (protos / "chat.proto").write_text(
        head + 'import "gateway/v1/types.proto";\nimport "google/rpc/status.proto";\n'
        "message Chat { repeated Block blocks = 1; google.rpc.Status status = 2; }\n"
        "service Inference { rpc Say(Chat) returns (stream Chat); }\n"
    )
    return tmp_path


def generate(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/generate_code.py", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_generated_code_is_repeatable_and_stale_code_is_named(contract: Path) -> None:
    """A second run changes nothing; an edited, a missing and a left-over file are each named by `--check`."""
    assert generate(contract).returncode == 0
    assert ", 0 changed" in generate(contract).stdout
    assert generate(contract, "--check").returncode == 0
    package = contract / "gateway/wire/pb"
    (package / "chat_pb2.py").write_text("# edited\n")
    (package / "types_pb2.pyi").unlink()
    (package / "old_pb2.py").touch()
    result = generate(contract, "--check")
    assert result.returncode == 1
    assert "out of date: gateway/wire/pb/chat_pb2.py" in result.stdout
    assert "missing: gateway/wire/pb/types_pb2.pyi" in result.stdout
    assert "left over: gateway/wire/pb/old_pb2.py" in result.stdout


def test_generated_packages_import_each_other_inside_the_house(contract: Path) -> None:
    """Both codecs import without a top-level `gateway.v1` or `google` of their own, and agree on the bytes."""
    assert generate(contract).returncode == 0
    assert not (contract / "gateway/wire/pb/types_pb2_grpc.py").exists()
    program = (
        "from gateway.wire.pb import chat_pb2, chat_pb2_grpc, types_pb2\n"
        "from gateway.client.generated.gateway import v1\n"
        "official = chat_pb2.Chat(blocks=[types_pb2.Block(text='a')])\n"
        "assert official.SerializeToString() == bytes(v1.Chat(blocks=[v1.Block(text='a')]))\n"
        "assert chat_pb2.Chat.__module__ == 'gateway.wire.pb.chat_pb2'\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=contract, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_missing_python_is_explained(tmp_path: Path) -> None:
    """Without a supported Python a script stops with one message that names the versions and the way out."""
    for name in ("bash", "dirname", "cat", "cmp"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    program = f"source {ROOT}/scripts/lib.sh; VENV=/nonexistent; find_python"
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    result = subprocess.run(
        [tmp_path / "bash", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 found" in result.stderr
    assert "PYTHON=" in result.stderr
