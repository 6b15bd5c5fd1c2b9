"""An answer that fails after its first content, and what its model's `rescue` list does about it.

Rules:
    - The means are tried in the order of the list, each on the other candidates first and on the failed one last;
      `rescue_attempts_max` bounds them all, and further content starts the list anew.
    - continue: another attempt is asked to go on from the delivered text; only text, only where it is accepted.
      splice: another attempt answers from the beginning, and what follows the delivered part is given on.
      restart: another answer from the beginning after an event that says so, if the caller asked for that.
      buffer: nothing is given before the answer is complete, up to `rescue_max_bytes`.
    - When nothing works the caller is told the first failure, not that of a rescue. Nobody is asked for a caller that
      left, or against an open breaker while another candidate is there.
    - The caller's usage is of what was delivered, once; what each attempt was billed stays with its record.
Not here:
    - What was delivered, and the rest of it (delivered.py, following.py).
    - Failures before the first content (series.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment, Rescue
from gateway.core.errors import Fault, GatewayError, Kind
from gateway.pipeline.attempts.after import rotated
from gateway.pipeline.attempts.attempt import COMPLETE
from gateway.pipeline.attempts.delivered import Delivered
from gateway.pipeline.attempts.following import Following, Mismatch
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.prefill import can_continue, continued
from gateway.pipeline.attempts.series import Attempts
from gateway.pipeline.attempts.shapes import asked_of
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import End, Progress
from gateway.quota.estimate import tokens_of_text
from gateway.rpc.contract import Batch
from gateway.wire.pb import types_pb2

MISMATCH = "mismatch"
_COUNT_MAX = 2**60


class Rescued(Attempts):
    """The attempts of one stream, whose answer may be rescued; see Attempts."""

    __slots__ = (
        "_carried_tokens", "_delivered", "_fault", "_following", "_held", "_is_over", "_left", "_options", "_order",
        "_reported", "_rules", "_seen_chars",
    )  # fmt: skip

    def __init__(self, kit: Kit, progress: Progress, rules: Rescue) -> None:
        super().__init__(kit, progress)
        self._rules = rules
        self._delivered = Delivered(rules.max_bytes)
        self._order: Order | None = None
        self._following: Following | None = None  # None = events pass as they are
        self._held: Batch | None = None  # what a buffered answer has so far
        self._is_over = False
        self._left = rules.attempts_max
        self._options: Iterator[tuple[str, Deployment]] = iter(())
        self._fault: GatewayError | None = None
        self._seen_chars = -1
        self._reported: types_pb2.Usage | None = None
        self._carried_tokens = 0  # delivered before the continuation that runs

    async def first(self, order: Order) -> Batch:
        """As Attempts.first, but `order` is kept; empty where the answer is buffered."""
        self._order = order = order._replace(asked=asked_of(order))
        batch = await super().first(order)
        if "buffer" in self._rules.means:
            self._held = batch
            self._progress.is_committed, self._progress.is_held = False, True
            return []
        self._delivered.take(batch)
        return batch

    async def next(self) -> Batch | None:
        """As Attempts.next; a failure is raised only when no means mends it."""
        if self._held is not None:
            return await self._buffered()
        while not self._is_over:
            try:
                batch = await self._more()
            except (GatewayError, Mismatch) as failure:
                if self._delivered.is_finished:  # only the end mark is missing
                    break
                batch = await self._rescue(failure)
            if batch:
                self._delivered.take(batch)
                return batch
        self._is_over = True
        return None

    async def _more(self) -> Batch:
        """The attempt's next events as the caller gets them; the last ones when `_is_over`."""
        batch = None if self._attempt is None else await self._attempt.next()
        if batch is None:
            self._is_over = True
            return []
        return batch if self._following is None else self._rest(self._following, batch)

    def _rest(self, following: Following, batch: Batch) -> Batch:
        events = following.rest(batch)
        for chunk in cast("list[Any]", events):
            if chunk.HasField("usage"):
                chunk.usage.CopyFrom(self._usage_of(chunk.usage))
        return events

    async def _rescue(self, failure: GatewayError | Mismatch) -> Batch:
        """The events of the first means that works; may be none yet. Raises the failure when there is none."""
        failed = await self._end_broken(failure)
        if self._seen_chars != self._delivered.chars:  # it is the first failure, or a rescue that got on
            if isinstance(failure, GatewayError):
                self._fault = failure
            self._seen_chars = self._delivered.chars
            self._options = self._ways(failed)
        order, fault = self._order, self._fault
        if order is None or fault is None or not self._is_worth(fault):
            raise fault or GatewayError(Kind.STREAM_CUT, "The stream could not be gone on with.")
        for means, deployment in self._options:
            if not self._may_try(order, deployment, failed):
                continue
            self._left -= 1
            try:
                return await self._try(means, order, deployment)
            except (GatewayError, Mismatch) as error:
                await self._end_broken(error)
        raise fault

    def _is_worth(self, fault: GatewayError) -> bool:
        """Whether the provider failed, and somebody still waits for the answer."""
        return fault.row.fault is Fault.PROVIDER and self._progress.end is not End.CANCELLED

    def _may_try(self, order: Order, deployment: Deployment, failed: Deployment | None) -> bool:
        """Whether attempts, time and, for the same deployment again, the budget are left."""
        now_s = self._kit.transport.loop.time()
        if self._left <= 0 or now_s + order.entry.deadline_min_s >= order.deadline_s:
            return False
        return deployment is not failed or self._kit.budget.take()

    def _ways(self, failed: Deployment | None) -> Iterator[tuple[str, Deployment]]:
        """The means of the list that can be tried, each with the deployments for it."""
        plan, order = self._progress.plan, self._order
        candidates = plan.candidates if plan is not None else ()
        if failed is not None:
            candidates = rotated(candidates, failed)
        candidates = tuple(each for each in candidates if not self._is_refused(each)) or candidates
        for means in self._rules.means:
            if order is not None and self._is_possible(means, order):
                yield from ((means, each) for each in candidates if means != "continue" or each.accepts_prefill)

    def _is_possible(self, means: str, order: Order) -> bool:
        if means == "continue":
            return can_continue(order, self._delivered)
        if means == "splice":
            return self._delivered.is_kept
        return means == "restart" and order.takes_restart

    async def _try(self, means: str, order: Order, deployment: Deployment) -> Batch:
        delivered = self._delivered
        following: Following | None = None
        if means == "continue":
            text = delivered.text or ""
            order, blanks = continued(order, text, deployment), text[len(text.rstrip()) :]
            following = Following.continuation(delivered, blanks)
            self._carried_tokens = tokens_of_text(delivered.chars)
        elif means == "splice":
            following = Following.splice(delivered)
        batch = await self._begin(order, deployment, means)
        self._following = following
        if following is not None:
            return self._rest(following, batch)
        self._delivered = Delivered(self._rules.max_bytes)
        return [type(delivered.head)(is_restart=True), *batch]

    async def _buffered(self) -> Batch:
        """The whole answer; what there is of it when it is too long to be held."""
        held = self._held or []
        size = _size_of(held)
        while not self._is_over and size <= self._rules.max_bytes:
            try:
                batch = None if self._attempt is None else await self._attempt.next()
            except GatewayError as failure:
                held = await self._again(failure)
                size = _size_of(held)
                continue
            self._is_over = batch is None
            held += batch or []
            size += _size_of(batch or [])
        self._held = None
        self._progress.commit()
        self._delivered.take(held)
        return held

    async def _again(self, failure: GatewayError) -> Batch:
        """The beginning of another answer, while nothing was given of the one that failed."""
        failed = await self._end_broken(failure)
        order, plan = self._order, self._progress.plan
        self._left -= 1
        if not self._is_worth(failure) or self._left < 0 or order is None or plan is None or failed is None:
            raise failure
        try:
            return await self._try_all(order, rotated(plan.candidates, failed), "buffer")
        except GatewayError:
            raise failure from None

    async def _end_broken(self, failure: GatewayError | Mismatch) -> Deployment | None:
        """The current attempt failed; its deployment, if there is one."""
        deployment = None if self._attempt is None else self._attempt.deployment
        if isinstance(failure, Mismatch):
            await self._end(MISMATCH, "", None)
        else:
            await self._end_failed(failure)
        return deployment

    async def _end(self, outcome: str, cause: str, failure: GatewayError | None) -> None:
        """As Attempts._end, but what counts is what the caller got."""
        attempt, progress = self._attempt, self._progress
        await super()._end(outcome, cause, failure)
        if attempt is None:
            return
        record = attempt.record
        is_rescue = record.kind in self._rules.means
        if is_rescue:
            self._kit.metrics.rescued(record.kind, outcome)
        if outcome == COMPLETE or not is_rescue:
            self._reported = record.usage if record.usage is None else self._usage_of(record.usage, record.kind)
        progress.usage = self._reported
        progress.output_chars = self._delivered.chars
        progress.chunks = self._delivered.chunks

    def _usage_of(self, reported: types_pb2.Usage, kind: str | None = None) -> types_pb2.Usage:
        """What the caller used: of a continuation, the delivered part before it as well, and the prompt once."""
        if kind is None:
            kind = "" if self._attempt is None else self._attempt.record.kind
        if kind != "continue":
            return reported
        usage: Any = types_pb2.Usage()
        usage.CopyFrom(reported)
        before = _count(self._reported.prompt_tokens) if self._reported is not None else 0
        prompt = _count(reported.prompt_tokens)
        least = min(prompt, self._progress.shape.prompt_tokens)  # what was delivered is an estimate
        usage.prompt_tokens = before or max(least, prompt - self._carried_tokens)
        usage.completion_tokens = _count(reported.completion_tokens) + self._carried_tokens
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
        usage.is_estimate = True
        return usage  # type: ignore[no-any-return]  # a Usage


def _count(reported: int) -> int:
    """A provider's count, made such that sums have a place in 64 bits."""
    return max(0, min(reported, _COUNT_MAX))


def _size_of(batch: Batch) -> int:
    """Bytes, about; a `Raw` is never part of a stream."""
    return sum(event.ByteSize() if isinstance(event, Message) else len(str(event)) for event in batch)
