"""Which deployments a call tries, in which order, and why the others are out.

Rules:
    - Pure: the same model, facts, board, draws and time give the same plan.
    - Candidates are ordered by priority; inside one priority as listed, or by weighted draw without
      replacement when a weight is set there; weight 0 comes last in its priority.
    - A candidate whose breaker is open is out; if all are, the one that comes back first is tried.
    - Nothing disappears silently: a dropped candidate carries its reason.
Not here:
    - Trying them (pipeline.attempt).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.config.catalogue import Deployment, Entry
from gateway.routing.board import Board
from gateway.routing.facts import Facts


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that is not tried, and why."""

    deployment: Deployment
    reason: str


class Plan(NamedTuple):
    """Candidates in the order in which they are tried."""

    candidates: tuple[Deployment, ...]
    dropped: tuple[Dropped, ...]


def make_plan(
    entry: Entry, facts: Facts, board: Board, draw: Callable[[], float], now_s: float  # noqa: ARG001 - policies read it
) -> Plan:
    """The plan for one call. `draw` gives numbers in [0, 1); `now_s` is the board's time."""
    if len(entry.candidates) == 1 and entry.candidates[0].unavailable_reason is None:
        return Plan(entry.candidates, ())
    dropped = [Dropped(d, d.unavailable_reason) for d in entry.candidates if d.unavailable_reason is not None]
    usable = _closed([d for d in entry.candidates if d.unavailable_reason is None], dropped, board, now_s)
    ordered: list[Deployment] = []
    for priority in sorted({d.priority for d in usable}):
        ordered += _drawn([d for d in usable if d.priority == priority], draw)
    if not entry.has_fallback and len(ordered) > 1:
        dropped += [Dropped(d, "fallback is off for this model") for d in ordered[1:]]
        ordered = ordered[:1]
    return Plan(tuple(ordered), tuple(dropped))


def _closed(usable: list[Deployment], dropped: list[Dropped], board: Board, now_s: float) -> list[Deployment]:
    """Those whose breaker lets a call begin; the one that comes back first when there are none."""
    refusals = {d: reason for d in usable if (reason := board.refusal(d, now_s)) is not None}
    if not refusals:
        return usable
    left = [d for d in usable if d not in refusals] or [min(refusals, key=lambda d: board.live(d).breaker.open_until_s)]
    dropped += [Dropped(d, reason) for d, reason in refusals.items() if d not in left]
    return left


def _drawn(tier: list[Deployment], draw: Callable[[], float]) -> list[Deployment]:
    """One priority's candidates: in the order of the list, or drawn by weight when any weight is set."""
    if all(d.weight is None for d in tier):
        return tier
    weights = {d: 1 if d.weight is None else d.weight for d in tier}
    rest, ordered = [d for d in tier if weights[d] > 0], []
    while len(rest) > 1:
        at = _pick([weights[d] for d in rest], draw())
        ordered.append(rest.pop(at))
    return ordered + rest + [d for d in tier if weights[d] == 0]


def _pick(weights: list[int], drawn: float) -> int:
    point = drawn * sum(weights)
    for at, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return at
    return len(weights) - 1
