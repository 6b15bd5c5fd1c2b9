"""What breakers did since the last look, as metrics and log records, twice a second.

Rules:
    - The board is pure and counts for itself; this only compares and tells, at a cost per deployment and not per call.
    - A change that came and went between two looks is still counted, by the number of openings.
Not here:
    - Opening and closing (routing.breaker).
"""

from __future__ import annotations

import asyncio

from gateway.observe.log import Log
from gateway.observe.metrics import BREAKERS, OPENINGS
from gateway.pipeline.kit import Kit
from gateway.routing.board import Live
from gateway.routing.breaker import State

_NUMBERS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


class Breakers:
    """Who watches the board."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: dict[str, tuple[State, int]] = {}

    def look(self, kit: Kit) -> None:
        """Tell what changed; also forget deployments that a reload took away."""
        now_s = asyncio.get_running_loop().time()
        configured = {d.id for entry in kit.runtime.catalogue.entries for d in entry.candidates}
        kit.board.keep(configured)
        kit.gate.keep(configured)
        seen = set()
        for live in kit.board:
            seen.add(live.deployment_id)
            self._tell(live, now_s)
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
