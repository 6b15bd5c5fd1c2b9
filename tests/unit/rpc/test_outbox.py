"""The outgoing queue: one batch per write, bounded, fair, and never stuck."""

from __future__ import annotations

import asyncio

import pytest

from gateway.rpc.outbox import Outbox, OutboxClosed
from tests.support.waiting import PATIENCE_S


class Stream:
    """A writer that holds each batch until allowed on."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.gate = asyncio.Semaphore(0)

    async def write(self, batch: bytes) -> None:
        self.batches.append(batch)
        await self.gate.acquire()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_queues_while_the_stream_is_busy_leaves_as_one_batch() -> None:
    """The first chunk leaves alone, all later ones together, notices in front and only the newest of a name."""
    outbox, stream = Outbox(1000), Stream()
    writer = asyncio.create_task(outbox.drive(stream.write))
    await outbox.put(b"a")
    await settle()
    for chunk in (b"b", b"c", b"d"):
        await outbox.put(chunk)
    outbox.notify("settings", b"1")
    outbox.notify("settings", b"2")
    stream.gate.release()
    await settle()
    assert stream.batches == [b"a", b"2bcd"]
    assert outbox.used_bytes == 0
    writer.cancel()


async def test_queued_bytes_stay_bounded_and_turns_are_fair() -> None:
    """50 senders of 100 chunks never hold more than limit + 1 chunk; no sender is two queuefuls behind."""
    outbox, seen_bytes, order = Outbox(100), [0], bytearray()

    async def write(batch: bytes) -> None:
        seen_bytes.append(max(len(batch), outbox.used_bytes))
        order.extend(batch)
        await asyncio.sleep(0)

    async def send(name: int) -> None:
        for _ in range(100):
            await outbox.put(bytes([name]) * 30)

    writer = asyncio.create_task(outbox.drive(write))
    await asyncio.gather(*[send(name) for name in range(50)])
    outbox.close()
    await writer
    assert len(order) == 50 * 100 * 30
    assert max(seen_bytes) < 100 + 30
    counts = [0] * 50
    for name in order[::30]:
        counts[name] += 1
        assert max(counts) - min(counts) <= 8  # two queuefuls, not more


@pytest.mark.parametrize("is_granted", [False, True])
async def test_a_sender_that_gives_up_in_line_leaves_no_hole(is_granted: bool) -> None:
    """Cancelling while in line, even just after the turn came, gives the room to the next."""
    outbox, stream = Outbox(10), Stream()
    await outbox.put(b"x" * 10)
    first = asyncio.create_task(outbox.put(b"1" * 10))
    second = asyncio.create_task(outbox.put(b"2" * 10))
    await settle()
    writer = asyncio.create_task(outbox.drive(stream.write))
    if is_granted:
        await asyncio.sleep(0)  # the writer took x and gave the turn to the first, which did not run yet
    first.cancel()
    stream.gate.release()
    stream.gate.release()
    await settle()
    assert second.done()
    assert not second.cancelled()
    assert b"".join(stream.batches) == b"x" * 10 + b"2" * 10
    assert outbox.used_bytes == 0
    writer.cancel()


async def test_close_sends_what_is_queued_and_refuses_the_rest() -> None:
    """Queued chunks still leave; those in line and later ones raise OutboxClosed; the writer ends."""
    outbox, stream = Outbox(10), Stream()
    await outbox.put(b"x" * 10)
    in_line = asyncio.create_task(outbox.put(b"y"))
    await settle()
    outbox.close()
    stream.gate.release()
    await asyncio.wait_for(outbox.drive(stream.write), PATIENCE_S)
    assert stream.batches == [b"x" * 10]
    with pytest.raises(OutboxClosed):
        await in_line
    with pytest.raises(OutboxClosed):
        await outbox.put(b"z")
    assert not outbox.try_put(b"z")
    outbox.force(b"z")
    assert outbox.used_bytes == 0


async def test_nobody_overtakes_a_sender_whose_turn_has_come() -> None:
    """Room that was given to a waiting sender is its own also before its task runs: calls are opened in order."""
    outbox, written, overtaken = Outbox(4), bytearray(), list[bool]()

    async def write(batch: bytes) -> None:
        written.extend(batch)
        if batch == b"aaaa":  # there is room again, and the sender of "b" has not run
            overtaken.append(outbox.try_put(b"c"))

    await outbox.put(b"aaaa")
    waiting = asyncio.create_task(outbox.put(b"b"))
    await settle()
    writer = asyncio.create_task(outbox.drive(write))
    await waiting
    assert outbox.try_put(b"d")
    await settle()
    assert overtaken == [False]
    assert bytes(written) == b"aaaabd"
    writer.cancel()
