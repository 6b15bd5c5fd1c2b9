"""Every Python example of docs/grpc.md runs as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.client.scripted import REPLY_TEXT, Scripted, serving

PAGE = Path(__file__).parents[2] / "docs" / "grpc.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = _PYTHON.findall(PAGE.read_text("utf-8"))

# What each example prints against the scripted server, in the order of the page.
PRINTED = [
    [REPLY_TEXT, "total_tokens=7"],
    ["['plain', 'thinking']", "ONCE UPON A TIME", "2 vectors of 2 numbers", REPLY_TEXT],
    [REPLY_TEXT],
    ["not found: no model no-such-model"],
    ["Hello"],
    ["order-4711 scripted total;dur=1"],
    [REPLY_TEXT, "StatusCode.NOT_FOUND no model no-such-model", "reason: MODEL_NOT_FOUND"],
    ["'gateway.v1.Inference'", '"text": "Hello **there**"'],
    ["SERVING"],
]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[tuple[Scripted, str]]:
    async with serving() as running:
        yield running


def test_no_example_is_left_out() -> None:
    """An example added to the page is added to this test."""
    assert len(EXAMPLES) == len(PRINTED)


@pytest.mark.parametrize("number", range(len(PRINTED)))
async def test_example(server: tuple[Scripted, str], number: int) -> None:
    """The example exits well and prints what it promises."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"GATEWAY_GRPC_ADDRESS": server[1], "GATEWAY_API_KEY": "gw-docs.key"},
    )
    out, err = await asyncio.wait_for(process.communicate(EXAMPLES[number].encode()), 60)
    assert (process.returncode, err.decode()) == (0, "")
    for line in PRINTED[number]:
        assert line in out.decode()
    assert all(metadata["authorization"] == "Bearer gw-docs.key" for _, _, metadata in server[0].calls)
