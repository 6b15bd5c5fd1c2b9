"""The answer of a call whose model has a cache: one that was kept, one that others read too, or one of its own.

Rules:
    - Stands in the place of `Attempts`: `first` once, then `next` until it gives nothing, then `close` in any case.
    - Only an answer that was given to its end is kept; nothing of a failure, a cut stream, a stream that may begin
      anew, or (unless allowed) one that calls tools.
    - A kept answer is given as it was: same events, same ids, same usage in it. It cost nothing: the call counts as a
      request, and no tokens or money are settled for it (`progress.is_free`).
    - Readers of a shared answer each have their own deadline; one of them settles it, the others are free.
    - A caller's `off` leaves all of this out; `refresh` makes a new answer and keeps it.
Not here:
    - Keys, bytes, memory, sharing (cache).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import fields, replace
from typing import Any, Protocol

from gateway.accounts.keys import Identity
from gateway.cache.flight import Flight, Reader
from gateway.cache.key import key_of
from gateway.cache.recording import Recording, read
from gateway.config.caching import CacheRules
from gateway.core import freshness
from gateway.core.errors import GatewayError
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.start import attempts_for
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress
from gateway.providers.transport import deadline_exceeded
from gateway.routing.plan import Plan
from gateway.rpc.contract import Batch, CallContext

HIT, MISS, SHARED = "hit", "miss", "shared"
_RESTRICTIONS = ("rule ", "split ")  # as routing.plan says them


class Answering(Protocol):
    """What run.py asks for an answer."""

    async def first(self, order: Order) -> Batch:
        """The first events; they hold the first content."""
        ...

    def next(self) -> Awaitable[Batch | None]:
        """More events as they come; None when the answer is complete."""
        ...

    async def close(self, outcome: str, cause: str = "") -> None:
        """End it, whatever state it is in."""
        ...


async def answering(kit: Kit, order: Order, context: CallContext, progress: Progress) -> Answering:
    """Where the answer of this call comes from. Never fails for the cache's sake."""
    entry = order.entry
    rules = entry.cache
    if rules is None or progress.identity is None:
        return attempts_for(kit, progress, order)
    wish = context.headers.get(freshness.HEADER, "")
    if wish == freshness.OFF or order.takes_restart:
        kit.answers.counted(entry.slug, freshness.OFF)
        return attempts_for(kit, progress, order)
    choices = choices_of(progress.plan) if entry.choice is not None else ()
    key = key_of(order.method, order.request, tenant_of(progress.identity, rules.tenant), rules.salt, choices)
    if rules.is_kept and wish != freshness.REFRESH:
        data = await kit.answers.find(key)
        if data is not None and (kept := _replayed(data, order, progress)) is not None:
            kit.answers.counted(entry.slug, HIT)
            return kept
    progress.cache = MISS
    if rules.is_shared and wish != freshness.REFRESH:
        return Sharing(kit, key, rules, progress)
    kit.answers.counted(entry.slug, MISS)
    return Keeping(kit, key, rules, progress, attempts_for(kit, progress, order))


def choices_of(plan: Plan | None) -> list[str]:
    """What sent this call elsewhere than another with the same request: a rule, an arm. Not what is broken or busy."""
    return [text for text in plan.because if text.startswith(_RESTRICTIONS)] if plan is not None else []


def tenant_of(identity: Identity, kind: str) -> str:
    """Whose answers a caller is given: of its user or group where the model says so and it has one, else of its key."""
    if kind == "user" and identity.user_id:
        return f"user:{identity.user_id}"
    if kind == "group" and identity.group:
        return f"group:{identity.group}"
    return f"key:{identity.key_id}"


def _replayed(data: bytes, order: Order, progress: Progress) -> Replayed | None:
    try:
        recorded = read(data, order.method.reply)
    except ValueError:
        return None
    progress.cache, progress.is_free, progress.left_out = HIT, True, recorded.left_out
    return Replayed(recorded.batches, progress)


class Replayed:
    """An answer that was kept."""

    __slots__ = ("_batches", "_progress")

    def __init__(self, batches: list[Batch], progress: Progress) -> None:
        self._batches = batches[::-1]
        self._progress = progress

    async def first(self, order: Order) -> Batch:
        """Its first batch."""
        self._progress.commit()
        batch = await self.next()
        if batch is None:
            raise AssertionError("a recording holds at least one batch")
        return batch

    async def next(self) -> Batch | None:
        """Its next batch."""
        if not self._batches:
            return None
        batch = self._batches.pop()
        self._progress.chunks += len(batch)
        return batch

    async def close(self, outcome: str, cause: str = "") -> None:
        """Nothing is open."""


