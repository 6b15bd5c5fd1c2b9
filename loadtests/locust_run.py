"""Running one Locust scenario headless, and judging its figures.

Rules:
    - Locust runs as a process of its own; its exit code is not ours: thresholds decide, all of them shown.
    - HTML and CSV stay in the results folder.
Not here:
    - The users (locustfile), the scenarios' format (scenario).
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from loadtests import stack
from loadtests.checks import Check, at_least, at_most
from loadtests.scenario import Profile, Scenario

PERCENTILES = {"p50": "50%", "p95": "95%", "p99": "99%"}
GRACE_S = 60


@dataclass(frozen=True, slots=True)
class Stats:
    """One line of Locust's statistics; times in milliseconds."""

    requests: int
    failures: int
    rps: float
    percentiles_ms: dict[str, float]


def run(scenario: Scenario, profile: Profile, gateway: stack.Gateway, folder: Path) -> list[Check]:
    """Run it and return every threshold. Raises RuntimeError when Locust itself failed."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = {
        "mix": scenario.mix,
        "models": scenario.models,
        "think_s": scenario.think_s,
        "key": gateway.key,
        "grpc": gateway.grpc,
    }
    command = [
        *(sys.executable, "-m", "locust", "-f", str(stack.ROOT / "loadtests/locustfile.py"), "--headless"),
        *("--host", gateway.origin, "--users", str(profile.users), "--spawn-rate", str(profile.spawn_rate)),
        *("--run-time", f"{profile.duration_s:g}s", "--stop-timeout", "30", "--only-summary"),
        *("--exit-code-on-error", "0"),
        *("--csv", str(folder / "locust"), "--html", str(folder / "locust.html")),
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=stack.ROOT,
        env={**stack.clean_environ(), "LOADTEST": json.dumps(plan), "PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        timeout=profile.duration_s + GRACE_S,
        check=False,
    )
    (folder / "locust.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    statistics = folder / "locust_stats.csv"
    if done.returncode or not statistics.exists():
        raise RuntimeError(f"locust failed (exit {done.returncode}):\n{done.stderr[-3000:]}")
    return judge(profile, read(statistics))


def read(path: Path) -> dict[tuple[str, str], Stats]:
    """Statistics by kind (`request` or `TTFT`) and user name."""
    found = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["Name"] == "Aggregated":
                continue
            times = {name: _number(row[column]) for name, column in PERCENTILES.items()}
            kind = "TTFT" if row["Type"] == "TTFT" else "request"
            found[kind, row["Name"]] = Stats(
                int(row["Request Count"]), int(row["Failure Count"]), _number(row["Requests/s"]), times
            )
    return found


def judge(profile: Profile, stats: dict[tuple[str, str], Stats]) -> list[Check]:
    """Every threshold of the profile; a user that never ran misses all of its own."""
    checks: list[Check] = []
    requests = {name: one for (kind, name), one in stats.items() if kind == "request"}
    for user, limits in profile.thresholds.items():
        chosen = list(requests.values()) if user == "all" else [one for name, one in requests.items() if name == user]
        first = [one for (kind, name), one in stats.items() if kind == "TTFT" and user in ("all", name)]
        for limit, value in limits.items():
            checks.append(_check(f"{user} {limit}", limit, value, first if limit.startswith("ttft") else chosen))
    return checks


def _check(what: str, limit: str, value: float, stats: list[Stats]) -> Check:
    count = sum(one.requests for one in stats)
    if not count:
        return Check(what, 0.0, "any request", is_met=False)
    if limit == "failure_ratio":
        return at_most(what, sum(one.failures for one in stats) / count, value)
    if limit == "requests_min":
        return at_least(what, count, value)
    if limit == "rps_min":
        return at_least(what, sum(one.rps for one in stats), value)
    percentile = limit.removeprefix("ttft_").removesuffix("_ms")
    return at_most(what, max(one.percentiles_ms[percentile] for one in stats), value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
