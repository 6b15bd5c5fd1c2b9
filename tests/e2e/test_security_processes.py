"""What the processes of a running gateway may do and leave behind, seen from outside."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from tests.support.served import Served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_S21_no_process_writes_a_core(gateway: Served) -> None:
    """The limit on core files of supervisor, service, frontends and simulator is zero: keys stay in memory."""
    pids = gateway.pids()
    assert {"supervisor", "service"} <= pids.keys()
    for name, pid in pids.items():
        limits = Path(f"/proc/{pid}/limits").read_text()
        [line] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert line.split()[4] == "0", name


def test_S21_what_holds_secrets_is_the_owners(gateway: Served) -> None:
    """Nobody else may read or write anything in the state directory, and no command line shows a key."""
    state = Path(gateway.env["GATEWAY_STATE_DIR"])
    for path in (state, *state.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path.name
    for pid in gateway.pids().values():
        assert gateway.key not in Path(f"/proc/{pid}/cmdline").read_text()
