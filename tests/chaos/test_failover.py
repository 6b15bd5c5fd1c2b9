"""All sixteen faults of FailoverBench over JSON, SSE, gRPC unary and gRPC stream: every cell, and its accounting.

Rules: clocks are scaled down (failover.SHORT); `scripts/faults --full` is the same at real timings, with more repeats.
Not here: faults beyond the sixteen (test_faults).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.chaos.failover import FAULTS, MODES, OUTAGE_CALLS, SHORT, Bench, bench, expected_verdict

REPEATS = 5


@pytest.fixture(scope="module")
async def made() -> AsyncIterator[Bench]:
    """One gateway for all cells."""
    async with bench(SHORT) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mode", MODES)
async def test_every_cell(made: Bench, mode: str, fault: str) -> None:
    """With a rescue the whole answer comes, once; without, what broke after its first content is a clean failure."""
    cells = await made.run(fault, mode, REPEATS)
    for way, cell in cells.items():
        assert cell.verdict == expected_verdict(fault, mode, way), (way, cell.verdicts, cell.notes)
        assert cell.calls == (OUTAGE_CALLS if fault == "s15" else REPEATS)
        if fault == "s15":
            assert cell.primary_attempts <= OUTAGE_CALLS * 1.2, "an outage is not made worse"
