"""The command `scripts/instructions`: how many instructions a request costs each process, counted by valgrind.

Rules:
    - Counted are instructions in user mode of everything that the gateway starts, the same within half a percent
      whatever else the machine does; system calls are not in them, and 6,000 are about a microsecond.
    - What the gateway does without requests (looking at files, telling metrics) is counted apart, and taken off:
      under valgrind a request takes fifty times as long, so that it would count for too much.
    - The same gateway, load and upstream as those of the benchmark; `--tree` counts another checkout in its place.
Not here:
    - Time, memory and budgets (run).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvloop

from loadtests import procfs, stack
from loadtests.bench.measure import CHUNKS_PER_BURST, Target, closed_loop

READY_WITHIN_S = 600.0
IDLE_S = 6.0
WARM_UP = 200
LOADS = {"JSON request": (False, 600, 1), "burst chunk": (True, 100, CHUNKS_PER_BURST)}
_TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)

Counts = Mapping[int, float]  # instructions by process id


class Counter:
    """The processes of a gateway under callgrind, whose dumps are in `folder`."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.roles = {one: procfs.role(one) for one in procfs.tree(pid)}
        self._folder = folder

    def begin(self) -> None:
        """Count from now on."""
        self._tell("--instr=on")
        self._tell("--zero")

    def counted(self) -> Counts:
        """Instructions since `begin`."""
        before = set(self._folder.iterdir())
        self._tell("--dump")
        found: dict[int, float] = {}
        for dump in set(self._folder.iterdir()) - before:
            pid, total = int(dump.name.split(".")[1]), _TOTAL.search(dump.read_text())
            found[pid] = found.get(pid, 0.0) + (int(total[1]) if total else 0)
        return found

    def _tell(self, what: str) -> None:
        for pid in self.roles:
            subprocess.run(["callgrind_control", what, str(pid)], capture_output=True, check=False)


@contextmanager
def started(tree: Path) -> Iterator[tuple[Target, Counter]]:
    """The gateway of a checkout under valgrind, with the benchmark's upstream and a key that pays."""
    with ExitStack() as running:
        folder = running.enter_context(stack.place())
        dumps = folder / "dumps"
        dumps.mkdir()
        upstream = running.enter_context(stack.canned_upstream(folder / "upstream.log"))
        log = folder / "gateway.log"
        with stack.gateway(upstream, folder / "gateway", log, root=tree) as before:
            key = stack.paying_key(before)
        valgrind = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes",
            f"--callgrind-out-file={dumps}/dump.%p", f"--log-file={folder}/valgrind.%p",
        ]  # fmt: skip
        ours = running.enter_context(
            stack.gateway(upstream, folder / "gateway", log, root=tree, under=valgrind, ready_within_s=READY_WITHIN_S)
        )
        yield Target("gateway", ours.base_url, key, "bench", ours.pid, is_ours=True), Counter(dumps, ours.pid)


async def measure(target: Target, counter: Counter, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Thousands of instructions by load and role, one figure a round."""
    loop = asyncio.get_running_loop()
    for is_stream in (False, True):
        await closed_loop(target, target.request(is_stream=is_stream), WARM_UP, is_stream=is_stream)
    counter.begin()
    await asyncio.sleep(IDLE_S)
    idle = {pid: count / IDLE_S for pid, count in counter.counted().items()}
    found: dict[str, dict[str, list[float]]] = {}
    for name, (is_stream, count, units) in LOADS.items():
        for _ in range(rounds):
            counter.begin()
            began_s = loop.time()
            _, errors = await closed_loop(target, target.request(is_stream=is_stream), count, is_stream=is_stream)
            if errors:
                raise SystemExit(f"{errors} of {count} answers were wrong")
            took_s = loop.time() - began_s
            for pid, total in counter.counted().items():
                each = (total - idle.get(pid, 0.0) * took_s) / (count * units) / 1000
                found.setdefault(name, {}).setdefault(counter.roles.get(pid, "other"), []).append(each)
    target.hang_up(0)
    return found


def table(found: Mapping[str, Mapping[str, list[float]]]) -> str:
    """The result, a line each: median of the rounds."""
    lines = []
    for name, roles in found.items():
        medians: dict[str, Any] = {role: sorted(each)[len(each) // 2] for role, each in roles.items()}
        shown = ", ".join(f"{role} {count:.1f}" for role, count in sorted(medians.items()) if count >= 0.1)
        lines.append(f"{name}: {sum(medians.values()):.1f} thousand instructions ({shown})")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="scripts/instructions", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2, help="default 2, some 15 seconds each")
    parser.add_argument("--tree", type=Path, default=stack.ROOT, help="a checkout of this project; default: this one")
    options = parser.parse_args(argv)
    if shutil.which("valgrind") is None:
        print("scripts/instructions needs valgrind (Debian: apt-get install valgrind)", file=sys.stderr)
        return 2
    with started(options.tree.resolve()) as (target, counter):
        print(table(uvloop.run(measure(target, counter, options.rounds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
