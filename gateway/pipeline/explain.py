"""Why a call goes where it goes: the record of a plan, for a hypothetical call or for one that was made.

Rules:
    - The same record for the log line, `gateway route explain` and the Admin service: one vocabulary.
    - Past calls are remembered in memory, the latest `observe.explain_calls_max`, by request id; nothing of their
      content is kept, and no credential is shown.
Not here:
    - Deciding (routing.plan); who may ask (service.admin).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.config.catalogue import Catalogue, Deployment, Entry
from gateway.pipeline.progress import Progress, Try
from gateway.routing.board import Board
from gateway.routing.facts import Facts
from gateway.routing.plan import Plan, make_plan, other_model


class Past(NamedTuple):
    """A call that is over."""

    request_id: str
    ended_unix_s: float
    model: str
    entry: Entry
    plan: Plan
    tries: Sequence[Try]
    outcome: str
    seconds: float
    cache: str


class Calls:
    """The latest calls by request id, oldest first; of two with the same id the later one."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: OrderedDict[str, Past] = OrderedDict()  # a dict's first entry is searched for past deleted ones

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, progress: Progress, outcome: str, wall_s: float, seconds: float, calls_max: int) -> None:
        """Remember a call that got as far as a plan, and forget the oldest ones beyond the bound."""
        entry, plan, request_id = progress.entry, progress.plan, progress.request_id
        if plan is None or entry is None or not calls_max:
            return
        calls = self._calls
        if request_id in calls:
            del calls[request_id]
        calls[request_id] = Past(
            request_id, wall_s, progress.model, entry, plan, progress.tries, outcome, seconds, progress.cache
        )
        while len(calls) > calls_max:
            calls.popitem(last=False)

    def find(self, request_id: str) -> Past | None:
        """The call of that id; None when it is not remembered."""
        return self._calls.get(request_id)


def explain(
    catalogue: Catalogue, board: Board, facts: Facts, draw: Callable[[], float], now_s: float
) -> dict[str, Any] | None:
    """The record of a call that might be made; None for a model that is not configured."""
    entry = catalogue.find(facts.model)
    if entry is None:
        return None
    slug = other_model(entry, facts)
    used = (catalogue.of_slug(slug) if slug is not None else None) or entry
    plan = make_plan(used, facts, board, draw, now_s)
    if used is not entry:
        plan = plan._replace(because=(f"model {used.slug}, by a rule of {entry.slug}", *plan.because))
    return plan_record(used, facts.model, plan)


def plan_record(entry: Entry, model: str, plan: Plan) -> dict[str, Any]:
    """What was considered, what is tried in which order, what was dropped, and by which decisions."""
    return {
        "model": model,
        "entry": entry.slug,
        "because": list(plan.because),
        "candidates": [_candidate(d, model, entry) for d in plan.candidates],
        "dropped": [{"deployment": d.deployment.id, "reason": d.reason} for d in plan.dropped],
    }


def past_record(past: Past) -> dict[str, Any]:
    """The record of a call that is over."""
    is_answered = past.outcome == "complete" and bool(past.tries)
    return {
        **plan_record(past.entry, past.model, past.plan),
        "tried": [_try(each) for each in past.tries],
        "chosen": past.tries[-1].deployment.id if is_answered else "",
        "outcome": past.outcome,
        "ms": round(past.seconds * 1000, 1),
        "request_id": past.request_id,
        "at": datetime.fromtimestamp(past.ended_unix_s, UTC).isoformat(timespec="milliseconds"),
        "cache": past.cache,
    }


def _try(each: Try) -> dict[str, Any]:
    return {
        "deployment": each.deployment.id, "outcome": each.outcome, "ms": round(each.seconds * 1000, 1),
        "kind": each.kind, "cause": each.cause[:300],
    }  # fmt: skip


def _candidate(deployment: Deployment, model: str, entry: Entry) -> dict[str, Any]:
    return {
        "deployment": deployment.id,
        "provider": deployment.provider,
        "upstream_model": deployment.upstream_model or model,
        "base_url": deployment.base_url,
        "priority": deployment.priority,
        "weight": deployment.weight,
        "attempts_max": entry.attempts_max,
    }
