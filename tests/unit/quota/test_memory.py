"""Reserve and settle: all or nothing, exactly once, and right under contention."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.clock import ManualClock
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Amounts, Limits, Scope
from gateway.quota.memory import MemoryQuota
from gateway.quota.reservation import Reservation

FREE = Limits(None, None, None)


@pytest.fixture
def clock() -> ManualClock:
    """Time that moves by hand."""
    return ManualClock()


@pytest.fixture
def quota(clock: ManualClock) -> MemoryQuota:
    """Limits on that clock."""
    return MemoryQuota(clock)


async def take(quota: MemoryQuota, subject: str, limits: Limits, tokens: int) -> Reservation:
    """Reserve for one subject; the tokens are of the prompt."""
    return await quota.reserve([Scope(subject, limits)], Amounts(tokens, 0))


async def give(quota: MemoryQuota, reservation: Reservation, tokens: int) -> None:
    """Settle with what was used."""
    await quota.settle(reservation, Amounts(tokens, 0))


async def refused(quota: MemoryQuota, limits: Limits, tokens: int = 0, subject: str = "k") -> GatewayError:
    """The refusal of one reservation."""
    with pytest.raises(GatewayError) as caught:
        await take(quota, subject, limits, tokens)
    return caught.value


async def test_two_hundred_at_once_on_a_limit_of_hundred(quota: MemoryQuota) -> None:
    """Exactly a hundred get in, the others are refused, and nothing stays taken after settling."""
    answers = await asyncio.gather(
        *(take(quota, "k", Limits(100, None, None), 1) for _ in range(200)), return_exceptions=True
    )
    held = [answer for answer in answers if isinstance(answer, Reservation)]
    lost = [answer for answer in answers if isinstance(answer, GatewayError)]
    assert (len(held), len(lost), quota.open_count) == (100, 100, 100)
    assert {error.limit for error in lost} == {"requests"}
    await asyncio.gather(*(give(quota, reservation, 1) for reservation in held))
    assert (quota.open_count, quota.in_flight("k")) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "dimension"),
    [(Limits(1, 100, 9), "requests"), (Limits(9, 5, 9), "tokens"), (Limits(9, 100, 1), "concurrency")],
)
async def test_a_refused_call_takes_nothing(
    quota: MemoryQuota, clock: ManualClock, limits: Limits, dimension: str
) -> None:
    """Refused again and again, and still exactly the first call is counted in every dimension."""
    first = await take(quota, "k", limits, 5)
    for _ in range(3):
        error = await refused(quota, limits, 5)
        assert (error.kind, error.limit) == (Kind.RATE_LIMITED, dimension)
        assert error.retry_after_s is not None
        assert error.retry_after_s > 0
    assert (quota.open_count, quota.in_flight("k")) == (1, 1)
    await give(quota, first, 5)
    clock.advance(61)
    second = await take(quota, "k", limits, 5)
    shown = second.standings
    assert "requests" in shown
    assert "tokens" in shown
    assert (shown["requests"].remaining, shown["tokens"].remaining) == (
        (limits.requests_per_minute or 0) - 1,
        (limits.tokens_per_minute or 0) - 5,
    )


async def test_settling_twice_changes_nothing_the_second_time(quota: MemoryQuota) -> None:
    """The place is freed once and the tokens are corrected once."""
    limits = Limits(None, 100, 2)
    first, second = await take(quota, "k", limits, 40), await take(quota, "k", limits, 40)
    for _ in range(3):
        await give(quota, first, 10)
    assert (quota.open_count, quota.in_flight("k")) == (1, 1)
    await give(quota, second, 40)
    third = await take(quota, "k", limits, 50)
    assert third.standings.get("tokens") is not None
    assert third.standings["tokens"].remaining == 0


async def test_tokens_beyond_the_estimate_are_owed(quota: MemoryQuota, clock: ManualClock) -> None:
    """A call that used more than it reserved holds back later ones until its minute is over."""
    limits = Limits(None, 100, None)
    await give(quota, await take(quota, "k", limits, 10), 150)
    error = await refused(quota, limits, 1)
    assert error.limit == "tokens"
    assert error.retry_after_s == pytest.approx(60, abs=1)
    assert error.headers["x-ratelimit-remaining-tokens"] == "0"
    clock.advance(60)
    await take(quota, "k", limits, 100)


async def test_a_call_settled_after_its_minute_owes_nothing_any_more(quota: MemoryQuota, clock: ManualClock) -> None:
    """The correction leaves with the second it belongs to."""
    limits = Limits(None, 100, None)
    slow = await take(quota, "k", limits, 10)
    clock.advance(120)
    await give(quota, slow, 99)
    after = await take(quota, "k", limits, 100)
    assert after.standings.get("tokens") is not None
    assert after.standings["tokens"].remaining == 0


async def test_a_call_bigger_than_the_limit_gets_in_alone(quota: MemoryQuota, clock: ManualClock) -> None:
    """It takes the whole window when that is empty; beside anything else it waits."""
    limits = Limits(None, 100, None)
    big = await take(quota, "k", limits, 10_000)
    assert (await refused(quota, limits, 1)).limit == "tokens"
    await give(quota, big, 30)
    await take(quota, "k", limits, 1)
    assert (await refused(quota, limits, 10_000)).limit == "tokens"
    clock.advance(60)
    await take(quota, "k", limits, 10_000)


async def test_concurrency_is_free_as_soon_as_a_call_ends(quota: MemoryQuota) -> None:
    """No window: ended calls do not count."""
    limits = Limits(None, None, 1)
    for _ in range(5):
        held = await take(quota, "k", limits, 1)
        assert (await refused(quota, limits)).limit == "concurrency"
        await give(quota, held, 1)


async def test_a_caller_without_limits_is_only_counted(quota: MemoryQuota) -> None:
    """No headers, no refusal; settling brings the count of open reservations back."""
    held = [await take(quota, "k", FREE, 10**9) for _ in range(50)]
    assert (quota.open_count, held[0].standings.get("requests"), held[0].standings.get("tokens")) == (50, None, None)
    for reservation in held:
        await give(quota, reservation, 1)
    assert quota.open_count == 0


async def test_keys_do_not_share_limits(quota: MemoryQuota) -> None:
    """One key at its limit leaves the other alone."""
    limits = Limits(1, None, None)
    await take(quota, "a", limits, 0)
    await refused(quota, limits, 0, "a")
    await take(quota, "b", limits, 0)


async def test_the_refusals_wait_is_the_truth(quota: MemoryQuota, clock: ManualClock) -> None:
    """A caller that waits what `retry-after` says gets in; a little earlier it does not."""
    limits = Limits(3, None, None)
    for _ in range(3):
        await take(quota, "k", limits, 0)
        clock.advance(7.3)
    wait_s = (await refused(quota, limits)).retry_after_s or 0
    clock.advance(wait_s - 0.01)
    await refused(quota, limits)
    clock.advance(0.02)
    await take(quota, "k", limits, 0)


async def test_forgetting_idle_callers_never_frees_a_running_call(clock: ManualClock) -> None:
    """The number of remembered callers is bounded; one with calls in flight keeps its concurrency."""
    quota, limits = MemoryQuota(clock, subjects_max=3), Limits(None, None, 1)
    held = await take(quota, "busy", limits, 1)
    for number in range(10):
        await give(quota, await take(quota, f"other-{number}", limits, 1), 1)
    assert (await refused(quota, limits, 1, "busy")).limit == "concurrency"
    await give(quota, held, 1)
    await take(quota, "busy", limits, 1)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 60), st.integers(0, 90), st.booleans()), max_size=40))
async def test_after_any_history_everything_returns(history: list[tuple[float, int, int, bool]]) -> None:
    """Calls overlap, are refused, settle late or early: at the end nothing is open and the limit was never passed."""
    clock = ManualClock()
    quota, limits, held = MemoryQuota(clock), Limits(5, 100, 3), []
    refusals: set[Kind] = set()
    for passes_s, tokens, actual, settles in history:
        clock.advance(passes_s)
        try:
            held.append(await take(quota, "k", limits, tokens))
        except GatewayError as error:
            refusals.add(error.kind)
        assert quota.in_flight("k") == quota.open_count == len(held) <= 3
        if settles and held:
            await give(quota, held.pop(0), actual)
    for reservation in held:
        await give(quota, reservation, 0)
    assert (quota.open_count, quota.in_flight("k")) == (0, 0)
    assert refusals <= {Kind.RATE_LIMITED}
