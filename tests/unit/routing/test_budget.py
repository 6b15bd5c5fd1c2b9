"""The retry budget: a share of traffic, with a purse for quiet times."""

from __future__ import annotations

from gateway.routing.budget import BURST, RetryBudget


def test_a_quiet_process_may_retry() -> None:
    """The purse starts full and empties by one per retry."""
    budget = RetryBudget()
    assert [budget.take() for _ in range(int(BURST) + 1)] == [True] * int(BURST) + [False]


def test_in_an_outage_retries_are_the_configured_share() -> None:
    """20 % of 1,000 calls, besides the purse that was full."""
    budget, retries = RetryBudget(), 0
    for _ in range(1000):
        budget.earn(20)
        retries += sum(budget.take() for _ in range(3))
    assert BURST + 195 <= retries <= BURST + 200


def test_nothing_is_saved_beyond_the_purse() -> None:
    """A million good calls do not pay for an outage."""
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn(1000)
    assert budget.saved == BURST


def test_a_budget_of_zero_ends_retries() -> None:
    """Once the purse is empty, nothing fills it."""
    budget = RetryBudget()
    while budget.take():
        pass
    budget.earn(0)
    assert not budget.take()
