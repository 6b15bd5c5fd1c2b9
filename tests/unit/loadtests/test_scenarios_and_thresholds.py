"""Scenarios are checked as they are read; thresholds judge what was measured, and nothing measured is a miss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests import checks, locust_run, scenario
from loadtests.scenario import Profile
from loadtests.suites import SUITES

MINIMAL: dict[str, Any] = {"mix": {"http_json": 1}, "models": {"http_json": "sim"}}
STATS = """Type,Name,Request Count,Failure Count,Requests/s,50%,95%,99%
POST,http_sse,100,2,25.0,220,300,400
TTFT,http_sse,98,0,24.5,20,30,90
gRPC,grpc_unary,50,0,12.5,10,20,30
,Aggregated,248,2,62.0,100,280,390
"""


@pytest.mark.parametrize("name", scenario.names())
def test_every_shipped_scenario_is_valid(name: str) -> None:
    """It can be read, says what it is, has something to meet in both profiles and a suite that exists."""
    found = scenario.load(name)
    assert found.description.endswith(".")
    for profile in (found.short, found.full):
        assert profile.thresholds or profile.parameters["limits"]
    assert found.suite == "locust" or found.suite in SUITES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"thresholds": {}}, "x.yaml: unknown key `thresholds`"),
        ({"mix": {"http": 1}}, "x.yaml: mix: unknown key `http`"),
        ({"models": {}}, "x.yaml: mix and models must name the same users"),
        ({"suite": "soaks"}, "suite `soaks` is none of"),
        ({"short": {"user": 1}}, "x.yaml: short: unknown key `user`"),
        ({"full": {"thresholds": {"all": {"p90_ms": 1}}}}, "x.yaml: full.thresholds.all: unknown key `p90_ms`"),
    ],
)
def test_a_wrong_scenario_names_file_and_key(change: dict[str, Any], words: str) -> None:
    """A typo is not a threshold that is never looked at."""
    with pytest.raises(scenario.ScenarioInvalid) as caught:
        scenario.parse("x", {**MINIMAL, **change})
    assert words in str(caught.value)


def judged(tmp_path: Path, thresholds: dict[str, dict[str, float]]) -> dict[str, bool]:
    (tmp_path / "stats.csv").write_text(STATS)
    found = locust_run.judge(Profile(thresholds=thresholds), locust_run.read(tmp_path / "stats.csv"))
    return {check.what: check.is_met for check in found}


def test_thresholds_speak_of_their_user(tmp_path: Path) -> None:
    """`all` adds requests up and takes the worst percentile; TTFT is looked up among the first tokens."""
    met = judged(
        tmp_path,
        {
            "all": {"failure_ratio": 0.0134, "requests_min": 150, "rps_min": 37.5, "p95_ms": 300, "ttft_p99_ms": 90},
            "http_sse": {"failure_ratio": 0.019, "ttft_p50_ms": 19},
            "grpc_unary": {"failure_ratio": 0, "p99_ms": 29},
        },
    )
    missed = {what for what, is_met in met.items() if not is_met}
    assert missed == {"http_sse failure_ratio", "http_sse ttft_p50_ms", "grpc_unary p99_ms"}


def test_a_user_that_never_ran_misses_its_thresholds(tmp_path: Path) -> None:
    """No request is no success."""
    assert judged(tmp_path, {"http_json": {"failure_ratio": 0}}) == {"http_json failure_ratio": False}


def test_checks_are_written_for_people_and_programs(tmp_path: Path) -> None:
    """A missed one stands out in the table, and names cannot break the page."""
    found = [checks.at_most("a <b>", 2, 1), checks.equal("c", 0, 0), checks.at_least("d", 1, 1)]
    checks.write(tmp_path, "x", found, {"fact": 1}, [{"a": 1}, {"b": 2}])
    assert [line.split()[-1] for line in checks.table(found).splitlines()[1:]] == ["MISSED", "ok", "ok"]
    assert "a &lt;b&gt;" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "checks.csv").read_text().splitlines()[1] == "a <b>,2,<= 1,False"
    assert (tmp_path / "samples.csv").read_text().splitlines() == ["a,b", "1,", ",2"]
