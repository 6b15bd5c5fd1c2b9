"""What gRPC is told in the gateway's own processes, and that it understands it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gateway.app import grpc_tuning

_SERVE = """
import asyncio
from gateway.app import grpc_tuning
grpc_tuning.prepare()
import grpc.aio

async def main():
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await server.stop(0)

asyncio.run(main())
"""


def test_what_the_operator_says_of_grpc_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an empty text, which gives gRPC its own defaults."""
    monkeypatch.setenv("GRPC_EXPERIMENTS", "")
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    assert grpc_tuning.variables() == {"GRPC_EXPERIMENTS": "", "GRPC_VERBOSITY": "ERROR"}


def test_this_grpc_knows_every_experiment() -> None:
    """It says so when it does not: an upgrade that drops one has to drop it here, and be measured again."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", _SERVE], env=own, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
