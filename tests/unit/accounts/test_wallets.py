"""Money: the ledger is the wallet, everything happens once, and nobody spends what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.accounts import book, reports
from gateway.accounts.wallets import Change
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import DAY_S, Amounts, Debit
from gateway.quota.memory import MemoryQuota
from gateway.store.sql.tables import ledger_entries
from tests.support.waiting import eventually
from tests.unit.accounts.conftest import WHO, Desk


async def refusal(coroutine: Coroutine[Any, Any, object]) -> GatewayError:
    """How something is refused."""
    with pytest.raises(GatewayError) as caught:
        await coroutine
    return caught.value


async def rich(desk: Desk, usd_micros: int = 1000) -> str:
    """A user with so much."""
    user_id: str = (await desk.user())["id"]
    await desk.book.wallets.change(user_id, Change("top_up", usd_micros, "first"), WHO)
    return user_id


async def in_ledger(desk: Desk, user_id: str) -> int:
    """The sum of a user's ledger."""
    total = select(func.coalesce(func.sum(ledger_entries.c.amount_usd_micros), 0))
    async with desk.book.database.read() as connection:
        return int((await connection.execute(total.where(ledger_entries.c.user_id == user_id))).scalar() or 0)


async def state(desk: Desk, user_id: str) -> tuple[int, int]:
    """(balance, held), the balance checked against the ledger."""
    wallet = await desk.book.wallets.get(user_id)
    assert wallet.balance_usd_micros == await in_ledger(desk, user_id)
    return wallet.balance_usd_micros, wallet.held_usd_micros


async def test_a_change_happens_once(desk: Desk) -> None:
    """Ten times the same at once is one; another change under its key is a conflict."""
    user_id = (await desk.user())["id"]
    change = Change("top_up", 500, "invoice 7", "thanks")
    await asyncio.gather(*(desk.book.wallets.change(user_id, change, WHO) for _ in range(10)))
    assert await state(desk, user_id) == (500, 0)
    assert (
        await refusal(desk.book.wallets.change(user_id, Change("top_up", 501, "invoice 7"), WHO))
    ).kind is Kind.CONFLICT
    assert [entry[1] for entry in await desk.audit()] == ["user.create", "wallet.top_up"]


async def test_an_adjustment_takes_no_more_than_is_free(desk: Desk) -> None:
    """Neither more than there is, nor what open calls hold or have taken as those who count them know."""
    user_id = await rich(desk)
    change = desk.book.wallets.change
    assert (await refusal(change(user_id, Change("adjust", -1001, "a"), WHO))).kind is Kind.INVALID_REQUEST
    quota = MemoryQuota(desk.clock)
    desk.book.tell(quota.add, quota.balance_usd_micros)
    await quota.put(f"wallet:{user_id}", *await desk.book.purses.balance(f"wallet:{user_id}"))
    held = await quota.reserve([], Amounts(0, 0, 600), [Debit(f"wallet:{user_id}")])
    assert await state(desk, user_id) == (1000, 600)
    assert (await refusal(change(user_id, Change("adjust", -401, "b"), WHO))).kind is Kind.INVALID_REQUEST
    assert (await change(user_id, Change("adjust", -400, "c"), WHO)).balance_usd_micros == 600
    assert await state(desk, user_id) == (600, 600)
    await quota.settle(held, Amounts(0, 0, 0))
    assert await state(desk, user_id) == (600, 0)
    assert (await refusal(change("nobody", Change("top_up", 1, "d"), WHO))).kind is Kind.NOT_FOUND


async def test_a_code_fills_one_wallet_once(desk: Desk) -> None:
    """Of many at once, one gets it; used, blocked, expired or invented, it is told alike."""
    users = [(await desk.user())["id"] for _ in range(4)]
    [(_, code), (blocked_id, blocked)] = await desk.book.codes.create(2, "gift", 250, None, WHO)
    done = await asyncio.gather(
        *(desk.book.codes.redeem(user_id, code, WHO) for user_id in users), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in done) == 1
    assert sum([(await state(desk, user_id))[0] for user_id in users]) == 250
    await desk.book.codes.block(blocked_id, WHO)
    soon = int(desk.clock.wall_s() * 1000) + 1000
    [(_, late)] = await desk.book.codes.create(1, "", 250, soon, WHO)
    desk.clock.advance(61)
    for bad in (code, blocked, late, "gwc_invented", "' OR 1=1 --"):
        error = await refusal(desk.book.codes.redeem(users[0], bad, WHO))
        assert (error.kind, error.code) == (Kind.INVALID_REQUEST, "code_invalid")
    assert code not in str((await desk.book.codes.list(0, "")).items)


