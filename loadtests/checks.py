"""Thresholds met and missed: one record each, shown as a table, written as CSV and HTML.

Rules:
    - Pure until `write`; a check says what was measured, what was wanted, and whether that holds.
Not here:
    - Measuring (users, suites); which thresholds (scenario).
"""

from __future__ import annotations

import csv
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STYLE = (
    "body{font:15px system-ui;margin:2em}table{border-collapse:collapse}td,th{padding:.3em .8em;"
    "border-bottom:1px solid #ccc;text-align:left}.missed{background:#fdd}"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold."""

    what: str
    measured: float
    wanted: str
    is_met: bool


def at_most(what: str, measured: float, limit: float) -> Check:
    """Met when not above the limit."""
    return Check(what, measured, f"<= {limit:g}", measured <= limit)


def at_least(what: str, measured: float, limit: float) -> Check:
    """Met when not below the limit."""
    return Check(what, measured, f">= {limit:g}", measured >= limit)


def equal(what: str, measured: float, wanted: float) -> Check:
    """Met when exactly that."""
    return Check(what, measured, f"= {wanted:g}", measured == wanted)


def table(checks: list[Check]) -> str:
    """For a terminal."""
    rows = [("threshold", "measured", "wanted", "")]
    rows += [(c.what, f"{c.measured:,.6g}", c.wanted, "ok" if c.is_met else "MISSED") for c in checks]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    return "\n".join(
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:{widths[2]}}  {row[3]}".rstrip() for row in rows
    )


def write(folder: Path, name: str, checks: list[Check], facts: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    """`checks.csv`, `samples.csv`, `facts.json` and `report.html` (a suite's; Locust writes its own `locust.html`)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "checks.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("threshold", "measured", "wanted", "is_met"))
        rows.writerows((c.what, c.measured, c.wanted, c.is_met) for c in checks)
    if samples:
        with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
            columns = list(dict.fromkeys(key for sample in samples for key in sample))
            written = csv.DictWriter(file, columns)
            written.writeheader()
            written.writerows(samples)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    (folder / "report.html").write_text(_page(name, checks, facts), encoding="utf-8")


def _page(name: str, checks: list[Check], facts: dict[str, Any]) -> str:
    def row(cells: tuple[Any, ...], kind: str = "") -> str:
        return f"<tr class='{kind}'>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"

    lines = [row((c.what, f"{c.measured:,.6g}", c.wanted), "" if c.is_met else "missed") for c in checks]
    more = [row((key, value)) for key, value in facts.items()]
    return (
        f"<!doctype html><meta charset='utf-8'><title>{html.escape(name)}</title><style>{STYLE}</style>"
        f"<h1>{html.escape(name)}</h1><table><tr><th>threshold<th>measured<th>wanted</tr>{''.join(lines)}</table>"
        f"<h2>Facts</h2><table>{''.join(more)}</table>"
    )
