"""Figures as tables: medians, ratios to the pace car, the verdict against the budget; text, JSON and Markdown.

Rules:
    - Pure: figures in, text out. The budget stands here once.
    - A ratio compares with the pace car of the same run, that of translation with the target's own chunks; added
      latency with the upstream asked directly.
Not here:
    - Measuring (measure); which targets (run).
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.measure import Target

BEGIN, END = "<!-- bench: written by scripts/bench -->", "<!-- end of bench -->"
DIRECT, PACECAR, OURS = "direct", "pacecar", "gateway"
COLUMNS = {
    "json_us": "CPU µs / JSON request",
    "burst_us": "CPU µs / burst chunk",
    "translated_us": "CPU µs / burst chunk, translated",
    "paced_us": "CPU µs / paced chunk",
    "stream_kb": "KB / open stream",
    "idle_mb": "idle MB (PSS)",
    "idle_rss_mb": "idle MB (RSS)",
    "loaded_mb": "loaded MB (PSS)",
    "json_rps": "JSON requests / s",
    "burst_cps": "burst chunks / s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "ttft_ms": "TTFT p50 ms",
    "errors": "errors",
}
DIGITS = {"json_us": 0, "json_rps": 0, "burst_cps": 0, "errors": 0, "p50_ms": 2, "p99_ms": 2}


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of the budget."""

    words: str
    most: float
    unit: str


BUDGET = {
    "json_ratio": Limit("CPU per JSON request, ratio to the pace car", 2.7, "x"),
    "burst_ratio": Limit("CPU per burst chunk, ratio to the pace car", 4.4, "x"),
    "paced_ratio": Limit("CPU per paced chunk, ratio to the pace car", 3.7, "x"),
    "translated_ratio": Limit("CPU per burst chunk of an Anthropic provider, ratio to an OpenAI one", 1.5, "x"),
    "stream_kb": Limit("memory per open stream", 40, "KB"),
    "idle_mb": Limit("frontend + service, idle (PSS)", 120, "MB"),
    "added_p50_ms": Limit("added p50, 16 callers", 1.5, "ms"),
    "added_p99_ms": Limit("added p99, 16 callers", 4.0, "ms"),
}


def figure(target: Target, name: str) -> float | None:
    """The median over the rounds; errors add up."""
    values = target.figures.get(name)
    if not values or (name.endswith("_us") and not target.pid):
        return None
    return sum(values) if name == "errors" else statistics.median(values)


def against_budget(targets: dict[str, Target], name: str) -> dict[str, float]:
    """The figures of `name` that the budget speaks of; what was not measured is missing."""
    found: dict[str, float | None] = {}
    ours, pace, direct = targets[name], targets.get(PACECAR), targets.get(DIRECT)
    for short in ("json", "burst", "paced"):
        mine, theirs = figure(ours, f"{short}_us"), figure(pace, f"{short}_us") if pace else None
        found[f"{short}_ratio"] = mine / theirs if mine and theirs else None
    translated, plain = figure(ours, "translated_us"), figure(ours, "burst_us")
    found["translated_ratio"] = translated / plain if translated and plain else None
    for short in ("p50", "p99"):
        mine, theirs = figure(ours, f"{short}_ms"), figure(direct, f"{short}_ms") if direct else None
        found[f"added_{short}_ms"] = mine - theirs if mine and theirs is not None else None
    found |= {short: figure(ours, short) for short in ("stream_kb", "idle_mb")}
    return {key: value for key, value in found.items() if value is not None}


def table(targets: dict[str, Target]) -> list[list[str]]:
    """Rows of cells, the first row names the columns."""
    rows = [["in front of the same upstream", *COLUMNS.values()]]
    for target in targets.values():
        cells = [_shown(figure(target, name), DIGITS.get(name, 1)) for name in COLUMNS]
        rows.append([target.name, *cells])
    return rows


def verdict(targets: dict[str, Target], name: str = OURS) -> list[list[str]]:
    """One row for each line of the budget."""
    rows = [["budget", "measured", "at most", ""]]
    found = against_budget(targets, name)
    for key, limit in BUDGET.items():
        value = found.get(key)
        says = "not measured" if value is None else "held" if value <= limit.most else "MISSED"
        rows.append([limit.words, f"{_shown(value, 2)} {limit.unit}", f"{limit.most:g} {limit.unit}", says])
    return rows


def by_role(target: Target) -> list[list[str]]:
    """Which process the cost is in."""
    roles = sorted({role for parts in target.cpu_us.values() for role in parts})
    rows = [[f"{target.name}, per process", *roles]]
    for measurement, parts in target.cpu_us.items():
        unit = measurement if " " in measurement else f"CPU µs, {measurement}"
        rows.append([unit, *[_shown(statistics.median(parts[role]) if role in parts else None, 1) for role in roles]])
    return rows


def markdown(rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def text(rows: list[list[str]]) -> str:
    """The table for a terminal: long tables are turned, so that each target is a column."""
    if len(rows[0]) > 6:
        rows = [list(column) for column in zip(*rows, strict=True)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def write_between_markers(path: Path, content: str) -> None:
    """Put `content` between the markers of a document; a document without them gets them at its end."""
    before = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    if BEGIN not in before:
        before = f"{before.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, _, rest = before.partition(BEGIN)
    tail = rest.partition(END)[2]
    path.write_text(f"{head}{BEGIN}\n\n{content.strip()}\n\n{END}{tail}", encoding="utf-8")


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