async def test_guessing_codes_is_slow(desk: Desk) -> None:
    """An address that invents codes has to wait."""
    user_id = (await desk.user())["id"]
    kinds = [(await refusal(desk.book.codes.redeem(user_id, f"gwc_{n}", WHO))).kind for n in range(12)]
    assert kinds == [Kind.INVALID_REQUEST] * 10 + [Kind.RATE_LIMITED] * 2


async def test_pages_of_a_ledger(desk: Desk) -> None:
    """Newest first, each once, with the balance after it."""
    user_id = (await desk.user())["id"]
    for number in range(5):
        await desk.book.wallets.change(user_id, Change("top_up", 10, f"n{number}"), WHO)
    first = await desk.book.wallets.ledger(user_id, 3, "")
    second = await desk.book.wallets.ledger(user_id, 3, first.next_token)
    assert [row["balance_usd_micros"] for row in (*first.items, *second.items)] == [50, 40, 30, 20, 10]
    assert second.next_token == ""


async def test_usage_is_counted_once_and_summed(desk: Desk) -> None:
    """The same record twice is one call; sums by model and by day."""
    user_id = (await desk.user())["id"]
    base = {
        "user_id": user_id, "key_id": "k", "provider": "p", "outcome": "complete", "cached_tokens": 0,
        "latency_ms": 5, "is_cached": False, "prompt_tokens": 10, "completion_tokens": 5,
    }  # fmt: skip
    day_ms = 86_400_000
    records = [
        {**base, "id": "r1", "model": "a", "cost_usd_micros": 7, "created_at_ms": day_ms},
        {**base, "id": "r2", "model": "a", "cost_usd_micros": None, "created_at_ms": day_ms + 5},
        {**base, "id": "r3", "model": "b", "cost_usd_micros": 2, "created_at_ms": 3 * day_ms},
    ]
    await desk.book.reports.add(records)
    await desk.book.reports.add(records[:2])
    by_model = await desk.book.reports.usage("model", user_id)
    assert [(row["of"], row["calls"], row["prompt_tokens"], row["cost_usd_micros"]) for row in by_model] == [
        ("a", 2, 20, 7),
        ("b", 1, 10, 2),
    ]
    by_day = await desk.book.reports.usage("day", None, from_ms=2 * day_ms)
    assert [(row["of"], row["calls"]) for row in by_day] == [(str(3 * day_ms), 1)]
    assert (await refusal(desk.book.reports.usage("password_hash", None))).param == "by"


async def test_usage_is_kept_as_long_as_it_is_set(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older records go in the background, some at a time; without the setting none does."""
    base = {
        "user_id": "u", "key_id": "k", "provider": "p", "outcome": "complete", "cached_tokens": 0, "model": "m",
        "latency_ms": 5, "is_cached": False, "prompt_tokens": 1, "completion_tokens": 1, "cost_usd_micros": 1,
    }  # fmt: skip
    now_ms = int(desk.clock.wall_s() * 1000)
    ages_days = [*(8 + n for n in range(7)), 6, 1, 0]
    records = [
        {**base, "id": f"r{n}", "created_at_ms": now_ms - days * DAY_S * 1000} for n, days in enumerate(ages_days)
    ]
    await desk.book.reports.add(records)
    for name, value in (("TEND_EVERY_S", 0.02), ("FORGOTTEN_AT_ONCE", 3), ("FORGET_PAUSE_S", 0.01)):
        monkeypatch.setattr(book, name, value)
    monkeypatch.setattr(reports, "FORGOTTEN_AT_ONCE", 3)

    async def left() -> int:
        return sum(row["calls"] for row in await desk.book.reports.usage("model", None))

    desk.book.start()
    try:
        await asyncio.sleep(0.2)
        assert await left() == 10
        desk.settings["usage_retention_days"] = 7

        async def is_forgotten() -> bool:
            return await left() == 3

        await eventually(is_forgotten, "only the young are left")
        await asyncio.sleep(0.1)
        assert await left() == 3
    finally:
        await desk.book.stop()
