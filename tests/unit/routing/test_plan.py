"""Plans: order by priority, list or weight; everything dropped has its reason."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.catalogue import Catalogue, Entry
from gateway.core.secret import Secret
from gateway.routing.board import Board
from gateway.routing.facts import NO_FACTS
from gateway.routing.plan import Plan
from gateway.routing.plan import make_plan as make_plan_now
from tests.unit.pipeline.kits import config_of, entry_of, model, provider

URL = "http://127.0.0.1:9/v1"


def entry(*candidates: dict[str, Any], off: tuple[str, ...] = (), **members: Any) -> Entry:
    """An entry with these candidates; provider names are their `provider` members."""
    names = {candidate["provider"] for candidate in candidates}
    blocks = {name: provider(URL, enabled="off" if name in off else "on") for name in names}
    return entry_of(blocks, candidates=list(candidates), **members)


def make_plan(made: Entry, draw: Callable[[], float]) -> Plan:
    """A plan for a call about which nothing is known, with nothing known of the deployments."""
    return make_plan_now(made, NO_FACTS, Board(), draw, 0.0)


def order(plan: Any) -> list[str]:
    """Provider names in the order of the plan."""
    return [deployment.provider for deployment in plan.candidates]


def never() -> float:
    """A draw that must not happen."""
    raise AssertionError("a plan without weights draws nothing")


def test_candidates_keep_the_order_of_the_list() -> None:
    """Without weights nothing is drawn."""
    assert order(make_plan(entry({"provider": "b"}, {"provider": "a"}, {"provider": "c"}), never)) == ["b", "a", "c"]


def test_priority_comes_before_the_order_of_the_list() -> None:
    """Lower first; inside one priority as listed."""
    made = entry(
        {"provider": "late", "priority": 2}, {"provider": "x", "priority": 1}, {"provider": "y", "priority": 1},
        {"provider": "first"},
    )  # fmt: skip
    assert order(make_plan(made, never)) == ["first", "x", "y", "late"]


def test_weights_never_mix_priorities() -> None:
    """A heavy candidate of a later priority stays later."""
    made = entry({"provider": "a", "priority": 1, "weight": 1000}, {"provider": "b", "weight": 1}, {"provider": "c"})
    for number in range(50):
        assert order(make_plan(made, random.Random(number).random))[2] == "a"


def test_weight_zero_is_only_for_the_fallback() -> None:
    """It comes last in its priority, whatever is drawn, and before the next priority."""
    made = entry(
        {"provider": "zero", "weight": 0}, {"provider": "a", "weight": 1}, {"provider": "b", "weight": 1},
        {"provider": "next", "priority": 1},
    )  # fmt: skip
    for number in range(50):
        assert order(make_plan(made, random.Random(number).random))[2:] == ["zero", "next"]


def test_all_weights_zero_is_the_order_of_the_list() -> None:
    """Nothing to draw from, nothing is lost."""
    assert order(make_plan(entry({"provider": "b", "weight": 0}, {"provider": "a", "weight": 0}), never)) == ["b", "a"]


def test_first_places_follow_the_weights() -> None:
    """Chi-square over 20,000 seeded draws, with the 0.1 % quantile for two degrees of freedom; unset weighs 1."""
    made = entry({"provider": "a", "weight": 6}, {"provider": "b", "weight": 3}, {"provider": "c"})
    draw, total = random.Random(7).random, 20_000
    seen = Counter(order(make_plan(made, draw))[0] for _ in range(total))
    expected = {"a": total * 0.6, "b": total * 0.3, "c": total * 0.1}
    assert sum((seen[name] - want) ** 2 / want for name, want in expected.items()) < 13.82


def test_second_places_follow_the_weights_of_who_is_left() -> None:
    """Without replacement: after `a`, `b` is second three times as often as `c`."""
    made = entry({"provider": "a", "weight": 6}, {"provider": "b", "weight": 3}, {"provider": "c", "weight": 1})
    draw = random.Random(8).random
    plans = [order(make_plan(made, draw)) for _ in range(20_000)]
    second = Counter(plan[1] for plan in plans if plan[0] == "a")
    assert math.isclose(second["b"] / second.total(), 0.75, abs_tol=0.02)


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 9)), min_size=1, max_size=8), st.data())
def test_nothing_is_lost_and_nothing_is_doubled(shapes: list[tuple[int, int | None]], data: st.DataObject) -> None:
    """Candidates and dropped together are what was configured, for every draw in [0, 1)."""
    off = tuple(f"p{at}" for at in range(len(shapes)) if data.draw(st.booleans()))
    made = entry(
        *({"provider": f"p{at}", "priority": rank, "weight": weight} for at, (rank, weight) in enumerate(shapes)),
        off=off,
    )
    plan = make_plan(made, lambda: data.draw(st.floats(0, 1, exclude_max=True)))
    assert sorted([*order(plan), *(out.deployment.provider for out in plan.dropped)]) == sorted(
        f"p{at}" for at in range(len(shapes))
    )
    assert {out.deployment.provider for out in plan.dropped} == set(off)
    priorities = [deployment.priority for deployment in plan.candidates]
    assert priorities == sorted(priorities)


def test_a_disabled_provider_is_dropped_with_its_reason() -> None:
    """Also when it is the only one: then the plan is empty."""
    plan = make_plan(entry({"provider": "a"}, off=("a",)), never)
    assert plan.candidates == ()
    assert [(out.deployment.provider, out.reason) for out in plan.dropped] == [("a", "disabled")]


def test_a_missing_key_names_its_source_and_not_its_value() -> None:
    """The reason says what to set."""
    block = provider(URL, auth="bearer", api_key=Secret(None, "environment variable SOME_KEY"))
    plan = make_plan(entry_of({"a": block}), never)
    assert "SOME_KEY" in plan.dropped[0].reason


def test_without_fallback_only_the_first_is_tried() -> None:
    """The others are dropped and say so."""
    made = entry({"provider": "a"}, {"provider": "b"}, {"provider": "c"}, has_fallback=False)
    plan = make_plan(made, never)
    assert order(plan) == ["a"]
    assert [(out.deployment.provider, out.reason) for out in plan.dropped] == [
        ("b", "fallback is off for this model"),
        ("c", "fallback is off for this model"),
    ]


@pytest.mark.parametrize(
    ("policy", "own", "has"), [(True, None, 2), (False, None, 1), (False, True, 2), (True, False, 1)]
)
def test_a_models_own_fallback_goes_before_the_policy(policy: bool, own: bool | None, has: int) -> None:
    """Unset = the policy's."""
    config = config_of(
        {"a": provider(URL), "b": provider(URL)},
        {"m": model("a", "b", has_fallback=own)},
        policies={"has_fallback": policy},
    )
    found = Catalogue.of(config).find("x")
    assert found is not None
    assert len(make_plan(found, never).candidates) == has
