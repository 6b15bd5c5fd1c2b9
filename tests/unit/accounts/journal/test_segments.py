"""The journal's files: what was written survives the process, cut lines and full disks lose nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.journal import segments, slots
from gateway.accounts.journal.record import LOST, Running, Used, running_of, used_of
from gateway.accounts.journal.segments import Journal, lines_of, orphans_of, segments_of
from gateway.accounts.journal.slots import SLOT_BYTES, Slots, left_in

USED = Used("call-1", 1_700_000_000_000, "u1", "k1", "sim", "simulator", "complete", 10, 20, 0, 123)
RUNNING = Running("call-2", 1_700_000_000_000, "u1", "k1", "sim", "simulator", 10, 5, "2.5")


names, counts = st.text(max_size=20), st.integers(0, 2**50)
records = st.builds(
    Used,
    names,
    counts,
    *[names] * 5,
    *[counts] * 3,
    st.none() | st.integers(-(2**60), 2**60),
    counts,
    st.booleans(),
    st.booleans(),
    names,
    st.booleans(),
)


@given(records)
def test_a_record_comes_back_as_it_was(used: Used) -> None:
    """Any names, also with quotes, line ends and lone surrogates; it is one line."""
    line = used.line()
    assert (used_of(line), line.count(b"\n")) == (used, 1)


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{", b"[]", b"null", b'{"id":"a"}', USED.line()[:-10], b"\xff\xfe", b"1"]
)
def test_what_is_no_whole_record_is_none(line: bytes) -> None:
    """A crash may cut anywhere."""
    assert used_of(line) is None
    assert running_of(line) is None


def test_a_newer_member_is_no_reason_to_lose_a_record() -> None:
    """Neighbouring versions read each other's journals."""
    assert used_of(USED.line().replace(b"{", b'{"later":1,', 1)) == USED


async def test_lines_are_on_disk_in_the_turn_they_were_made(tmp_path: Path) -> None:
    """One write for many, and nobody has to ask for it."""
    journal = Journal(tmp_path, "a")
    for number in range(100):
        journal.ended(replace(USED, id=str(number)))
    (segment,) = segments_of(journal.folder)
    assert segment.read_bytes() == b""
    await asyncio.sleep(0)
    assert [used.id for used in lines_of(segment)] == [str(number) for number in range(100)]
    journal.close()


def test_a_turn_closes_only_a_segment_with_lines(tmp_path: Path) -> None:
    """An idle gateway makes no files; closed segments come oldest first."""
    journal = Journal(tmp_path, "a")
    assert journal.turn() == []
    journal.ended(USED)
    first = journal.turn()
    journal.ended(replace(USED, id="later"))
    assert [path.name for path in journal.turn()] == ["00000001.jsonl", "00000002.jsonl"]
    assert [used.id for path in journal.turn() for used in lines_of(path)] == ["call-1", "later"]
    assert len(first) == 1
    journal.close()


def test_a_disk_that_refuses_keeps_lines_for_later(tmp_path: Path) -> None:
    """Said once; written when the disk takes them again; the meter's slot stays until then."""
    said: list[OSError] = []
    journal = Journal(tmp_path, "a", said.append)
    good, journal._fd = journal._fd, os.open("/dev/full", os.O_WRONLY)  # the one device that is always full
    meter = journal.began(RUNNING)
    journal.ended(USED, meter)
    journal.ended(replace(USED, id="second"))
    assert len(said) == 1
    assert [running.id for running, _ in left_in(journal.folder / "running")] == ["call-2"]
    journal._fd = good
    journal.write()
    assert [used.id for path in segments_of(journal.folder) for used in lines_of(path)] == ["call-1", "second"]
    assert list(left_in(journal.folder / "running")) == []
    journal.close()


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound lines are dropped and counted."""
    monkeypatch.setattr(segments, "WAITING_MAX_BYTES", 3 * len(USED.line()))
    journal = Journal(tmp_path, "a")
    journal._fd = os.open("/dev/full", os.O_WRONLY)
    for _ in range(5):
        journal.ended(USED)
    assert journal.dropped_bytes == 2 * len(USED.line())
    journal.close()


def test_slots_are_used_again_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream beyond the last slot runs without; one that ended makes room; a name too long has none."""
    monkeypatch.setattr(slots, "SLOTS_MAX", 2)
    made = Slots(tmp_path / "running")
    first, second = made.take(RUNNING), made.take(replace(RUNNING, id="b"))
    assert first is not None
    assert second is not None
    assert made.take(RUNNING) is None
    first(77)
    second(5)
    assert [(running.id, chars) for running, chars in left_in(tmp_path / "running")] == [("call-2", 77), ("b", 5)]
    made.give_back(first)
    again = made.take(replace(RUNNING, id="c"))
    assert again is not None
    assert [(running.id, chars) for running, chars in left_in(tmp_path / "running")] == [("c", 0), ("b", 5)]
    made.give_back(again)
    assert made.take(replace(RUNNING, model="m" * SLOT_BYTES)) is None
    made.close()


def test_a_lost_stream_costs_what_was_delivered() -> None:
    """Four characters a token, the prompt as it was reserved, half a micro-dollar rounds up."""
    lost = RUNNING.lost(9)
    assert (lost.outcome, lost.prompt_tokens, lost.completion_tokens, lost.cost_usd_micros) == (LOST, 10, 3, 5 + 8)
    assert lost.is_estimate
    assert replace(RUNNING, prompt_usd_micros=None).lost(9).cost_usd_micros is None


DIES = """
import os, signal, sys
from pathlib import Path
from tests.unit.accounts.journal.test_segments import RUNNING, USED, Journal, replace
journal = Journal(Path(sys.argv[1]), "dies")
meters = [journal.began(replace(RUNNING, id=f"stream-{n}")) for n in range(3)]
for n, meter in enumerate(meters):
    for chars in range(0, 1000 * (n + 1) + 1, 100):
        meter(chars)
journal.ended(replace(USED, id="stream-0"), meters[0])
journal.ended(USED)
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_everything_it_settled_and_delivered(tmp_path: Path) -> None:
    """Settled calls as they were, running streams with what they delivered; the folder goes when it is done."""
    dead = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], stdout=subprocess.PIPE, check=False, timeout=60)
    assert (dead.returncode, dead.stdout) == (-signal.SIGKILL, b"ready\n")
    with (tmp_path / "dies" / "00000001.jsonl").open("ab") as file:
        file.write(USED.line()[:-7])  # the kill came within a write
    (orphan,) = orphans_of(tmp_path)
    found = {used.id: (used.outcome, used.completion_tokens) for used in orphan.records()}
    assert found == {
        "stream-0": ("complete", 20), "call-1": ("complete", 20), "stream-1": (LOST, 500), "stream-2": (LOST, 750)
    }  # fmt: skip
    assert list(orphans_of(tmp_path)) == []  # it is held
    orphan.close(is_done=False)
    (again,) = orphans_of(tmp_path)
    again.close(is_done=True)
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_folder(tmp_path: Path) -> None:
    """Nobody takes over what somebody holds."""
    journal = Journal(tmp_path, "lives")
    assert list(orphans_of(tmp_path)) == []
    journal.close()
    (orphan,) = orphans_of(tmp_path)
    orphan.close(is_done=True)
