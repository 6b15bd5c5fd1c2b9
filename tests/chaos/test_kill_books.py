"""`kill -9` of the service in the middle of streams: what was served is in the books, once, after the restart.

Rules:
    - Settled calls are there to the token. Streams that ran are there with what was delivered: the journal had it when
      the process died, so the only room is for chunks that were on the wire at that moment.
Not here: how calls end for their callers (test_kill); the files (tests/unit/accounts/journal).
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.chaos.callers import callers
from tests.support.served import Served, served
from tests.support.simulated import unique
from tests.support.waiting import PATIENCE_S, eventually

WORDS = " ".join(["word"] * 400)  # "You said: word word ...": chunks of 3, 6, then 5 characters each
PACE_MS = 300  # slow enough that nothing waits unread on a busy machine
LAYER = {
    "process": {"drain_s": 2},
    "observe": {"log_format": "json", "log_level": "info"},
    "policies": {"retry": {"attempts_max": 1}},
}


@pytest.fixture
def gateway() -> Iterator[Served]:
    """A gateway whose service this file kills."""
    with served(LAYER) as running:
        yield running


def rows(gateway: Served, sql: str) -> list[Any]:
    """What the database has now."""
    path = gateway.root / "state" / "gateway.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE_S)) as database:
        try:
            return database.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not migrated yet
            return []


@pytest.mark.parametrize("streams", [pytest.param(500, marks=pytest.mark.full), 60])
async def test_usage_is_what_was_served(gateway: Served, streams: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls that ended before the kill, streams that it cut, calls after the restart: all of them, none twice."""
    whole, cut = unique("sim-chunks-5"), unique(f"sim-chunks-400-pace-{PACE_MS}")
    async with callers(gateway) as made:
        before = await asyncio.gather(*(made.ask("sse", whole, "one two three four") for _ in range(20)))
        assert all(ending.is_complete for ending in before)
        ways = ["sse", "stream"] * (streams // 2)
        calls = [asyncio.create_task(made.ask(way, cut, WORDS)) for way in ways]
        await gateway.simulator.until(cut, streams_open=streams, within_s=60)
        await asyncio.sleep(2)
        gateway.signal(signal.SIGKILL, "service")
        endings = await asyncio.wait_for(asyncio.gather(*calls), 60)
        assert all(ending.state == "error" for ending in endings)
        counts = await gateway.simulator.until(cut, streams_open=0)
        await eventually(gateway.is_ready, "the restart")
        after = await asyncio.gather(*(made.ask("sse", whole, "one two three four") for _ in range(20)))
        assert all(ending.is_complete for ending in after)

    def found() -> int:
        return sum(count for (count,) in rows(gateway, "SELECT count(*) FROM usage_records"))

    await eventually(lambda: found() == 40 + streams, "every call in the database")
    by_outcome = dict(rows(gateway, "SELECT outcome, count(*) FROM usage_records GROUP BY outcome"))
    assert by_outcome == {"complete": 40, "lost": streams}
    settled = rows(gateway, "SELECT sum(completion_tokens) FROM usage_records WHERE outcome = 'complete'")[0][0]
    assert settled == (await gateway.simulator.counts(whole)).chunks == 40 * 5
    tokens = rows(gateway, "SELECT sum(completion_tokens) FROM usage_records WHERE outcome = 'lost'")[0][0]
    served_chars = 5 * counts.chunks - streams
    delivered_chars = sum(len("".join(ending.texts)) for ending in endings)
    with capsys.disabled():
        print(
            f"\n  {streams} streams killed: {served_chars} characters served by the upstream,"
            f" 4 x {tokens} tokens booked, {delivered_chars} seen by callers; settled calls lost: 0"
        )
    on_the_wire = 2 * 5 * streams  # a chunk written as the process died, and one it had not read
    assert 4 * tokens - 3 * streams <= served_chars <= 4 * tokens + on_the_wire
    assert delivered_chars <= 4 * tokens
    assert not [path for path in (gateway.root / "state" / "journal").iterdir() if not (path / "lock").exists()]
