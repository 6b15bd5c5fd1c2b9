"""Rate-limit headers: the numbers, and durations as Go prints them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.quota.headers import Standing, go_duration, openai_headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.012, "12ms"),
        (0.999, "999ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (1.25, "1.25s"),
        (59.999, "59.999s"),
        (60, "1m0s"),
        (90.25, "1m30.25s"),
        (360, "6m0s"),
        (3599.9999, "1h0m0s"),
        (3600, "1h0m0s"),
        (3600.25, "1h0m0.25s"),
        (90_061.001, "25h1m1.001s"),
    ],
)
def test_durations_as_go_prints_them(seconds: float, text: str) -> None:
    """Zero units stay after the first; trailing zeros go (wire-formats 6.1.1)."""
    assert go_duration(seconds) == text


@given(st.floats(0, 1e6))
def test_a_go_client_reads_the_same_duration(seconds: float) -> None:
    """`time.ParseDuration` accepts it, and it is the time to the millisecond."""
    text = go_duration(seconds)
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text)
    assert "".join(number + unit for number, unit in parts) == text
    factor = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    assert sum(float(number) * factor[unit] for number, unit in parts) == pytest.approx(seconds, abs=0.00051)


def test_a_dimension_without_limit_has_no_header() -> None:
    """Nothing is invented."""
    assert openai_headers({}) == {}
    assert set(openai_headers({"requests": Standing(3, 2, 60)})) == {
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    }


def test_both_dimensions() -> None:
    """Names and values as OpenAI sends them."""
    assert openai_headers({"requests": Standing(60, 59, 1), "tokens": Standing(1000, 0, 60)}) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m0s",
    }
