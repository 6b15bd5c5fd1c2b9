"""The benchmark's verdict: medians, ratios to the pace car of the same run, and tables that replace themselves."""

from __future__ import annotations

import os
from pathlib import Path

from loadtests import procfs
from loadtests.bench import report
from loadtests.bench.measure import Target, percentile


def targets(ours_json_us: float) -> dict[str, Target]:
    made = {name: Target(name, "http://127.0.0.1/v1", "", "bench", 1) for name in ("direct", "pacecar", "gateway")}
    made["direct"].pid = 0
    made["direct"].add(p50_ms=0.5, p99_ms=1.0, json_us=9.0)
    for value in (90.0, 100.0, 1000.0):
        made["pacecar"].add(json_us=value)
    made["gateway"].add(json_us=ours_json_us, p50_ms=1.9, p99_ms=5.5, errors=1)
    made["gateway"].add(errors=2)
    return made


def test_the_budget_is_a_ratio_to_the_median_of_the_pace_car() -> None:
    """270 us beside a pace car of 100 us holds 2.7x; 271 does not; what was not measured is said to be so."""
    for ours, says in ((270.0, "held"), (271.0, "MISSED")):
        rows = {row[0]: row[-1] for row in report.verdict(targets(ours))}
        assert rows[report.BUDGET["json_ratio"].words] == says
    assert rows[report.BUDGET["added_p50_ms"].words] == "held"
    assert rows[report.BUDGET["added_p99_ms"].words] == "MISSED"
    assert rows[report.BUDGET["burst_ratio"].words] == "not measured"


def test_translation_is_judged_by_the_same_targets_own_chunks() -> None:
    """Not by the pace car, which translates nothing."""
    made = targets(1.0)
    made["gateway"].add(burst_us=10.0, translated_us=15.0)
    assert report.against_budget(made, "gateway")["translated_ratio"] == 1.5
    assert report.figure(made["pacecar"], "translated_us") is None


def test_errors_add_up_and_unknown_cpu_is_not_zero() -> None:
    """A target without a process has no CPU figure rather than a good one."""
    made = targets(1.0)
    assert report.figure(made["gateway"], "errors") == 3
    assert report.figure(made["direct"], "json_us") is None


def test_tables_replace_themselves(tmp_path: Path) -> None:
    """Writing twice leaves one set of tables, and the words around them."""
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{report.BEGIN}\nold\n{report.END}\n\nAfter.\n")
    for words in ("first", "second"):
        report.write_between_markers(page, words)
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("\n\nAfter.\n")
    assert "second" in text
    assert "first" not in text
    assert "old" not in text


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank, also of few values and of none."""
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 3.0
    assert percentile([1.0], 99) == 1.0
    assert percentile([], 99) == 0.0


def test_a_process_is_found_with_its_children_and_its_use() -> None:
    """This process is in its own tree, holds memory and descriptors; a process that is gone holds nothing."""
    mine = procfs.usage(os.getpid())
    assert os.getpid() in procfs.tree(os.getpid())
    assert mine.rss_kb >= mine.pss_kb > 0
    assert mine.fds > 2
    assert procfs.usage(2**22 + 1) == procfs.Usage()
