"""A race for the first token: a second attempt on the next deployment when the first one is late.

Rules:
    - Late is later than the deployment's own 95th percentile, and than `delay_min_s`; before that percentile is known
      nothing is raced.
    - Second attempts are a bounded share of calls (`budget_percent`); none costs more than `price_max_factor` times.
    - The first content wins. The other attempt is cancelled, closed and kept in the record as `hedge_lost`; it is no
      fault of its deployment. One that fails leaves the race to the other.
    - Whatever happens, also a cancel, no attempt is left open.
Not here:
    - What follows when both failed (series.py); who pays for retries (routing.budget).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from gateway.config.catalogue import Deployment
from gateway.config.schema.rescue import Hedge
from gateway.core.errors import GatewayError
from gateway.pipeline.attempts.attempt import Attempt
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress
from gateway.routing.board import Board
from gateway.rpc.contract import Batch

KIND, LOST, CANCELLED = "hedge", "hedge_lost", "cancelled"


def rival_of(
    first: Deployment, candidates: Iterable[Deployment], hedge: Hedge, board: Board, now_s: float
) -> tuple[Deployment, float] | None:
    """Who is raced against `first`, and after how many seconds; None = nobody."""
    late_s = board.ttft_p95_s(first)
    if late_s is None:
        return None
    for other in candidates:
        if other is not first and _is_affordable(other, first, hedge) and board.refusal(other, now_s) is None:
            return other, max(hedge.delay_min_s, late_s)
    return None


def _is_affordable(other: Deployment, first: Deployment, hedge: Hedge) -> bool:
    """An unknown price is not compared."""
    if other.pricing is None or first.pricing is None:
        return True
    factor = hedge.price_max_factor
    dearest = (other.pricing.input_usd_per_million, other.pricing.output_usd_per_million)
    bounds = (first.pricing.input_usd_per_million, first.pricing.output_usd_per_million)
    return all(float(price) <= float(bound) * factor for price, bound in zip(dearest, bounds, strict=True))


class Race:
    """The attempts of one race. `run` gives the winner's first events, `winner` the attempt; it is the caller's then.

    When all fail, `winner` is the first attempt, still to be closed, and its failure is raised.
    """

    def __init__(self, kit: Kit, progress: Progress, order: Order) -> None:
        self._kit = kit
        self._progress = progress
        self._order = order
        self._running: dict[asyncio.Task[Batch], Attempt] = {}
        self.winner: Attempt | None = None

    async def run(self, first: Deployment, rival: Deployment, late_s: float) -> Batch:
        """Race them. Raises GatewayError, the first attempt's."""
        leader = self._enter(first, "")
        try:
            done, _ = await asyncio.wait(self._running, timeout=late_s)
            if not done:
                self._second(rival)
            return await self._decided(leader)
        finally:
            await self._end_losers()

    def _second(self, rival: Deployment) -> None:
        if self._kit.hedges.take():
            self._enter(rival, KIND)
        else:
            self._kit.metrics.hedged("denied")

    def _enter(self, deployment: Deployment, kind: str) -> Attempt:
        attempt = Attempt(self._kit, self._progress, deployment, kind)
        self._running[asyncio.get_running_loop().create_task(attempt.begin(self._order))] = attempt
        return attempt

    async def _decided(self, leader: Attempt) -> Batch:
        is_raced = len(self._running) > 1
        failure: GatewayError | None = None
        while self._running:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda each: self._running[each] is not leader):
                attempt = self._running.pop(task)
                try:
                    batch = task.result()
                except GatewayError as error:
                    if attempt is leader:
                        failure = error
                        if not self._running:
                            self.winner = leader
                            raise
                    await attempt.close(error.kind.name.lower(), error.cause, error)
                    continue
                self._won(attempt, is_raced=is_raced)
                return batch
        self.winner = leader
        raise failure or AssertionError("a race of nobody")

    def _won(self, attempt: Attempt, *, is_raced: bool) -> None:
        self.winner = attempt
        tries = self._progress.tries
        tries.remove(attempt.record)
        tries.append(attempt.record)  # the attempt that answers is the last one
        if is_raced:
            self._kit.metrics.hedged("won" if attempt.record.kind == KIND else "lost")

    async def _end_losers(self) -> None:
        losers, self._running = self._running, {}
        for task in losers:
            task.cancel()
        try:
            if losers:
                await asyncio.wait(losers)
        finally:
            for task, attempt in losers.items():
                if task.done() and not task.cancelled():
                    task.exception()  # looked at, so that nobody is told of it
                await attempt.close(CANCELLED if self.winner is None else LOST)
