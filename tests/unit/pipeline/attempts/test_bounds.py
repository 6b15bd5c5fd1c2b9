"""What bounds attempts as a whole: the retry budget in an outage, and the one deadline of a call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import Kind
from gateway.routing.budget import BURST
from tests.unit.pipeline.kits import Bench
from tests.unit.pipeline.scripted import RETRY, call, scripted

CALLS = 100
NAMED = [{"provider": name, "upstream_model": "one"} for name in "ab"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_outage_is_not_made_worse(stream: bool) -> None:
    """Both deployments are down: at most 1.2 upstream attempts for each call, with the default settings."""
    async with scripted({"a": [503], "b": [503]}) as (made, script):
        for _ in range(CALLS):
            assert (await call(made, stream=stream)).error is not None
        assert CALLS <= len(script.seen) <= CALLS * 1.2


@pytest.mark.parametrize("cooldown_s", [0.05, 5.0])
async def test_many_callers_do_not_make_an_outage_worse(cooldown_s: float) -> None:
    """Three deployments are down, ten callers ask at the same time: retries, fallbacks and probes stay within 1.2."""
    policies = {"breaker": {"cooldown_base_s": cooldown_s, "cooldown_max_s": cooldown_s * 4}}
    async with scripted({"a": [503], "b": [503], "c": [503]}, policies, retry={**RETRY, "attempts_max": 3}) as (
        made,
        script,
    ):

        async def keep_asking() -> None:
            for _ in range(CALLS // 2):
                assert (await call(made)).error is not None

        await asyncio.gather(*[keep_asking() for _ in range(10)])
        assert CALLS * 5 <= len(script.seen) <= CALLS * 5 * 1.2


async def test_without_a_breaker_the_budget_alone_holds() -> None:
    """A fifth of the calls, after what was saved in quiet times."""
    policies = {"breaker": {"is_enabled": False}}
    async with scripted({"a": [503]}, policies, retry={**RETRY, "attempts_max": 20}) as (made, script):
        for _ in range(CALLS):
            assert (await call(made)).error is not None
        assert CALLS * 1.2 <= len(script.seen) <= CALLS * 1.2 + BURST


@pytest.mark.parametrize(("timeout_ms", "seen"), [(400, []), (60_000, ["a"])])
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


def learn(made: Bench, name: str, seconds: float, ago_s: float = 0.0) -> None:
    """Twenty streams of that provider began so late, the last one `ago_s` seconds ago."""
    candidates = made.kit.runtime.catalogue.entries[0].candidates
    deployment = next(each for each in candidates if each.provider == name)
    now_s = made.kit.transport.loop.time() - ago_s
    for _ in range(20):
        made.kit.board.first_content(deployment, now_s, seconds)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_no_deployment_can_make_is_refused_at_once(*, stream: bool) -> None:
    """Both are known to begin later than the caller waits: nobody is asked. A longer wait, or none said, is tried."""
    async with scripted({"a": ["ok"], "b": ["ok"]}, candidates=NAMED) as (made, script):
        learn(made, "a", 60.0)
        learn(made, "b", 40.0)
        error = (await call(made, stream=stream, timeout_ms=30_000)).error
        assert error is not None
        assert (error.kind, script.seen) == (Kind.DEADLINE_EXCEEDED, [])
        assert "under 40 s" in error.message
        assert (await call(made, stream=stream, timeout_ms=59_000)).error is None
        assert (await call(made, stream=stream)).error is None


async def test_what_is_not_known_well_keeps_nobody_out() -> None:
    """One deployment nobody measured, or nobody lately, may be fast."""
    async with scripted({"a": ["ok"], "b": ["ok"]}, candidates=NAMED) as (made, _):
        learn(made, "a", 60.0)
        assert (await call(made, timeout_ms=30_000)).error is None
        learn(made, "b", 60.0, ago_s=11)
        assert (await call(made, timeout_ms=30_000)).error is None
        learn(made, "b", 60.0)
        assert (await call(made, timeout_ms=30_000)).error is not None
    async with scripted({"a": ["ok"]}) as (made, _):
        learn(made, "a", 60.0)  # of all the names it passes on
        assert (await call(made, timeout_ms=30_000)).error is None


async def test_no_attempt_begins_with_less_than_an_answer_needs() -> None:
    """The first failure is told while there is time to act on it; the next deployment is not asked in vain."""
    async with scripted({"a": ["silent"], "b": ["ok"]}, {"deadline_min_s": 4.9}) as (made, script):
        outcome = await call(made, timeout_ms=5_000)
        assert outcome.error is not None
        assert outcome.error.kind is Kind.PROVIDER_TIMEOUT
        assert script.seen == ["a"]
