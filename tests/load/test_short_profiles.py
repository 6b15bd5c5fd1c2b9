"""The short profile of each kind of scenario runs as CI runs it: real processes, thresholds a slow machine meets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.stack import ROOT, clean_environ

# The scenarios of a single kind of caller are parts of `mixed`; they are run by hand.
SCENARIOS = ("mixed", "streams", "soak", "faults")


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, without the shell wrapper that prepares the environment."""
    return subprocess.run(
        [sys.executable, "-m", "loadtests.run", *arguments],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_short_profile_meets_its_thresholds(name: str, tmp_path: Path) -> None:
    """Every threshold is met, and HTML and CSV are written."""
    done = loadtest(name, "--results", str(tmp_path))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "MISSED" not in done.stdout
    folder = tmp_path / f"{name}-short"
    assert list(folder.glob("*.html"))
    assert list(folder.glob("*.csv"))


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_full_profile_meets_its_thresholds(name: str, tmp_path: Path) -> None:
    """The figures of docs/load-testing.md can be had again."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.run", name, "--full", "--results", str(tmp_path)],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_a_name_that_is_none_is_refused() -> None:
    """A typo is exit code 2, and says where the names are."""
    done = loadtest("stream")
    assert done.returncode == 2
    assert "--list" in done.stdout


def test_a_missed_threshold_fails_the_command(tmp_path: Path) -> None:
    """Against a gateway that is not there the scenario runs, misses its thresholds and says so by its exit code."""
    done = loadtest("http-json", "--base-url", "http://127.0.0.1:9/v1", "--key", "none", "--results", str(tmp_path))
    assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
    assert "MISSED" in done.stdout
