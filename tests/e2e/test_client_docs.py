"""Every Python example of docs/grpc.md runs as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.served import Served
from tests.unit.client.scripted import REPLY_TEXT, Scripted

PAGE = Path(__file__).parents[2] / "docs" / "grpc.md"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = _PYTHON.findall(PAGE.read_text("utf-8"))

# What each example prints against the scripted server, in the order of the page.
PRINTED = [
    [REPLY_TEXT, "total_tokens=7"],
    ["['plain', 'thinking']", "ONCE UPON A TIME", "2 vectors of 2 numbers", REPLY_TEXT],
    [REPLY_TEXT],
    [REPLY_TEXT],
    ["not found: no model no-such-model"],
    ["Hello"],
    ["order-4711 scripted total;dur=1"],
    [REPLY_TEXT, "StatusCode.NOT_FOUND no model no-such-model", "reason: MODEL_NOT_FOUND"],
    ["'gateway.v1.Inference'", '"text": "Hello **there**"'],
    ["SERVING"],
    ["development key admin"],
]


def test_no_example_is_left_out() -> None:
    """An example added to the page is added to this test."""
    assert len(EXAMPLES) == len(PRINTED)


async def run(example: str, address: str, key: str) -> str:
    """What the example prints; it must exit well and say nothing on stderr, warnings included."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"GATEWAY_GRPC_ADDRESS": address, "GATEWAY_API_KEY": key},
    )
    out, err = await asyncio.wait_for(process.communicate(example.encode()), 60)
    assert err.decode() == ""
    assert process.returncode == 0
    return out.decode()


@pytest.mark.parametrize("number", range(len(PRINTED)))
async def test_example(server: tuple[Scripted, str], number: int) -> None:
    """The example prints what the server said, and sends its key with every call."""
    printed = await run(EXAMPLES[number], server[1], "gw-docs.key")
    for line in PRINTED[number]:
        assert line in printed
    assert all(metadata["authorization"] == "Bearer gw-docs.key" for _, _, metadata in server[0].calls)


@pytest.mark.parametrize("number", range(len(PRINTED)))
async def test_example_on_the_gateway(gateway: Served, number: int) -> None:
    """The same example works on a served gateway as it stands."""
    assert await run(EXAMPLES[number], gateway.grpc_address, gateway.key)
