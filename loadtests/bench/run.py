"""The command `scripts/bench`: starts the targets, measures them round after round, prints and writes the tables.

Rules:
    - Targets take turns within each round (A B C, A B C), so that a slow minute of the machine hits all.
    - Exit code 1 when an answer was wrong; a missed budget is in the verdict and exit code 0, unless --strict.
Not here:
    - The measurements (measure), the tables (report).
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvloop

from loadtests import procfs, stack
from loadtests.bench import others, report
from loadtests.bench.measure import QUICK, ROUND, Size, Target, closed_loop, memory

DOCUMENT = stack.ROOT / "docs/performance.md"
MODEL = "bench"
UNPAID = "unpaid"
PACKAGES = ("aiohttp", "grpcio", "protobuf", "orjson", "uvloop")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__.partition("\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "targets", nargs="*", metavar="NAME=URL,KEY,MODEL,PID",
        help="more gateways that run already: base URL with /v1, key, a model routed to --upstream-port,\n"
        "and the process id whose tree is measured (0: no CPU or memory)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=0, help="default 5, with --quick 2")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: for trying, not for quoting")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    parser.add_argument(
        "--only",
        help="comma-separated: direct,nginx,pacecar,gateway,single,unpaid\n"
        "(unpaid: the gateway with a key of the configuration, which no wallet pays for)",
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when the budget is missed")
    parser.add_argument("--keep-logs", type=Path, metavar="FOLDER", help="where the processes' logs are kept")
    return parser.parse_args(argv)


@contextmanager
def started(wanted: list[str], more: list[str], logs: Path | None) -> Iterator[dict[str, Target]]:
    """The targets, all running, in the order of the table."""
    with ExitStack() as running:
        folder = running.enter_context(stack.place())
        logs = logs or folder
        logs.mkdir(parents=True, exist_ok=True)
        upstream = running.enter_context(stack.canned_upstream(logs / "upstream.log"))
        targets: dict[str, Target] = {}

        def add(name: str, base_url: str, pid: int, key: str = "none", *, is_ours: bool = False) -> None:
            targets[name] = Target(name, base_url, key, MODEL, pid, is_ours)

        if report.DIRECT in wanted:
            add(report.DIRECT, f"{upstream}/v1", 0)
        if "nginx" in wanted and others.has_nginx():
            add("nginx", *running.enter_context(others.nginx(upstream, folder, logs / "nginx.log")))
        if report.PACECAR in wanted:
            add(report.PACECAR, *running.enter_context(others.pacecar(upstream, logs / "pacecar.log")))
        for name, is_single in ((report.OURS, False), ("single", True), (UNPAID, False)):
            if name in wanted:
                log, key = logs / f"{name}.log", stack.KEY
                if name != UNPAID:  # made in a life of its own: what is measured is a gateway with a database
                    with stack.gateway(upstream, folder / name, log) as before:
                        key = stack.paying_key(before)
                made = stack.gateway(upstream, folder / name, log, is_single=is_single)
                ours = running.enter_context(made)
                add(name, ours.base_url, ours.pid, key, is_ours=True)
        for given in more:
            name, _, rest = given.partition("=")
            url, key, model, pid = rest.split(",")[:4]
            targets[name] = Target(name, url, key, model, int(pid))
        yield targets


async def measure(targets: dict[str, Target], rounds: int, size: Size) -> None:
    """Memory first, on fresh processes; then everything else, round after round."""
    for target in targets.values():
        say(f"memory: {target.name}")
        await memory(target, size)
        for is_stream in (False, True):
            await closed_loop(target, target.request(is_stream=is_stream), 128, is_stream=is_stream)
    for number in range(rounds):
        for target in targets.values():
            say(f"round {number + 1} of {rounds}: {target.name}")
            for measurement in ROUND:
                await measurement(target, size)
            target.hang_up(0)  # none is idle for as long as the others' turns take: servers close such ones
    for target in targets.values():
        target.hang_up(0)


def conditions(rounds: int, *, is_quick: bool) -> str:
    """Machine, versions and date, as one paragraph."""
    machine = procfs.machine()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=stack.ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    words = "quick run" if is_quick else "run"
    return (
        f"{words} of {today}, {rounds} rounds, medians; commit {commit or 'unknown'}; {machine['cores']} cores "
        f"({machine['cpu']}), {machine['ram']}, {machine['kernel']}; Python {platform.python_version()}, {versions}."
    )


def sections(targets: dict[str, Target]) -> list[list[list[str]]]:
    """All tables."""
    tables = [report.table(targets)]
    if report.OURS in targets:
        tables.append(report.verdict(targets))
        tables.append(report.by_role(targets[report.OURS]))
    return tables


def as_json(targets: dict[str, Target], said: str) -> str:
    """Figures for a program."""
    found: dict[str, Any] = {"conditions": said, "targets": {}}
    for target in targets.values():
        figures = {name: report.figure(target, name) for name in report.COLUMNS}
        found["targets"][target.name] = {
            "median": figures, "rounds": target.figures, "by_role": target.cpu_us,
            "budget": report.against_budget(targets, target.name),
        }  # fmt: skip
    return json.dumps(found, indent=1)


def say(words: str) -> None:
    """Progress, beside the result."""
    print(words, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    options = arguments(argv)
    stack.allow_many_files()
    wanted = (options.only or "direct,nginx,pacecar,gateway,single").split(",")
    rounds = options.rounds or (2 if options.quick else 5)
    size = QUICK if options.quick else Size()
    with started(wanted, options.targets, options.keep_logs) as targets:
        uvloop.run(measure(targets, rounds, size))
    said = conditions(rounds, is_quick=options.quick)
    if options.json:
        print(as_json(targets, said))
    else:
        print(said, *map(report.text, sections(targets)), sep="\n\n")
    if options.write:
        tables = "\n\n".join(map(report.markdown, sections(targets)))
        report.write_between_markers(DOCUMENT, f"{said[0].upper()}{said[1:]}\n\n{tables}")
    errors = sum(report.figure(target, "errors") or 0 for target in targets.values())
    missed = options.strict and any(row[-1] == "MISSED" for row in report.verdict(targets))
    return 1 if errors or missed else 0


if __name__ == "__main__":
    sys.exit(main())
