"""The rows of Node: one process per SDK runs them all and prints a line for each.

Rules: the rows are those of the same table as Python's; a row that was not printed failed, with what the process said.
Not here: the operations (tests/js/matrix).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.support.matrix.cells import PNG
from tests.support.matrix.upstreams import UPSTREAMS
from tests.support.place import clean_environ

JS = ROOT / "tests" / "js"
PACKAGES = {"openai": "openai", "anthropic": "@anthropic-ai/sdk", "google": "@google/genai"}
RUN_S = 90.0
EVERYTHING = "everything"


async def run_node(sdk: str, url: str, key: str, simulator_url: str) -> dict[str, str | None]:
    """What Node said of each row: its id to None, or to its failure; `everything` is all it said."""
    assert (JS / "node_modules" / PACKAGES[sdk]).is_dir(), "run `npm --prefix tests/js ci`, as scripts/test does"
    upstreams: list[dict[str, Any]] = [
        {
            "name": upstream.name,
            "path": upstream.path,
            "refuses": dict(upstream.refuses),
            "isCounted": upstream.is_counted,
        }
        for upstream in UPSTREAMS
    ]
    matrix = {"base_url": url, "key": key, "simulator": simulator_url, "png": PNG, "upstreams": upstreams}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "node",
        f"matrix/{sdk}.mjs",
        cwd=JS,
        env={**clean_environ(), "PATH": path, "MATRIX": json.dumps(matrix)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), RUN_S)
    finally:
        if process.returncode is None:
            process.kill()
    found: dict[str, str | None] = {EVERYTHING: output.decode()}
    for line in output.decode().splitlines():
        if line.startswith('{"row":'):
            told = json.loads(line)
            found[told["row"]] = told["failure"]
    return found
