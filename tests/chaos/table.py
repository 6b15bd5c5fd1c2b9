"""`scripts/faults`: the sixteen faults over four ways, as a table.

Rules:
    - `--full` runs at real timings (minutes); without it every clock is a twentieth.
    - Exit status 1 when a cell is worse than it must be.
Not here: the engine (failover).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable

from gateway.simulator.behaviour import FAILOVER_BENCH
from tests.chaos.callers import WAYS
from tests.chaos.failover import FAULTS, MODES, REAL, SHORT, Cell, Timing, bench, expected_verdict

TITLES = {"json": "HTTP JSON", "sse": "SSE", "unary": "gRPC unary", "stream": "gRPC stream"}


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description="Sixteen provider faults over four ways.")
    parser.add_argument("--full", action="store_true", help="at real timings")
    parser.add_argument("--repeats", type=int, default=20, help="calls for each cell")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; may be repeated")
    asked = parser.parse_args()
    return asyncio.run(_run(REAL if asked.full else SHORT, asked.repeats, asked.fault or FAULTS))


async def _run(timing: Timing, repeats: int, faults: Iterable[str]) -> int:
    failed = 0
    async with bench(timing) as made:
        for mode, means in MODES.items():
            _say(f"\nrescue: [{', '.join(means)}]\n")
            _say(f"| fault | what | {' | '.join(TITLES.values())} | attempts per call | of the primary | slowest |")
            _say("|---|---|---|---|---|---|---|---|---|")
            for fault in faults:
                began_s = time.monotonic()
                cells = await made.run(fault, mode, repeats)
                _say(_line(fault, mode, cells))
                for way, cell in cells.items():
                    if cell.verdict != expected_verdict(fault, mode, way):
                        failed += 1
                        sys.stderr.write(f"{way} {fault}: {cell.verdicts} {cell.notes}\n")
                sys.stderr.write(f"{fault}: {time.monotonic() - began_s:.1f} s\n")
    _say(f"\n{failed} cells are worse than they must be." if failed else "\nEvery cell is as it must be.")
    return 1 if failed else 0


def _line(fault: str, mode: str, cells: dict[str, Cell]) -> str:
    shown = []
    for way in WAYS:
        cell = cells[way]
        mark = "" if cell.verdict == expected_verdict(fault, mode, way) else " (!)"
        shown.append(f"{cell.verdict} {cell.verdicts[cell.verdict]}/{cell.calls}{mark}")
    calls = sum(cell.calls for cell in cells.values())
    attempts = sum(cell.attempts for cell in cells.values()) / calls
    primary = sum(cell.primary_attempts for cell in cells.values()) / calls
    slowest_s = max(cell.slowest_s for cell in cells.values())
    what = FAILOVER_BENCH[fault][1]
    return f"| {fault.upper()} | {what} | {' | '.join(shown)} | {attempts:.2f} | {primary:.2f} | {slowest_s:.1f} s |"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
