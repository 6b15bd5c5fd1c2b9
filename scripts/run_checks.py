"""Run every check that needs no running gateway, two at a time, and list all failures.

Rules: every check runs even when an earlier one failed; one line per check with its seconds; the output of a check is
    printed only when it failed; the exit code is 1 when any did.
Not here: the settings of the tools (`pyproject.toml`), tests (`scripts/test`), rules about the tree (`tests/meta`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
UV = os.environ.get("UV", "uv")  # scripts/check says which
WORKERS = 2
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Check:
    """One command: `name` selects it on the command line, `mend` says what to do when it fails."""

    name: str
    command: tuple[str, ...]
    mend: str


@dataclass(frozen=True, slots=True)
class Outcome:
    check: Check
    is_ok: bool
    duration_s: float
    output: str


def all_checks() -> list[Check]:
    """The slowest first, so that two workers finish together."""
    checks = [
        Check("types", (tool("mypy"),), "mend the types; a suppression needs a code and a reason"),
        Check("config", (sys.executable, "scripts/check_yaml.py"), "mend the YAML file named above"),
        Check("generated", (sys.executable, "scripts/generate_code.py", "--check"), "scripts/generate"),
        Check("imports", (tool("lint-imports"), "--no-cache"), "move the code to the room it belongs in (GLOSSARY.md)"),
        Check("format", (tool("ruff"), "format", "--check", "--output-format=concise", "--quiet", "."), "ruff format"),
        Check(
            "lint",
            (tool("ruff"), "check", "--output-format=concise", "--quiet", "."),
            "ruff check --fix, then the rest by hand",
        ),
        Check("lock", (UV, "lock", "--check", "--offline", "--quiet"), "uv lock"),
    ]
    shell = [path for path in sorted([*ROOT.glob("scripts/*"), *ROOT.glob(".ci/*")]) if is_shell(path)]
    checks += [Check(f"shell {name}", ("bash", "-n", name), "bash -n") for name in map(relative, shell)]
    return checks


def tool(name: str) -> str:
    return str(BIN / name)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_shell(path: Path) -> bool:
    return path.is_file() and (path.suffix == ".sh" or path.read_bytes().startswith(b"#!/usr/bin/env bash"))


def run(check: Check) -> Outcome:
    started_s = time.monotonic()
    try:
        result = subprocess.run(
            check.command,
            cwd=ROOT,
            env=os.environ | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        is_ok, output = result.returncode == 0, result.stdout + result.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        is_ok, output = False, f"{error}\n"
    return Outcome(check, is_ok, time.monotonic() - started_s, output)


def report(outcome: Outcome) -> None:
    print(f"{'ok  ' if outcome.is_ok else 'FAIL'} {outcome.check.name:<24} {outcome.duration_s:6.1f} s", flush=True)


def main(wanted: list[str]) -> int:
    checks = [check for check in all_checks() if not wanted or check.name.split()[0] in wanted]
    unknown = set(wanted) - {check.name.split()[0] for check in checks}
    if unknown:
        names = sorted({check.name.split()[0] for check in all_checks()})
        print(f"unknown check: {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
        return 2
    started_s = time.monotonic()
    failures: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for future in as_completed([pool.submit(run, check) for check in checks]):
            report(future.result())
            if not future.result().is_ok:
                failures.append(future.result())
    for outcome in failures:
        print(f"\n--- {outcome.check.name}: {outcome.check.mend}\n{outcome.output.rstrip()}")
    failed = ", ".join(outcome.check.name for outcome in failures)
    verdict = (
        f"{len(failures)} of {len(checks)} checks failed: {failed}" if failures else f"{len(checks)} checks passed"
    )
    print(f"{verdict} in {time.monotonic() - started_s:.1f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
