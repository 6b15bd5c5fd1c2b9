"""Stages: each ends where the next begins, and together they are the call."""

from __future__ import annotations

import re
import time

from gateway.observe.stages import Stages


def test_stages_add_up_to_the_call() -> None:
    """No time between them is lost or counted twice."""
    stages = Stages()
    for name in ("a", "b", "a"):
        time.sleep(0.002)
        stages.mark(name)
    assert list(stages.durations_s) == ["a", "b"]
    assert stages.durations_s["a"] >= 0.004
    assert stages.total_s >= sum(stages.durations_s.values())
    assert stages.total_s - sum(stages.durations_s.values()) < 0.05


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
