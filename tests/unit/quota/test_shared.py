"""Limits of several services on one real Valkey: exact together, bounded alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.clock import ManualClock, SystemClock
from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Amounts, Debit, Limits, Scope
from gateway.quota import shared
from gateway.quota.memory import MemoryQuota
from gateway.quota.reservation import Quota, Reservation, UnknownPurse
from gateway.quota.shared import SharedQuota, share
from tests.support.stored import Stored, client, hasty, stored
from tests.support.waiting import PATIENCE_S, eventually

WALLET = Debit("user:7")


@pytest.fixture(scope="module")
def server() -> Iterator[Stored]:
    """The store of these tests."""
    with stored() as running:
        yield running


@asynccontextmanager
async def services(server: Stored, count: int, *, on_loss: str = "local") -> AsyncIterator[list[SharedQuota]]:
    """The quotas of `count` services on an empty store; a machine that is busy is no outage."""
    server.revive()
    server.command("FLUSHALL")
    stores = [client(server) for _ in range(count)]
    made = [SharedQuota(store, MemoryQuota(SystemClock()), on_loss=on_loss, replicas=count) for store in stores]
    try:
        for store, quota in zip(stores, made, strict=True):
            store.start()
            assert await store.ready(PATIENCE_S)
            quota.start()
        yield made
    finally:
        for store, quota in zip(stores, made, strict=True):
            await quota.stop()
            await store.close()
        server.revive()


async def outcomes(
    quotas: list[SharedQuota], calls: int, scopes: list[Scope], asked: Amounts, *debits: Debit
) -> list[object]:
    """That many calls at once, spread over the services."""
    return await asyncio.gather(
        *(quotas[at % len(quotas)].reserve(scopes, asked, debits) for at in range(calls)), return_exceptions=True
    )


@pytest.mark.parametrize("count", [1, 3])
async def test_two_hundred_calls_on_a_limit_of_hundred(server: Stored, count: int) -> None:
    """Exactly a hundred pass, on one service and on three."""
    async with services(server, count) as quotas:
        answers = await outcomes(quotas, 200, [Scope("k", Limits(100))], Amounts(1, 1))
        held = [answer for answer in answers if isinstance(answer, Reservation)]
        lost = [answer for answer in answers if isinstance(answer, GatewayError)]
        assert (len(held), len(lost), {error.limit for error in lost}) == (100, 100, {"requests"})
        assert sum(quota.open_count for quota in quotas) == 100
        assert all(0 < (error.retry_after_s or 0) <= 60 for error in lost)
        assert min(reservation.standings["requests"].remaining for reservation in held) == 0


async def test_money_for_ten_calls_on_three_services(server: Stored) -> None:
    """Exactly ten pass; what they cost is taken once, also when it is told twice."""
    async with services(server, 3) as quotas:
        await quotas[0].put("user:7", 1000, 7)
        answers = await outcomes(quotas, 40, [], Amounts(0, 0, 100), WALLET)
        held = [(at % 3, answer) for at, answer in enumerate(answers) if isinstance(answer, Reservation)]
        kinds = {answer.kind for answer in answers if isinstance(answer, GatewayError)}
        assert (len(held), kinds) == (10, {Kind.INSUFFICIENT_BALANCE})
        assert await quotas[1].balance_usd_micros("user:7") == (1000, 1000)
        for at, reservation in held:
            await quotas[at].settle(reservation, Amounts(0, 0, 70))
            await quotas[at].settle(reservation, Amounts(0, 0, 70))
        assert await quotas[2].balance_usd_micros("user:7") == (300, 0)
        await quotas[2].add("user:7", 50, 8)
        assert await quotas[0].balance_usd_micros("user:7") == (350, 0)
        await quotas[1].add("user:7", 50, 8)  # told again
        await quotas[1].add("user:7", 1000, 7)  # what was put has it
        assert await quotas[0].balance_usd_micros("user:7") == (350, 0)


async def test_a_rich_purse_is_charged_without_a_hold(server: Stored) -> None:
    """N18: with more than a hundred times the estimate nothing is held and the final charge is equal; else it is."""
    async with services(server, 1) as (shared_quota,):
        for quota in (shared_quota, MemoryQuota(ManualClock())):
            await quota.put("user:7", 10_000)
            trusted = Debit("user:7", trust_factor=100)
            first = await quota.reserve([], Amounts(0, 0, 99), [trusted])
            assert await quota.balance_usd_micros("user:7") == (10_000, 0)
            second = await quota.reserve([], Amounts(0, 0, 101), [trusted])
            assert await quota.balance_usd_micros("user:7") == (10_000, 101)
            await quota.settle(first, Amounts(0, 0, 90))
            await quota.settle(second, Amounts(0, 0, 100))
            assert await quota.balance_usd_micros("user:7") == (9_810, 0)


async def test_a_purse_nobody_put_is_asked_for(server: Stored) -> None:
    """Neither empty nor endless; nothing is taken meanwhile."""
    async with services(server, 1) as (quota,):
        with pytest.raises(UnknownPurse) as caught:
            await quota.reserve([Scope("k", Limits(1))], Amounts(1, 1, 5), [WALLET])
        assert caught.value.debits == (WALLET,)
        await quota.put("user:7", 5)
        await quota.reserve([Scope("k", Limits(1))], Amounts(1, 1, 5), [WALLET])


steps = st.lists(
    st.tuples(st.sampled_from(["reserve", "settle", "add"]), st.integers(0, 40), st.integers(0, 60)), max_size=25
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
async def test_the_store_counts_as_the_memory_does(server: Stored, history: list[tuple[str, int, int]]) -> None:
    """Any history within a minute: the same calls pass, the same limit refuses, the same is left."""
    scopes = [Scope("k", Limits(8, 200, 3)), Scope("g", Limits(None, None, None, 150, 120), "group")]
    async with services(server, 1) as (quota,):
        pair: tuple[Quota, Quota] = (MemoryQuota(ManualClock()), quota)
        for each in pair:
            await each.put("user:7", 100)
        held: list[tuple[Reservation, Reservation]] = []
        for entry, (verb, first, second) in enumerate(history, 1):
            if verb == "add":
                for each in pair:
                    await each.add("user:7", first, entry)
            elif verb == "settle" and held:
                both = held.pop(second % len(held))
                for each, reservation in zip(pair, both, strict=True):
                    await each.settle(reservation, Amounts(second, first, first))
            else:
                answers = [await _answer(each, scopes, Amounts(first, second, first)) for each in pair]
                assert _shown(answers[0]) == _shown(answers[1])
                if isinstance(answers[0], Reservation) and isinstance(answers[1], Reservation):
                    held.append((answers[0], answers[1]))
            assert pair[0].in_flight("k") == pair[1].in_flight("k")
            assert await pair[0].balance_usd_micros("user:7") == await pair[1].balance_usd_micros("user:7")


async def _answer(quota: Quota, scopes: list[Scope], asked: Amounts) -> Reservation | GatewayError:
    try:
        return await quota.reserve(scopes, asked, [WALLET])
    except GatewayError as error:
        return error


def _shown(answer: Reservation | GatewayError) -> object:
    if isinstance(answer, GatewayError):
        return answer.kind, answer.limit, answer.message.split("Try again")[0]
    return {amount: (each.limit, each.remaining) for amount, each in answer.standings.items()}


async def asks_again(quota: SharedQuota, scopes: list[Scope]) -> Reservation | None:
    """A place and what a service that died had reserved, once both are free."""
    try:
        return await quota.reserve(scopes, Amounts(0, 0, 60), [WALLET])
    except GatewayError:
        return None


async def test_places_of_a_service_that_died_come_back(server: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its leases are not renewed; those of a service that lives are, however long the call takes."""
    monkeypatch.setattr(shared, "LEASE_S", 3.0)
    monkeypatch.setattr(shared, "RENEW_EVERY_S", 0.1)
    scopes = [Scope("k", Limits(concurrency=2))]
    async with services(server, 3) as (dies, lives, asks):
        await asks.put("user:7", 100)
        await dies.reserve(scopes, Amounts(0, 0, 60), [WALLET])
        await lives.reserve(scopes, Amounts(0, 0, 40), [WALLET])
        with pytest.raises(GatewayError, match="calls at a time"):
            await asks.reserve(scopes, Amounts(0, 0))
        await dies.stop()
        third = await eventually(lambda: asks_again(asks, scopes), "the dead one's place and money", every_s=0.1)
        with pytest.raises(GatewayError, match="calls at a time"):
            await asks.reserve(scopes, Amounts(0, 0))
        await asks.settle(third, Amounts(0, 0, 60))
        with pytest.raises(GatewayError, match="balance"):
            await asks.reserve([], Amounts(0, 0, 1), [WALLET])


