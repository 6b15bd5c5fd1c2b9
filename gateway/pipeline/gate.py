"""Waiting for a place at a deployment: a bounded queue, interactive calls before batch ones.

Rules:
    - A deployment without `routing.concurrency` has no place to wait for: its attempts never come here.
    - Nobody waits longer than `wait_max_s` or its deadline; a call that would is shed at once with `retry-after`.
    - A full queue sheds the new call, or the latest waiting batch call for an interactive one.
    - Who got a place gives it back exactly once, also when cancelled while it was being given.
Not here:
    - How many places there are (routing.limit); which calls are batch (pipeline.route).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Container, Iterator

from gateway.config.catalogue import Deployment
from gateway.config.schema.routing import Concurrency
from gateway.core.errors import GatewayError, Kind
from gateway.routing.breaker import Verdict
from gateway.routing.limit import Limit

_Waiter = asyncio.Future[None]
HELD_KEPT = 0.9


class Door:
    """One deployment's places and its queue."""

    __slots__ = ("_queues", "deployment_id", "held_s", "in_flight", "limit", "rules", "shed_calls")

    def __init__(self, deployment: Deployment, rules: Concurrency, now_s: float) -> None:
        self.deployment_id = deployment.live_id
        self.rules = rules
        self.limit = Limit(rules, now_s)
        self.in_flight = 0
        self.held_s = 0.0  # how long a place is held, on average
        self.shed_calls = [0, 0]  # interactive, batch
        self._queues: tuple[deque[_Waiter], deque[_Waiter]] = (deque(), deque())

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._queues[0]) + len(self._queues[1])

    async def enter(self, deadline_s: float, *, is_batch: bool) -> None:
        """Wait for a place. Raises GatewayError OVERLOADED; a cancelled wait holds nothing."""
        if self.in_flight < self.limit.calls and not self.waiting:
            self.in_flight += 1
            self.limit.busy(self.in_flight)
            return
        loop = asyncio.get_running_loop()
        allowed_s = min(self.rules.wait_max_s, deadline_s - loop.time())
        ahead = len(self._queues[0]) + (len(self._queues[1]) if is_batch else 0)
        expected_s = (ahead + 1) * self.held_s / self.limit.calls
        if expected_s > allowed_s or (self.waiting >= self.rules.queue_max and not self._make_room(is_batch=is_batch)):
            raise self._shed(is_batch=is_batch)
        waiter = loop.create_future()
        queue = self._queues[is_batch]
        queue.append(waiter)
        try:
            async with asyncio.timeout(allowed_s):
                await waiter
        except TimeoutError:
            self._give_up(queue, waiter)
            raise self._shed(is_batch=is_batch) from None
        except BaseException:
            self._give_up(queue, waiter)
            raise

    def leave(self, held_s: float, verdict: Verdict) -> None:
        """Give a place back that was held so long."""
        self.in_flight -= 1
        self.held_s = held_s if not self.held_s else HELD_KEPT * self.held_s + (1 - HELD_KEPT) * held_s
        if verdict is Verdict.THROTTLED:
            self.limit.refused()
        self._let_in()

    def _let_in(self) -> None:
        """Give free places to who waits, interactive first."""
        for queue in self._queues:
            while queue and self.in_flight < self.limit.calls:
                waiter = queue.popleft()
                if not waiter.done():
                    self.in_flight += 1
                    waiter.set_result(None)
        self.limit.busy(self.in_flight)

    def _give_up(self, queue: deque[_Waiter], waiter: _Waiter) -> None:
        """A waiter goes; a place it was just given goes to the next."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.in_flight -= 1
            self._let_in()
        elif waiter in queue:
            queue.remove(waiter)

    def _make_room(self, *, is_batch: bool) -> bool:
        """Shed the latest batch call that waits, for an interactive one."""
        while not is_batch and self._queues[1]:
            waiter = self._queues[1].pop()
            if not waiter.done():
                waiter.set_exception(self._shed(is_batch=True))
                return True
        return False

    def _shed(self, *, is_batch: bool) -> GatewayError:
        self.shed_calls[is_batch] += 1
        wait_s = max(1.0, (self.waiting + 1) * self.held_s / self.limit.calls)
        text = "Too many calls wait for this model's provider. Try again later."
        return GatewayError(Kind.OVERLOADED, text, retry_after_s=wait_s, cause=f"no place at {self.deployment_id}")


class Gate:
    """The doors of all deployments that have a limit."""

    __slots__ = ("_doors",)

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    def __iter__(self) -> Iterator[Door]:
        return iter(list(self._doors.values()))

    def find(self, deployment: Deployment) -> Door | None:
        """The deployment's door; None while nobody went through it."""
        return self._doors.get(deployment.live_id)

    def keep(self, ids: Container[str]) -> None:
        """Forget deployments that are no longer configured, when nobody is inside or waits."""
        for each in [one for one, door in self._doors.items() if one not in ids and not door.in_flight + door.waiting]:
            del self._doors[each]

    def door(self, deployment: Deployment, rules: Concurrency) -> Door:
        """The deployment's door; new rules take effect with a new limit, and those inside stay counted."""
        found = self._doors.get(deployment.live_id)
        if found is None:
            found = self._doors[deployment.live_id] = Door(deployment, rules, asyncio.get_running_loop().time())
        elif found.rules is not rules:
            found.rules, found.limit = rules, Limit(rules, asyncio.get_running_loop().time())
        return found
