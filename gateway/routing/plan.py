"""Which deployments a call tries, in which order, and why the others are out.

Rules:
    - Pure: the same model, facts, board, draws and time give the same plan.
    - In this order: what cannot be used, the first rule that holds, capabilities and context window, breakers;
      then each priority is ordered by policy or affinity, and a split puts its arm first.
    - The keys of one provider stand together, the least busy one first; a weight is that of all of them.
    - A candidate whose breaker is open is out; if all are, the one that comes back first is tried.
    - Nothing disappears silently: a dropped candidate carries its reason, a decision its name in `because`.
Not here:
    - Trying them (pipeline.attempts); each policy (routing.select).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.config.catalogue import Deployment, Entry
from gateway.config.choice import Choice
from gateway.routing.board import Board
from gateway.routing.facts import Facts
from gateway.routing.select import POLICIES, Sight
from gateway.routing.select.affinity import by_affinity
from gateway.routing.select.filters import lacking, too_small
from gateway.routing.select.keys import value_of
from gateway.routing.select.rules import first_rule
from gateway.routing.select.split import arm_of

NO_CHOICE = Choice("", "", (), None, None)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A candidate that is not tried, and why."""

    deployment: Deployment
    reason: str


class Plan(NamedTuple):
    """Candidates in the order in which they are tried. `because` names what decided, e.g. `rule night`."""

    candidates: tuple[Deployment, ...]
    dropped: tuple[Dropped, ...]
    because: tuple[str, ...] = ()


def other_model(entry: Entry, facts: Facts) -> str | None:
    """The slug of the model whose candidates are used instead, by the first rule that holds; None = its own."""
    rule = first_rule(entry.choice.rules, facts) if entry.choice is not None else None
    return rule.model if rule is not None else None


def make_plan(entry: Entry, facts: Facts, board: Board, draw: Callable[[], float], now_s: float) -> Plan:
    """The plan for one call. `draw` gives numbers in [0, 1); `now_s` is the board's time."""
    if entry.choice is None and len(entry.candidates) == 1 and entry.candidates[0].unavailable_reason is None:
        return Plan(entry.candidates, ())
    return _Planning(entry, Sight(facts, board, draw, now_s)).plan()


class _Planning:
    """One plan in the making: `left` shrinks, `dropped` and `because` grow."""

    __slots__ = ("because", "choice", "dropped", "entry", "left", "sight")

    def __init__(self, entry: Entry, sight: Sight) -> None:
        self.entry = entry
        self.sight = sight
        self.choice = entry.choice or NO_CHOICE
        self.left = list(entry.candidates)
        self.dropped: list[Dropped] = []
        self.because: list[str] = []

    def plan(self) -> Plan:
        """See the module's rules."""
        self.drop({d: d.unavailable_reason for d in self.left if d.unavailable_reason is not None})
        policy = self.ruled() or self.choice.policy
        if self.entry.choice is not None:
            self.filter()
        self.leave_out_broken()
        ordered = self.split(self.ordered(policy))
        if not self.entry.has_fallback:
            others = [d for d in ordered if d.place != ordered[0].place]
            self.left = ordered
            self.drop(dict.fromkeys(others, "fallback is off for this model"))
            ordered = self.left
        return Plan(tuple(ordered), tuple(self.dropped), tuple(self.because))

    def drop(self, reasons: dict[Deployment, str]) -> None:
        """Take candidates out."""
        if reasons:
            self.left = [d for d in self.left if d not in reasons]
            self.dropped += [Dropped(d, reason) for d, reason in reasons.items()]

    def ruled(self) -> str:
        """Apply the first rule that holds; the policy it sets."""
        rule = first_rule(self.choice.rules, self.sight.facts) if self.choice.rules else None
        if rule is None:
            return ""
        self.because.append(f"rule {rule.name}")
        if rule.candidates is not None:
            out = [d for d in self.left if d.name not in rule.candidates]
            self.drop(dict.fromkeys(out, f"rule {rule.name} leaves it out"))
        return rule.policy

    def filter(self) -> None:
        """Capabilities, then context windows."""
        facts = self.sight.facts
        self.drop({d: reason for d in self.left if (reason := lacking(d, facts)) is not None})
        self.drop(too_small(self.left, facts))

    def leave_out_broken(self) -> None:
        """Those whose breaker lets no call begin; not the one that comes back first when that would be all."""
        board, now_s = self.sight.board, self.sight.now_s
        refusals = {d: reason for d in self.left if (reason := board.refusal(d, now_s)) is not None}
        if refusals and len(refusals) == len(self.left):
            first_back = min(refusals, key=lambda d: board.live(d).breaker.open_until_s)
            del refusals[first_back]
            self.because.append(f"last resort {first_back.id}")
        self.drop(refusals)

    def ordered(self, policy: str) -> list[Deployment]:
        """Every priority in its order, each candidate followed by its other keys."""
        keys: dict[int, list[Deployment]] = {}
        for deployment in self.left:
            keys.setdefault(deployment.place, []).append(deployment)
        firsts = [self.turned(same) for same in keys.values()]
        order: list[Deployment] = []
        for priority in sorted({same[0].priority for same in firsts}):
            tier = {same[0]: same for same in firsts if same[0].priority == priority}
            order += [d for first in self.tier(list(tier), policy) for d in tier[first]]
        return order

    def tier(self, tier: list[Deployment], policy: str) -> list[Deployment]:
        """One priority's candidates in order."""
        key = value_of(self.sight.facts, self.choice.affinity) if self.choice.affinity else ""
        if len(tier) < 2:
            return tier
        if key:
            self.because.append(f"affinity {self.choice.affinity}")
            return by_affinity(tier, key)
        if policy:
            self.because.append(f"policy {policy}")
        return POLICIES[policy](tier, self.sight)

    def turned(self, same: list[Deployment]) -> list[Deployment]:
        """The keys of one candidate: the least busy first, equal ones drawn."""
        if len(same) < 2:
            return same
        board, draw = self.sight.board, self.sight.draw
        return sorted(same, key=lambda d: (board.live(d).in_flight, draw()))

    def split(self, order: list[Deployment]) -> list[Deployment]:
        """The caller's arm first, everything else behind it."""
        if self.choice.split is None:
            return order
        arm = arm_of(self.choice.split, self.sight)
        self.because.append(f"split {self.choice.split.name}: {arm.name}")
        return sorted(order, key=lambda d: d.name not in arm.candidates)