@pytest.mark.parametrize(("on_loss", "passes"), [("local", 3), ("allow", 10), ("deny", 0)])
async def test_without_the_store_the_setting_decides(server: Stored, on_loss: str, passes: int) -> None:
    """A third of nine for each of three services; everything; nothing, and then it is 503 and not 429."""
    async with services(server, 3, on_loss=on_loss) as quotas:
        server.kill()
        answers = [await _answer_of(quotas[0], Limits(9)) for _ in range(10)]
        held = [answer for answer in answers if isinstance(answer, Reservation)]
        kinds = {answer.kind for answer in answers if isinstance(answer, GatewayError)}
        assert len(held) == passes
        assert kinds == {"local": {Kind.RATE_LIMITED}, "allow": set(), "deny": {Kind.UNAVAILABLE}}[on_loss]
        for reservation in held:
            await quotas[0].settle(reservation, Amounts(1, 1))
        assert quotas[0].open_count == 0


async def _answer_of(quota: SharedQuota, limits: Limits) -> Reservation | GatewayError:
    try:
        return await quota.reserve([Scope("k", limits)], Amounts(1, 1))
    except GatewayError as error:
        return error


async def test_a_settlement_during_an_outage_is_told_afterwards(server: Stored) -> None:
    """The store hangs while a call ends; when it answers again the money is taken, once."""
    async with services(server, 1) as (quota,):
        await quota.put("user:7", 100)
        held = await quota.reserve([], Amounts(0, 0, 80), [WALLET])
        server.hang()
        with hasty(quota._store):
            await quota.settle(held, Amounts(0, 0, 30))
        assert quota.open_count == 0
        server.wake()

        async def is_told() -> bool:
            with suppress(Exception):
                return await quota.balance_usd_micros("user:7") == (70, 0)
            return False

        for _ in range(200):
            if await is_told():
                break
            await asyncio.sleep(0.1)
        assert await is_told()


