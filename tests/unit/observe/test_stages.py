"""Stages: each ends where the next begins, and together they are the call."""

from __future__ import annotations

import re
import time
from time import perf_counter_ns

from gateway.observe.stages import Stages


def test_stages_add_up_to_the_call() -> None:
    """No time between them is lost or counted twice."""
    began_ns, stages = perf_counter_ns(), Stages()
    for name in ("a", "b", "a"):
        time.sleep(0.002)
        stages.mark(name)
    total_ns = perf_counter_ns() - began_ns
    assert list(stages.durations_ns) == ["a", "b"]
    assert stages.durations_ns["a"] >= 4_000_000
    assert total_ns >= sum(stages.durations_ns.values()) >= 6_000_000


def test_server_timing_is_of_the_w3c_form() -> None:
    """name;dur=milliseconds, comma and space between."""
    stages = Stages()
    assert stages.server_timing() == ""
    stages.mark("admit")
    stages.mark("plan")
    assert re.fullmatch(r"admit;dur=\d+\.\d{3}, plan;dur=\d+\.\d{3}", stages.server_timing())


def test_milliseconds_for_the_log() -> None:
    """The same numbers with microsecond digits."""
    stages = Stages()
    time.sleep(0.001)
    stages.mark("a")
    assert stages.as_millis()["a"] >= 1
    assert round(stages.as_millis()["a"], 3) == stages.as_millis()["a"]
