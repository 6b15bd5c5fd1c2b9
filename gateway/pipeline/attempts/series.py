"""The attempts of one call, one after the other, until one answers: retry, fallback, and the promise made once.

Rules:
    - Until the first content a failure moves on to another attempt; afterwards it ends the call.
    - What follows a failure is decided in after.py; a retry costs the budget, a fallback does not.
    - Each attempt works from the same unchanged request and is closed before the next begins.
Not here:
    - Which candidates, in which order (routing.plan); one attempt (attempt.py); what is done for an answer that fails
      after its first content (rescued.py); racing two attempts (hedged.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from gateway.config.catalogue import Deployment
from gateway.config.schema.rescue import Hedge
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.attempts.after import hopeless, is_final, may_follow, quickest_of, retry_wait_s
from gateway.pipeline.attempts.attempt import Attempt
from gateway.pipeline.attempts.hedged import Race, rival_of
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress
from gateway.rpc.contract import Batch


class Attempts:
    """The attempts of one call. `first` once, then `next` until it gives nothing, then `close` in any case.

    All raise GatewayError; a cancelled wait leaves `close` to be called.
    """

    __slots__ = ("_attempt", "_kit", "_progress")

    def __init__(self, kit: Kit, progress: Progress) -> None:
        self._kit = kit
        self._progress = progress
        self._attempt: Attempt | None = None

    async def first(self, order: Order) -> Batch:
        """The first events of the first attempt that answers; they hold the first content. `order` is not kept."""
        progress = self._progress
        candidates = progress.plan.candidates if progress.plan else ()
        if order.is_timed:
            self._check_time(order, candidates)
        batch = await self._try_all(order, candidates)
        progress.commit()
        return batch

    def next(self) -> Awaitable[Batch | None]:
        """More events as they come; None when the answer is complete."""
        if self._attempt is None:
            raise AssertionError("next comes after first")
        return self._attempt.next()

    async def close(self, outcome: str, cause: str = "") -> None:
        """End the last attempt, if one is open: read counters, close the connection. The second call does nothing."""
        if self._attempt is not None:
            await self._end(outcome, cause, self._progress.error)

    async def _try_all(self, order: Order, candidates: tuple[Deployment, ...], kind: str = "") -> Batch:
        """Try candidates in order until one answers; raises the last failure."""
        failure: GatewayError | None = None
        failed: Deployment | None = None
        for place, deployment in enumerate(candidates, 1):
            if failure is not None and failed is not None:
                if self._is_too_late(order):
                    break
                if not may_follow(deployment, failed, failure, order.entry):
                    continue
            if place < len(candidates) and self._is_refused(deployment):
                continue
            for number in range(order.entry.attempts_max):
                try:
                    return await self._begin(order, deployment, kind)
                except GatewayError as error:
                    await self._end_failed(error)
                    if is_final(error, order.entry):
                        raise
                    failure, failed = error, deployment
                wait_s = self._retry_in_s(order, deployment, failure, number, has_more=place < len(candidates))
                if wait_s is None:
                    break
                await asyncio.sleep(wait_s)
        raise failure or GatewayError(Kind.UNAVAILABLE, f"No deployment of model `{order.model}` can be used now.")

    def _check_time(self, order: Order, candidates: tuple[Deployment, ...]) -> None:
        """Refuse at once what no candidate can make. Raises GatewayError DEADLINE_EXCEEDED."""
        now_s = self._kit.transport.loop.time()
        quickest_s = quickest_of(candidates, self._kit.board, now_s)
        if quickest_s is not None and now_s + quickest_s >= order.deadline_s:
            raise hopeless(order.deadline_s - now_s, quickest_s)

    def _is_too_late(self, order: Order, wait_s: float = 0.0) -> bool:
        """Whether an attempt after this wait would have less time than an answer needs."""
        return self._kit.transport.loop.time() + wait_s + order.entry.deadline_min_s >= order.deadline_s

    def _is_refused(self, deployment: Deployment) -> bool:
        return self._kit.board.refusal(deployment, self._kit.transport.loop.time()) is not None

    def _begin(self, order: Order, deployment: Deployment, kind: str) -> Awaitable[Batch]:
        """The first events of one attempt; one layer less on the way of every call."""
        if order.entry.hedge is not None and order.method.is_stream and not self._progress.tries:
            return self._raced(order, deployment, order.entry.hedge)
        self._attempt = attempt = Attempt(self._kit, self._progress, deployment, kind)
        return attempt.begin(order)

    async def _raced(self, order: Order, deployment: Deployment, hedge: Hedge) -> Batch:
        """The first attempt, against another one where its first token is late."""
        kit, plan = self._kit, self._progress.plan
        kit.hedges.earn(hedge.budget_percent)
        candidates = plan.candidates if plan is not None else ()
        rival = rival_of(deployment, candidates, hedge, kit.board, kit.transport.loop.time())
        if rival is None:
            self._attempt = attempt = Attempt(kit, self._progress, deployment)
            return await attempt.begin(order)
        race = Race(kit, self._progress, order)
        try:
            return await race.run(deployment, *rival)
        finally:
            self._attempt = race.winner

    def _retry_in_s(
        self, order: Order, deployment: Deployment, failure: GatewayError, number: int, *, has_more: bool
    ) -> float | None:
        """Seconds to wait before the same deployment is tried again; None = go on to the next one."""
        wait_s = retry_wait_s(order.entry, failure, number, self._kit.draw(), has_more=has_more)
        if wait_s is None or self._is_too_late(order, wait_s):
            return None  # the caller is told what failed, not that a time passed which did not
        is_told = failure.kind is Kind.PROVIDER_RATE_LIMITED or failure.retry_after_s is not None
        if not is_told and self._is_refused(deployment):
            return None  # it fails for others, too
        return wait_s if self._kit.budget.take() else None

    async def _end_failed(self, failure: GatewayError) -> None:
        await self._end(failure.kind.name.lower(), failure.cause, failure)

    async def _end(self, outcome: str, cause: str, failure: GatewayError | None) -> None:
        """The current attempt is over: its counters are the call's, its connection is closed."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        await attempt.close(outcome, cause, failure)
        record, progress = attempt.record, self._progress
        progress.usage, progress.output_chars, progress.chunks = record.usage, record.output_chars, record.chunks