async def test_a_caller_that_leaves_during_the_step_holds_nothing(server: Stored) -> None:
    """The store hangs, the caller goes; whatever the store took when it woke is given back."""
    async with services(server, 1) as (quota,):
        await quota.put("user:7", 100)
        server.hang()
        leaving = asyncio.create_task(quota.reserve([Scope("k", Limits(concurrency=1))], Amounts(0, 0, 80), [WALLET]))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        server.wake()
        for _ in range(100):
            with suppress(Exception):
                if await quota.balance_usd_micros("user:7") == (100, 0):
                    break
            await asyncio.sleep(0.1)
        await quota.reserve([Scope("k", Limits(concurrency=1))], Amounts(0, 0, 100), [WALLET])


async def _balance(quota: SharedQuota, wanted: tuple[int, int]) -> None:
    """Wait for what the store has of the wallet."""
    found: object = None
    for _ in range(200):
        with suppress(Exception):
            found = await quota.balance_usd_micros("user:7")
            if found == wanted:
                return
        await asyncio.sleep(0.05)
    assert found == wanted


@pytest.mark.parametrize(("on_loss", "passes"), [("local", 3), ("allow", 12)])
async def test_money_spent_alone_is_bounded_and_told_once(server: Stored, on_loss: str, passes: int) -> None:
    """Each of three services may spend a third of what it saw free; what it spent is taken when the store answers."""
    async with services(server, 3, on_loss=on_loss) as quotas:
        await quotas[0].put("user:7", 1000)
        first = await quotas[0].reserve([], Amounts(0, 0, 100), [WALLET])
        await quotas[0].settle(first, Amounts(0, 0, 100))
        server.hang()
        with hasty(quotas[0]._store):
            answers = await outcomes([quotas[0]], 12, [], Amounts(0, 0, 100), WALLET)
            held = [answer for answer in answers if isinstance(answer, Reservation)]
            assert len(held) == passes
            for reservation in held:
                await quotas[0].settle(reservation, Amounts(0, 0, 90))
                await quotas[0].settle(reservation, Amounts(0, 0, 90))
        assert quotas[0].open_count == 0
        assert len(quotas[0]._late) <= passes + 12  # one for each call that was asked, one for each that cost
        server.wake()
        await _balance(quotas[1], (900 - 90 * passes, 0))


async def test_a_store_that_lost_everything_takes_no_cost_twice(server: Stored) -> None:
    """The balance is read anew, with the costs in it: those told late are of a purse that is gone."""
    async with services(server, 1) as (quota,):
        await quota.put("user:7", 1000)
        held = await quota.reserve([], Amounts(0, 0, 100), [WALLET])
        server.kill()
        alone = await quota.reserve([], Amounts(0, 0, 100), [WALLET])
        await quota.settle(held, Amounts(0, 0, 100))
        await quota.settle(alone, Amounts(0, 0, 100))
        for _ in range(50):
            with pytest.raises(GatewayError):
                await quota.reserve([], Amounts(0, 0, 2000), [WALLET])
        assert len(quota._late) <= 3  # calls that nobody was asked about leave nothing to tell
        server.revive()
        assert await quota._store.ready(PATIENCE_S)
        await quota.put("user:7", 800)  # as the database has it after both
        for _ in range(100):
            if not quota._late:
                break
            await asyncio.sleep(0.05)
        assert not quota._late
        assert await quota.balance_usd_micros("user:7") == (800, 0)


def test_a_share_is_at_least_one() -> None:
    """Two calls a minute for three services are one each, not none."""
    assert share(Limits(2, 90, None), 3) == Limits(1, 30, None)
