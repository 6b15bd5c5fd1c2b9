"""What the README shows works as pasted: its commands and programs are run against the served gateway.

Rules: a fenced block is run when `<!-- test: ID -->` stands on the line above it; in README.md every block in a
    language of `RUN` must be marked so, or `<!-- not run: REASON -->`. In docs/ only marked blocks are run here.
    The two default addresses in a block stand for those of the gateway under test; nothing else is changed.
Not here: docs/grpc.md, whose blocks all run (test_client_docs).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.place import clean_environ
from tests.support.served import Served

JS = ROOT / "tests" / "js"
RUN = {"bash", "sh", "python", "js"}
SHOWN = {"text", "yaml", "json", "console", "proto"}
RUN_S = 60
MARK = re.compile(r"<!-- test: ([a-z0-9-]+) -->")
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, what stands on the line above it, its language and text."""

    page: str
    line: int
    above: str
    language: str
    text: str

    @property
    def test_id(self) -> str | None:
        """The id it is run under; None when it is not marked."""
        match = MARK.fullmatch(self.above)
        return match[1] if match else None

    @property
    def where(self) -> str:
        """For a person to find it."""
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Every fenced block of a Markdown page."""
    lines = text.splitlines()
    start: int | None = None
    for at, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = at
        else:
            above = lines[start - 1].strip() if start else ""
            yield Block(page, start + 1, above, lines[start][3:].strip(), "\n".join(lines[start + 1 : at]) + "\n")
            start = None
    assert start is None, f"{page}:{(start or 0) + 1}: the block has no end"


def pages() -> list[Path]:
    """README.md and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


BLOCKS = [block for page in pages() for block in blocks_of(page.relative_to(ROOT).as_posix(), page.read_text())]
MARKED = [block for block in BLOCKS if block.test_id]


def test_every_block_of_the_readme_is_run_or_says_why_not() -> None:
    """No program in the README goes untested, and the README has curl, Python, Node and gRPC examples that run."""
    readme = [block for block in BLOCKS if block.page == "README.md"]
    unknown = [block.where for block in readme if block.language not in RUN | SHOWN]
    assert not unknown, "name the language of these blocks"
    untested = [b.where for b in readme if b.language in RUN and not b.test_id and not NOT_RUN.fullmatch(b.above)]
    assert not untested, "mark these blocks `<!-- test: ID -->` or `<!-- not run: REASON -->`"
    run = [block for block in readme if block.test_id]
    assert {block.language for block in run} >= {"bash", "python", "js"}
    assert any("gateway.client" in block.text for block in run)


def test_marks_are_unique_and_on_blocks() -> None:
    """Each mark stands directly above a block of a language that can be run, and no id is used twice."""
    assert [block.where for block in MARKED if block.language not in RUN] == []
    ids = [block.test_id for block in MARKED]
    assert len(ids) == len(set(ids))
    assert len(ids) == sum(len(re.findall(r"<!-- test:", page.read_text())) for page in pages())


@pytest.mark.parametrize("block", MARKED, ids=lambda block: block.test_id)
def test_block_works_as_pasted(gateway: Served, tmp_path: Path, block: Block) -> None:
    """It ends well, says something, and what it says is no error."""
    done = run(gateway, tmp_path, block)
    told = f"{block.where}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    assert done.stdout.strip(), told
    assert '"error":{' not in done.stdout.replace(" ", ""), told
    assert "Traceback" not in done.stderr, told
    if "Say hello." in block.text:
        assert "Say" in done.stdout, told


def run(gateway: Served, tmp_path: Path, block: Block) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would, in an empty directory (Node: where its packages are)."""
    text = block.text.replace("127.0.0.1:8080", gateway.url.removeprefix("http://"))
    text = text.replace("127.0.0.1:50051", gateway.grpc_address)
    command = {
        "python": [sys.executable, "-"],
        "js": ["node", "--input-type=module", "-"],
    }.get(block.language, ["bash", "-euo", "pipefail", "-s"])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        input=text,
        cwd=JS if block.language == "js" else tmp_path,
        env={**clean_environ(), **gateway.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )


def test_reading_blocks() -> None:
    """The reader itself: languages, marks, and a mark that is not directly above."""
    page = "<!-- test: a -->\n```python\nx\n```\n\n<!-- test: b -->\n\n```sh\ny\n```\n```\nz\n```\n"
    found = list(blocks_of("p", page))
    assert [(b.test_id, b.language, b.text, b.line) for b in found] == [
        ("a", "python", "x\n", 2),
        (None, "sh", "y\n", 8),
        (None, "", "z\n", 11),
    ]
