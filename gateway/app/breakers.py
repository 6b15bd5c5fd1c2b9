"""What breakers and queues did since the last look, as metrics and log records, twice a second.

Rules:
    - The board is pure and counts for itself; this only compares and tells, at a cost per deployment and not per call.
    - A change that came and went between two looks is still counted, by the number of openings.
Not here:
    - Opening and closing (routing.breaker), limits and waiting (routing.limit, pipeline.gate).
"""

from __future__ import annotations

import asyncio

from gateway.observe.log import Log
from gateway.observe.metrics import BREAKERS, LIMITS, OPENINGS, SHED, WAITING
from gateway.pipeline.gate import Door
from gateway.pipeline.kit import Kit
from gateway.routing.board import Live
from gateway.routing.breaker import State

_NUMBERS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Breakers:
    """Who watches the board."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: dict[str, tuple[State, int]] = {}
        self._shed: dict[str, tuple[int, int]] = {}

    def look(self, kit: Kit) -> None:
        """Tell what changed; also forget deployments that a reload took away."""
        now_s = asyncio.get_running_loop().time()
        configured = {d.live_id for entry in kit.runtime.catalogue.entries for d in entry.candidates}
        kit.board.keep(configured)
        kit.gate.keep(configured)
        seen = set()
        for live in kit.board:
            seen.add(live.deployment_id)
            self._tell(live, now_s)
        for door in kit.gate:
            self._tell_door(door)
        for gone in self._told.keys() - seen:
            del self._told[gone]
            BREAKERS.labels(gone).set(0)

    def _tell(self, live: Live, now_s: float) -> None:
        state, openings = live.breaker.state(now_s), live.breaker.openings
        before, counted = self._told.get(live.deployment_id, (State.CLOSED, 0))
        if (state, openings) == (before, counted):
            return
        self._told[live.deployment_id] = (state, openings)
        BREAKERS.labels(live.deployment_id).set(_NUMBERS[state])
        if openings > counted:
            OPENINGS.labels(live.deployment_id).inc(openings - counted)
        if state is not before:
            words = {"deployment": live.deployment_id, "state": state.value, "reason": live.breaker.reason}
            self._log.write("warning" if state is State.OPEN else "info", "breaker", **words)

    def _tell_door(self, door: Door) -> None:
        LIMITS.labels(door.deployment_id).set(door.limit.calls)
        WAITING.labels(door.deployment_id).set(door.waiting)
        counted = self._shed.get(door.deployment_id, (0, 0))
        for at, priority in enumerate(("interactive", "batch")):
            if door.shed_calls[at] > counted[at]:
                SHED.labels(door.deployment_id, priority).inc(door.shed_calls[at] - counted[at])
        self._shed[door.deployment_id] = (door.shed_calls[0], door.shed_calls[1])
