"""One upstream answer and several readers: who waits for whom, who is ended, who pays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from gateway.cache.flight import Flight, Reader, size_of
from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Batch
from tests.support.waiting import PATIENCE_S, eventually


class Scripted:
    """An upstream whose batches come when they are asked for, each after `gate` was opened; then it fails, or ends."""

    def __init__(self, batches: int, failure: GatewayError | None = None, size: int = 100) -> None:
        self.batches, self.failure, self.size = batches, failure, size
        self.given = 0
        self.closed: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def next(self) -> Batch | None:
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.given == self.batches:
            if self.failure is not None:
                raise self.failure
            return None
        self.given += 1
        return [f"{self.given:>{self.size}}"]

    async def first(self) -> Batch:
        batch = await self.next()
        assert batch is not None
        return batch

    async def close(self, outcome: str, cause: str = "") -> None:
        await asyncio.sleep(0)
        self.closed.append((outcome, cause))


def flight_of(source: Scripted, keep_max_bytes: int = 1_000_000) -> tuple[Flight[Scripted], list[str]]:
    """A flight under way, and how often it said that nobody may join."""
    full: list[str] = []
    flight = Flight(source, keep_max_bytes, lambda: full.append("full"))
    flight.start(source.first())
    return flight, full


async def rest(reader: Reader) -> list[str]:
    """Everything a reader gets."""
    found: list[str] = []
    while (batch := await reader.next()) is not None:
        found += [str(event).strip() for event in batch]
    return found


async def within(work: Awaitable[object]) -> object:
    """Bounded."""
    async with asyncio.timeout(PATIENCE_S):
        return await work


async def test_every_reader_gets_everything_also_a_late_one() -> None:
    """Two from the beginning, one from the middle: the same batches in the same order; one pays."""
    source = Scripted(50)
    flight, full = flight_of(source)
    readers = [flight.join(), flight.join()]
    for _ in range(20):
        await readers[0].next()
    assert flight.is_joinable
    readers.append(flight.join())
    found = await asyncio.gather(*(rest(reader) for reader in readers))
    whole = [str(number) for number in range(1, 51)]
    assert [found[0], *found[1:]] == [whole[20:], whole, whole]
    assert not flight.is_joinable
    assert full
    assert [await flight.leave(reader) for reader in readers] == [True, False, False]
    assert source.closed == [("complete", "")]


async def test_nothing_is_read_while_nobody_wants_more() -> None:
    """The upstream is at most one batch ahead of its fastest reader."""
    source = Scripted(1000)
    flight, _ = flight_of(source)
    reader = flight.join()
    for taken in range(1, 30):
        await reader.next()
        for _ in range(20):
            await asyncio.sleep(0)
        assert source.given <= taken + 1
    assert await flight.leave(reader)
    assert source.closed == [("cancelled", "")]


async def test_a_slow_reader_is_ended_and_holds_up_nobody() -> None:
    """Past the bound the slow one gets STALLED_READER, the fast one everything; memory stays within the bound."""
    source = Scripted(500)
    flight, _ = flight_of(source, keep_max_bytes=10 * size_of("x" * 100))
    slow, fast = flight.join(), flight.join()
    assert await slow.next()
    found = await within(rest(fast))
    assert len(found) == 500
    assert len(flight._kept) <= 10
    with pytest.raises(GatewayError) as raised:
        await slow.next()
    assert raised.value.kind is Kind.STALLED_READER
    assert not await flight.leave(slow) or await flight.leave(fast) is False


async def test_a_reader_within_the_bound_is_never_ended() -> None:
    """However slow: what is kept waits for it."""
    source = Scripted(50)
    flight, _ = flight_of(source)
    slow, fast = flight.join(), flight.join()
    await rest(fast)
    await flight.leave(fast)
    assert len(await rest(slow)) == 50


async def test_one_reader_alone_is_never_too_slow() -> None:
    """Its upstream waits for it, whatever the bound."""
    source = Scripted(300)
    flight, _ = flight_of(source, keep_max_bytes=1)
    reader = flight.join()
    for _ in range(5):
        await asyncio.sleep(0.01)
        assert await reader.next()
    assert len(await rest(reader)) == 295


async def test_who_leaves_ends_nothing_for_the_others() -> None:
    """The first reader goes in the middle; the second gets all and pays."""
    source = Scripted(20)
    flight, _ = flight_of(source)
    first, second = flight.join(), flight.join()
    await first.next()
    assert not await flight.leave(first)
    assert len(await rest(second)) == 20
    assert await flight.leave(second)


@pytest.mark.parametrize("started", [0, 3])
async def test_the_last_one_to_leave_ends_it_and_pays(started: int) -> None:
    """Also before the first step of the upstream: closed once, when `leave` returns, and nobody may join any more."""
    source = Scripted(20)
    flight, full = flight_of(source)
    readers = [flight.join() for _ in range(3)]
    for _ in range(started):
        await readers[0].next()
    source.gate.clear()
    assert [await within(flight.leave(reader)) for reader in readers] == [False, False, True]
    assert source.closed == [("cancelled", "")]
    assert full
    assert flight.is_over


async def test_a_cancelled_wait_loses_nothing() -> None:
    """A reader whose wait was cancelled goes on with the batch it waited for."""
    source = Scripted(3)
    flight, _ = flight_of(source)
    reader = flight.join()
    await reader.next()
    source.gate.clear()
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    source.gate.set()
    assert await rest(reader) == ["2", "3"]


async def test_a_failure_is_told_to_each_reader_as_its_own() -> None:
    """After what came whole; each gets an error of its own, so that headers and trailers do not mix."""
    failure = GatewayError(Kind.STREAM_CUT, "cut", cause="reset")
    source = Scripted(3, failure)
    flight, _ = flight_of(source)
    readers = [flight.join(), flight.join()]
    errors = []
    for reader in readers:
        for _ in range(3):
            assert await reader.next()
        with pytest.raises(GatewayError) as raised:
            await reader.next()
        errors.append(raised.value)
    assert {(error.kind, error.message, error.cause) for error in errors} == {(Kind.STREAM_CUT, "cut", "reset")}
    assert errors[0] is not errors[1]
    assert failure not in errors
    assert source.closed == [("stream_cut", "reset")]
    assert [await flight.leave(reader) for reader in readers] == [True, False]


async def test_a_bug_is_an_error_of_everybody_not_a_wait_for_ever() -> None:
    """Whatever the upstream raises, readers are told INTERNAL and the source is closed."""
    source = Scripted(0)
    flight, _ = flight_of(source)
    reader = flight.join()
    with pytest.raises(GatewayError) as raised:
        await within(reader.next())
    assert raised.value.kind is Kind.INTERNAL
    await eventually(lambda: source.closed)
    assert await flight.leave(reader)
