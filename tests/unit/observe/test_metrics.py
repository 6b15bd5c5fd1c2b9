"""Metrics: what is gathered adds up to what Prometheus would have counted, in one process and over several."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.observe import tally
from gateway.observe.metrics import CallMetrics, exposition
from gateway.observe.tally import count_of, flush, tally_of

AMOUNTS = st.lists(st.floats(0, 200, allow_nan=False) | st.sampled_from([0.01, 1.0, 5.0]), max_size=40)


@pytest.fixture(autouse=True)
def _only_what_a_test_gathers() -> Any:
    before = list(tally._gathering)  # a test's children are not the process's
    yield
    tally._gathering[:] = before  # same


@settings(max_examples=50)
@given(st.lists(AMOUNTS, max_size=4))
def test_gathered_observations_are_what_prometheus_would_have_counted(batches: list[list[float]]) -> None:
    """Bucket by bucket, sum and count, however often it was flushed between."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    buckets = (0.01, 1.0, 5.0, 100.0)
    gathered = tally_of(Histogram("h", "x", ("l",), registry=ours, buckets=buckets), "v")
    counted = count_of(Counter("c", "x", ("l",), registry=ours), "v")
    direct = Histogram("h", "x", ("l",), registry=theirs, buckets=buckets).labels("v")
    direct_count = Counter("c", "x", ("l",), registry=theirs).labels("v")
    for batch in batches:
        for amount in batch:
            gathered.observe(amount)
            counted.inc(amount)
            direct.observe(amount)
            direct_count.inc(amount)
        flush()
    assert numbers(ours) == pytest.approx(numbers(theirs))


def numbers(registry: CollectorRegistry) -> dict[str, float]:
    """Sample name and labels to value."""
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name and name[0] != "#" and "_created" not in name
    }


def test_a_counter_never_goes_down_and_never_breaks_a_flush() -> None:
    """A negative amount adds nothing; what comes after it still counts."""
    registry = CollectorRegistry()
    counted = count_of(
        Counter("c", "x", registry=registry).labels() if False else Counter("c", "x", ("l",), registry=registry), "v"
    )
    for amount in (-5, 3, -1):
        counted.inc(amount)
    flush()
    flush()
    assert numbers(registry)['c_total{l="v"}'] == 3


def test_label_sets_are_bounded() -> None:
    """Past the bound a call is counted under `other`."""
    metrics = CallMetrics(label_sets_max=3)
    for number in range(10):
        metrics.of("chat", f"bounded-{number}", "bounded").used(1, 1, 5)
    text = exposition().decode()
    assert text.count('gateway_cost_usd_micros_total{model="bounded-') == 3
    assert 'model="other"' in text


def test_a_call_shows_up_under_its_names() -> None:
    """The OpenTelemetry names with underscores, and ours."""
    metrics, labels = CallMetrics(), ("chat", "shown", "p")
    metrics.of(*labels).ended("", 0.5, 0.1, 0.01)
    metrics.of(*labels).ended("provider_error", 0.5, None, None)
    metrics.of(*labels).used(7, 5, 3)
    metrics.counted("http", "Shown", "complete")
    metrics.tried("shown", "complete")
    text = exposition().decode()
    common = 'gen_ai_operation_name="chat",gen_ai_provider_name="p",gen_ai_request_model="shown"'
    found = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in text.splitlines()}
    wanted = {
        f'gen_ai_server_request_duration_seconds_count{{error_type="",{common}}}': "1.0",
        f'gen_ai_server_request_duration_seconds_count{{error_type="provider_error",{common}}}': "1.0",
        f"gen_ai_server_time_to_first_token_seconds_count{{{common}}}": "1.0",
        f"gen_ai_server_time_per_output_token_seconds_count{{{common}}}": "1.0",
        'gateway_cost_usd_micros_total{model="shown",provider="p"}': "3.0",
        'gateway_calls_total{method="Shown",outcome="complete",protocol="http"}': "1.0",
        'gateway_attempts_total{outcome="complete",provider="shown"}': "1.0",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    tokens = [
        line for line in text.splitlines() if line.startswith("gen_ai_client_token_usage_sum") and "shown" in line
    ]
    assert sorted(line.rpartition(" ")[2] for line in tokens) == ["5.0", "7.0"]


COUNTING = """
    from gateway.observe.metrics import CALLS, IN_FLIGHT, CallLabels, CallMetrics
    from gateway.observe.tally import flush
    metrics = CallMetrics()
    metrics.counted("http", "Chat", "complete")
    labels = CallLabels("chat", "m", "p")
    metrics.of(*labels).ended("", 0.5, None, None)
    flush()
    IN_FLIGHT.set(2)
"""


def test_processes_of_one_machine_add_up(tmp_path: Path) -> None:
    """Two processes count, a third one is asked: sums of counters and histograms, also of processes that ended."""
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", textwrap.dedent(COUNTING)], check=True, env=environ)
    ask = "from gateway.observe.metrics import exposition; print(exposition().decode())"
    text = subprocess.run([sys.executable, "-c", ask], check=True, env=environ, capture_output=True, text=True).stdout
    lines = text.splitlines()
    assert 'gateway_calls_total{method="Chat",outcome="complete",protocol="http"} 2.0' in lines
    counts = [line for line in lines if line.startswith("gen_ai_server_request_duration_seconds_count")]
    assert [line.rpartition(" ")[2] for line in counts] == ["2.0"]


def test_a_metric_that_fails_is_counted_and_spoils_nothing() -> None:
    """The others are handed over, and whoever counted goes on."""
    registry = CollectorRegistry()
    broken = count_of(Counter("broken", "x", ("l",), registry=registry), "v")
    whole = count_of(Counter("whole", "x", ("l",), registry=registry), "v")
    broken._child = None  # type: ignore[assignment]  # what a metric with a bug or no disk comes to
    before = tally.failures.count
    broken.inc()
    whole.inc()
    flush()
    assert tally.failures.count == before + 1
    assert "Traceback" in tally.failures.latest
    assert numbers(registry)['whole_total{l="v"}'] == 1
    broken._gathered = 0
