"""What bounds attempts as a whole: the retry budget in an outage, and the one deadline of a call."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import Kind
from gateway.routing.budget import BURST
from tests.unit.pipeline.scripted import RETRY, call, scripted

CALLS = 100


@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_outage_is_not_made_worse(stream: bool) -> None:
    """Both deployments are down: at most 1.2 upstream attempts for each call, with the default settings."""
    async with scripted({"a": [503], "b": [503]}) as (made, script):
        for _ in range(CALLS):
            assert (await call(made, stream=stream)).error is not None
        assert CALLS <= len(script.seen) <= CALLS * 1.2


async def test_without_a_breaker_the_budget_alone_holds() -> None:
    """A fifth of the calls, after what was saved in quiet times."""
    policies = {"breaker": {"is_enabled": False}}
    async with scripted({"a": [503]}, policies, retry={**RETRY, "attempts_max": 20}) as (made, script):
        for _ in range(CALLS):
            assert (await call(made)).error is not None
        assert CALLS * 1.2 <= len(script.seen) <= CALLS * 1.2 + BURST


@pytest.mark.parametrize(("timeout_ms", "seen"), [(400, []), (5_000, ["a"])])
async def test_a_call_without_time_for_an_answer_is_refused_at_once(timeout_ms: int, seen: list[Any]) -> None:
    """No provider is asked; the error names the setting."""
    async with scripted({"a": ["ok"]}, {"deadline_min_s": 0.5}) as (made, script):
        outcome = await call(made, timeout_ms=timeout_ms)
        assert script.seen == seen
        if not seen:
            assert outcome.error is not None
            assert outcome.error.kind is Kind.DEADLINE_EXCEEDED
            assert "policies.deadline_min_s" in outcome.error.message
            assert "x-gateway-generation" in outcome.head.headers


async def test_no_attempt_begins_with_less_than_an_answer_needs() -> None:
    """The first failure is told while there is time to act on it; the next deployment is not asked in vain."""
    async with scripted({"a": ["silent"], "b": ["ok"]}, {"deadline_min_s": 4.9}) as (made, script):
        outcome = await call(made, timeout_ms=5_000)
        assert outcome.error is not None
        assert outcome.error.kind is Kind.PROVIDER_TIMEOUT
        assert script.seen == ["a"]
