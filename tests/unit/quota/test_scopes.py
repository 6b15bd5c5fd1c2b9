"""A call is counted for all its scopes and purses in one step, or for none."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.clock import ManualClock
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import DIMENSIONS, Amounts, Debit, Dimension, Limits, Scope
from gateway.quota.memory import MemoryQuota
from gateway.quota.reservation import Reservation

WALLET = Debit("user:7")
BUDGET = Debit("key:k", "budget")


@pytest.fixture
def clock() -> ManualClock:
    """Time that moves by hand."""
    return ManualClock()


@pytest.fixture
def quota(clock: ManualClock) -> MemoryQuota:
    """Limits on that clock."""
    return MemoryQuota(clock)


@pytest.mark.parametrize("dimension", DIMENSIONS.values(), ids=DIMENSIONS)
async def test_every_dimension_refuses_beyond_its_limit_and_lets_in_after_its_span(
    quota: MemoryQuota, clock: ManualClock, dimension: Dimension
) -> None:
    """Taken up to the limit, refused above it with a wait that is the truth, free again when the span is over."""
    name, amount, span_s, _ = dimension
    limit = 1 if amount == "requests" else 10
    scope = Scope("k", Limits(**{name: limit}))
    held = await quota.reserve([scope], Amounts(5, 5))
    await quota.settle(held, Amounts(10, 10))
    with pytest.raises(GatewayError) as caught:
        await quota.reserve([scope], Amounts(1, 1))
    assert (caught.value.kind, caught.value.limit) == (Kind.RATE_LIMITED, amount)
    assert 0 < (caught.value.retry_after_s or 0) <= span_s
    clock.advance(span_s)
    assert isinstance(await quota.reserve([scope], Amounts(1, 1)), Reservation)


async def test_a_scope_that_refuses_leaves_the_others_untouched(quota: MemoryQuota) -> None:
    """The key has room, the model has none: the key's window is as before."""
    key, model = Scope("k", Limits(5, 100, 5)), Scope("model:m", Limits(1), "model")
    first = await quota.reserve([key, model], Amounts(1, 1))
    with pytest.raises(GatewayError, match="Rate limit reached for this model: 1 requests per minute"):
        await quota.reserve([key, model], Amounts(1, 1))
    assert quota.in_flight("k") == 1
    alone = await quota.reserve([key], Amounts(0, 0))
    assert alone.standings["requests"].remaining == 3
    assert first.standings["requests"].remaining == 0  # the model's, which is the tightest


async def test_two_keys_share_what_their_group_may_use(quota: MemoryQuota) -> None:
    """The group's count is one count."""
    group = Scope("group:g", Limits(requests_per_minute=2), "group")
    await quota.reserve([Scope("a", Limits()), group], Amounts(0, 0))
    await quota.reserve([Scope("b", Limits()), group], Amounts(0, 0))
    with pytest.raises(GatewayError, match="this group"):
        await quota.reserve([Scope("c", Limits()), group], Amounts(0, 0))


async def test_a_balance_for_ten_calls_lets_exactly_ten_in(quota: MemoryQuota) -> None:
    """Forty at once: ten hold money, thirty are told that there is none; settling takes what was held."""
    await quota.put("user:7", 1000)
    asked = Amounts(1, 1, 100)
    answers = await asyncio.gather(*(quota.reserve([], asked, [WALLET]) for _ in range(40)), return_exceptions=True)
    held = [answer for answer in answers if isinstance(answer, Reservation)]
    lost = [answer for answer in answers if isinstance(answer, GatewayError)]
    assert (len(held), {error.kind for error in lost}) == (10, {Kind.INSUFFICIENT_BALANCE})
    for reservation in held:
        await quota.settle(reservation, asked)
        await quota.settle(reservation, asked)
    assert (quota.purses.balance_usd_micros("user:7"), quota.purses.held_usd_micros("user:7")) == (0, 0)


async def test_a_budget_refuses_although_the_wallet_is_full(quota: MemoryQuota) -> None:
    """Both purses must cover the call; the refusal says which does not, and nothing is held in the other."""
    quota.purses.put("user:7", 1000)
    quota.purses.put("key:k", 50)
    with pytest.raises(GatewayError, match="budget of this key"):
        await quota.reserve([], Amounts(0, 0, 51), [WALLET, BUDGET])
    assert quota.purses.held_usd_micros("user:7") == 0


async def test_a_limit_and_a_purse_are_one_step(quota: MemoryQuota) -> None:
    """Money that lacks does not use up a request; a limit that is reached does not hold money."""
    quota.purses.put("user:7", 100)
    scope = Scope("k", Limits(1))
    with pytest.raises(GatewayError, match="balance"):
        await quota.reserve([scope], Amounts(0, 0, 101), [WALLET])
    await quota.reserve([scope], Amounts(0, 0, 60), [WALLET])
    with pytest.raises(GatewayError, match="requests per minute"):
        await quota.reserve([scope], Amounts(0, 0, 10), [WALLET])
    assert quota.purses.held_usd_micros("user:7") == 60


async def test_a_free_call_needs_no_money(quota: MemoryQuota) -> None:
    """A purse in debt refuses what costs, not what is free."""
    quota.purses.put("user:7", -5)
    await quota.reserve([], Amounts(1, 1, 0), [WALLET])
    with pytest.raises(GatewayError, match="balance"):
        await quota.reserve([], Amounts(1, 1, 1), [WALLET])


@given(
    st.lists(
        st.tuples(st.sampled_from(["reserve", "settle", "cancel", "top_up"]), st.integers(0, 60), st.integers(0, 60)),
        max_size=60,
    )
)
async def test_money_adds_up_after_any_history(history: list[tuple[str, int, int]]) -> None:
    """Balance = put + top-ups - costs; held = the open holds; never below minus what calls cost beyond their holds."""
    quota = MemoryQuota(ManualClock())
    quota.purses.put("user:7", 100)
    came, spent, overrun, held = 100, 0, 0, list[Reservation]()
    for verb, first, second in history:
        if verb == "reserve":
            with suppress(GatewayError):
                held.append(await quota.reserve([], Amounts(0, 0, first), [WALLET]))
        elif verb == "top_up":
            quota.purses.add("user:7", first, len(history) + came)
            came += first
        elif held:
            reservation = held.pop(second % len(held))
            cost = first if verb == "settle" else 0
            await quota.settle(reservation, Amounts(0, 0, cost))
            spent += cost
            overrun += max(0, cost - reservation.reserved.usd_micros)
        balance = quota.purses.balance_usd_micros("user:7")
        assert balance == came - spent
        assert balance >= -overrun
        assert quota.purses.held_usd_micros("user:7") == sum(each.reserved.usd_micros for each in held)