class Keeping:
    """The attempts of a call, whose answer is kept when it is complete."""

    __slots__ = ("_attempts", "_key", "_kit", "_progress", "_recording", "_rules")

    def __init__(self, kit: Kit, key: bytes, rules: CacheRules, progress: Progress, attempts: Answering) -> None:
        self._kit = kit
        self._key = key
        self._rules = rules
        self._progress = progress
        self._attempts = attempts
        self._recording = Recording(rules.entry_max_bytes, has_tool_calls=rules.has_tool_calls)
        if not rules.is_kept:
            self._recording.drop()

    async def first(self, order: Order) -> Batch:
        """As Attempts.first."""
        batch = await self._attempts.first(order)
        self._recording.add(batch)
        return batch

    async def next(self) -> Batch | None:
        """As Attempts.next; after the last batch the answer is kept."""
        batch = await self._attempts.next()
        if batch is not None:
            self._recording.add(batch)
        elif not self._recording.is_dropped:
            self._keep()
        return batch

    async def close(self, outcome: str, cause: str = "") -> None:
        """As Attempts.close."""
        await self._attempts.close(outcome, cause)

    def _keep(self) -> None:
        kit, ttl_s = self._kit, self._rules.ttl_s
        data = self._recording.whole(kit.clock.wall_s() + ttl_s, self._progress.left_out)
        self._recording.drop()
        rest = kit.answers.keep(self._key, data, ttl_s)
        if rest is not None:
            kit.spawn(rest)


class Sharing:
    """One reader of an answer that other calls of the same key read, too."""

    __slots__ = ("_deadline_s", "_flight", "_key", "_kit", "_progress", "_reader", "_rules")

    def __init__(self, kit: Kit, key: bytes, rules: CacheRules, progress: Progress) -> None:
        self._kit = kit
        self._key = key
        self._rules = rules
        self._progress = progress
        self._deadline_s = 0.0
        self._flight: Flight[_Upstream] | None = None
        self._reader: Reader | None = None

    async def first(self, order: Order) -> Batch:
        """The first batch of an answer under way, or of a new one that others may join."""
        progress, self._deadline_s = self._progress, order.deadline_s
        flight = self._kit.answers.flights.get(self._key)
        if flight is None:
            flight = self._begin(order)
        else:
            progress.cache = SHARED
        self._kit.answers.counted(order.entry.slug, progress.cache)
        self._flight, self._reader = flight, flight.join()
        del order
        batch = await self.next()
        if batch is None:
            raise AssertionError("an answer holds at least one batch")
        self._take_over(flight)
        return batch

    async def next(self) -> Batch | None:
        """The next batch, until this call's own deadline."""
        if self._reader is None:
            raise AssertionError("next comes after first")
        try:
            async with asyncio.timeout_at(self._deadline_s):
                batch = await self._reader.next()
        except TimeoutError:
            raise deadline_exceeded() from None
        if batch and not self._progress.is_committed:  # a buffered answer has nothing in it at first
            self._progress.commit()
        return batch

    async def close(self, outcome: str, cause: str = "") -> None:
        """Leave; the last one ends the upstream call. The second call does nothing."""
        flight, reader = self._flight, self._reader
        if flight is None or reader is None:
            return
        self._reader = None
        is_payer = await flight.leave(reader)
        self._take_over(flight)
        self._progress.is_free = not is_payer

    def _begin(self, order: Order) -> Flight[_Upstream]:
        flights, key = self._kit.answers.flights, self._key
        upstream = _Upstream(self._kit, key, self._rules, self._progress, order)

        def forget() -> None:
            if flights.get(key) is flight:
                del flights[key]

        flight = flights[key] = Flight(upstream, self._rules.share_max_bytes, forget)
        latest_s = self._kit.transport.loop.time() + self._kit.runtime.config.policies.deadline_max_s
        flight.start(upstream.first(order._replace(deadline_s=latest_s)))
        return flight

    def _take_over(self, flight: Flight[_Upstream]) -> None:
        """What the record of this call says of the shared one."""
        theirs, mine = flight.source.progress, self._progress
        mine.tries, mine.left_out, mine.is_held = theirs.tries, theirs.left_out, theirs.is_held
        mine.usage, mine.output_chars, mine.chunks = theirs.usage, theirs.output_chars, theirs.chunks


class _Upstream(Keeping):
    """The attempts behind a shared answer, with a record of their own: no reader's end is theirs."""

    __slots__ = ("progress",)

    def __init__(self, kit: Kit, key: bytes, rules: CacheRules, progress: Progress, order: Order) -> None:
        lists: dict[str, Any] = {f.name: [] for f in fields(progress) if isinstance(getattr(progress, f.name), list)}
        self.progress = replace(progress, **lists)
        super().__init__(kit, key, rules, self.progress, attempts_for(kit, self.progress, order))

    async def first(self, order: Order) -> Batch:
        """As Attempts.first; a failure is noted for its deployment."""
        try:
            return await super().first(order)
        except GatewayError as failure:
            self.progress.error = failure
            raise

    async def next(self) -> Batch | None:
        """As Attempts.next; a failure is noted for its deployment."""
        try:
            return await super().next()
        except GatewayError as failure:
            self.progress.error = failure
            raise
