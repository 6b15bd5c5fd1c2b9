"""The unmodified official OpenAI SDK for Node through the served gateway: each test of tests/js is a test here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import NARROW_KEY, NODE_LIMITED_KEY
from tests.support.place import clean_environ
from tests.support.served import Served

JS = Path(__file__).parents[1] / "js"
SCRIPT = JS / "openai.test.mjs"
RUN_S = 90


@pytest.fixture(scope="module")
def results(gateway: Served) -> dict[str, str]:
    """What Node said of each test: its name to `ok`, or to the lines of its failure."""
    assert (JS / "node_modules" / "openai").is_dir(), "run `npm --prefix tests/js ci`, as scripts/test does"
    environ = {
        **clean_environ(),
        **gateway.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SIMULATOR_URL": gateway.simulator.url,
        "LIMITED_KEY": NODE_LIMITED_KEY,
        "NARROW_KEY": NARROW_KEY,
    }
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", f"--test-timeout={RUN_S * 500}", str(SCRIPT)],
        cwd=JS,
        env=environ,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    return read_tap(done.stdout + done.stderr)


def read_tap(text: str) -> dict[str, str]:
    """The tests of a TAP report; `everything` holds the report itself."""
    found = {"everything": text}
    name = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"\s*(ok|not ok) \d+ - (.*?)(?: # .*)?", line):
            name = match[2]
            found[name] = match[1]
        elif name and found[name] != "ok":
            found[name] += "\n" + line
    return found


def names() -> list[str]:
    """Every test the script declares, those made in its loop included."""
    text = SCRIPT.read_text()
    plain = re.findall(r'^test\("([^"]+)"', text, re.MULTILINE)
    refusals = re.findall(r'^  "([^"]+)": \[', text, re.MULTILINE)
    return plain + [f"error {name}{end}" for name in refusals for end in ("", " of a stream")]


@pytest.mark.parametrize("name", names())
def test_node(results: dict[str, str], name: str) -> None:
    """Node ran this test and found nothing wrong."""
    assert results.get(name, "was not run:\n" + results["everything"]) == "ok"


def test_nothing_else_failed(results: dict[str, str]) -> None:
    """Node ran exactly the tests that are listed here, so that none fails unseen."""
    assert set(results) - {"everything", "openai.test.mjs", str(SCRIPT)} == set(names())
