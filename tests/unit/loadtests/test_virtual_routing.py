"""Routing in virtual time: the figures that docs/routing.md shows, from the gateway's own planner, board and gate."""

from __future__ import annotations

import pytest

from loadtests.virtual import Overload, Sent, overloaded, percentile, slow_for_a_while


def share(sent: list[Sent], from_s: float, until_s: float) -> float:
    """Of the calls in that time, those that went to the provider that turns slow."""
    there = [call for call in sent if from_s <= call.at_s < until_s]
    return sum(call.provider == "p0" for call in there) / len(there)


@pytest.fixture(scope="module")
def crowd() -> Overload:
    """Three times what the provider can take, for a minute."""
    return overloaded(factor=3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_traffic_leaves_a_slow_deployment_within_two_seconds_and_is_back_within_ten(seed: int) -> None:
    """A third before, next to nothing 2 s after it turned slow, at least 20 % within 10 s after it recovered."""
    sent = slow_for_a_while(seed=seed)
    assert 0.25 < share(sent, 5, 10) < 0.42
    assert share(sent, 12, 20) < 0.05
    assert share(sent, 28, 30) > 0.2
    assert 0.25 < share(sent, 30, 40) < 0.42


def test_three_times_overload_doubles_nobodys_latency(crowd: Overload) -> None:
    """p99 at the provider, and of interactive calls with their wait, stay below twice the unloaded p99."""
    unloaded = overloaded(factor=0.5)
    assert percentile(crowd.upstream_s, 99) < 2 * percentile(unloaded.upstream_s, 99)
    assert crowd.p99_s("interactive") < 2 * unloaded.p99_s("interactive")


def test_interactive_calls_are_unharmed_and_batch_calls_wait_or_are_shed(crowd: Overload) -> None:
    """Not one interactive call is shed; batch calls wait at most `wait_max_s` and its share of what is left is used."""
    assert crowd.shed["interactive"] == 0
    assert crowd.shed["batch"] > 1000
    assert len(crowd.took_s["batch"]) > 1000
    assert max(crowd.took_s["batch"]) < 1.0 + 0.5


def test_without_a_limit_latency_grows_without_end() -> None:
    """What the limit is for: 1.2 times what the provider can take is enough."""
    assert overloaded(factor=1.2, has_limit=False, seconds=30).p99_s("interactive") > 2.0


def test_the_limit_learns_the_unloaded_latency_anew_under_steady_overload() -> None:
    """After three epochs of overload it is no higher than at first: the slow normal is not taken for the normal."""
    limits = overloaded(factor=3, seconds=210).limits
    first = [calls for at_s, calls in limits if 10 < at_s < 55]
    late = [calls for at_s, calls in limits if 155 < at_s < 210]
    assert sum(late) / len(late) < 1.15 * sum(first) / len(first)
