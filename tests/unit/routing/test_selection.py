"""Policies, rules, filters, splits and affinity: each a pure function of call, board and chance."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.catalogue import Catalogue, Entry
from gateway.core.secret import Secret
from gateway.routing.board import SAMPLES_MIN, Board
from gateway.routing.breaker import Verdict
from gateway.routing.facts import NO_FACTS, Facts
from gateway.routing.plan import Plan, make_plan, other_model
from gateway.routing.select.affinity import share_of
from tests.unit.pipeline.kits import config_of, entry_of, model, provider

URL = "http://127.0.0.1:9/v1"
DRAWS = 20_000
CHI_SQUARE = {1: 10.83, 2: 13.82}  # the 0.1 % quantile by degrees of freedom


def entry(*candidates: str | dict[str, Any], blocks: Mapping[str, Any] | None = None, **routing: Any) -> Entry:
    """A model with these candidates (a text is a provider) and this routing section."""
    made = [{"provider": each} if isinstance(each, str) else each for each in candidates]
    found = {each["provider"]: provider(URL) for each in made} | dict(blocks or {})
    return entry_of(found, candidates=made, routing=routing)


def plan(made: Entry, facts: Facts = NO_FACTS, board: Board | None = None, seed: int = 1, now_s: float = 100.0) -> Plan:
    """One plan."""
    return make_plan(made, facts, board or Board(), random.Random(seed).random, now_s)


def order(made: Plan) -> list[str]:
    """Deployment ids in the order of the plan."""
    return [deployment.id for deployment in made.candidates]


def chi_square(seen: Counter[str], shares: Mapping[str, float]) -> float:
    """How far counts are from their shares."""
    total = seen.total()
    return sum((seen[name] - total * share) ** 2 / (total * share) for name, share in shares.items())


def test_ordered_ignores_weights() -> None:
    """The policy that is written goes before what weights suggest."""
    made = entry({"provider": "a", "weight": 1}, {"provider": "b", "weight": 1000}, policy="ordered")
    assert {tuple(order(plan(made, seed=seed))) for seed in range(50)} == {("a/*", "b/*")}


def test_weighted_first_places_follow_the_weights() -> None:
    """Chi-square over 20,000 draws."""
    made, draw = entry(
        {"provider": "a", "weight": 70}, {"provider": "b", "weight": 25}, {"provider": "c", "weight": 5},
        policy="weighted",
    ), random.Random(3).random  # fmt: skip
    seen = Counter(make_plan(made, NO_FACTS, Board(), draw, 0.0).candidates[0].provider for _ in range(DRAWS))
    assert chi_square(seen, {"a": 0.7, "b": 0.25, "c": 0.05}) < CHI_SQUARE[2]


def test_equal_loads_share_alike() -> None:
    """Least in flight with nothing in flight, and headroom with nothing known, are drawn: chi-square again."""
    for policy in ("least_in_flight", "headroom", "latency"):
        made, draw = entry("a", "b", "c", policy=policy), random.Random(4).random
        seen = Counter(make_plan(made, NO_FACTS, Board(), draw, 0.0).candidates[0].provider for _ in range(DRAWS))
        assert chi_square(seen, dict.fromkeys("abc", 1 / 3)) < CHI_SQUARE[2], policy


def test_least_in_flight_counts_per_weight() -> None:
    """Four calls on a weight of four are no more than one on a weight of one."""
    made, board = entry({"provider": "a", "weight": 4}, {"provider": "b"}, policy="least_in_flight"), Board()
    big, small = made.candidates
    for _ in range(4):
        board.began(big, 0)
    board.began(small, 0)
    board.began(small, 0)
    assert order(plan(made, board=board)) == ["a/*", "b/*"]
    for _ in range(5):
        board.began(big, 0)
    assert order(plan(made, board=board)) == ["b/*", "a/*"]


def test_latency_prefers_who_answers_sooner_and_sees_calls_that_hang() -> None:
    """By first contents for streams; calls under way count before they are slow."""
    made, board, stream = entry("a", "b", policy="latency"), Board(), Facts(is_stream=True)
    first, second = made.candidates
    board.first_content(first, 100, 0.5)
    board.first_content(second, 100, 0.1)
    assert {tuple(order(plan(made, stream, board, seed))) for seed in range(20)} == {("b/*", "a/*")}
    for _ in range(9):
        board.began(second, 100)
    assert {tuple(order(plan(made, stream, board, seed))) for seed in range(20)} == {("a/*", "b/*")}


def test_cost_takes_the_cheapest_for_this_call() -> None:
    """Dear prompts or dear answers: it depends on the call; unknown prices come last."""
    dear_prompt = {"input_usd_per_million": Decimal(10), "output_usd_per_million": Decimal(1)}
    dear_answer = {"input_usd_per_million": Decimal(1), "output_usd_per_million": Decimal(10)}
    made = entry(
        "unknown", {"provider": "a", "pricing": dear_prompt}, {"provider": "b", "pricing": dear_answer}, policy="cost"
    )
    assert order(plan(made, Facts(prompt_tokens=1000, output_tokens=10))) == ["b/*", "a/*", "unknown/*"]
    assert order(plan(made, Facts(prompt_tokens=10, output_tokens=1000))) == ["a/*", "b/*", "unknown/*"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "6s"},
        {
            "anthropic-ratelimit-input-tokens-limit": "1000", "anthropic-ratelimit-input-tokens-remaining": "100",
            "anthropic-ratelimit-requests-limit": "10", "anthropic-ratelimit-requests-remaining": "10",
        },
    ],
)  # fmt: skip
def test_headroom_takes_who_has_most_left(headers: dict[str, str]) -> None:
    """The smallest share that was named counts, until its reset."""
    made, board = entry("a", "b", policy="headroom"), Board()
    board.told(made.candidates[0], headers, 100.0)
    assert {tuple(order(plan(made, NO_FACTS, board, seed))) for seed in range(20)} == {("b/*", "a/*")}
    assert len({tuple(order(plan(made, NO_FACTS, board, seed, now_s=200))) for seed in range(20)}) == 2


@given(st.dictionaries(st.sampled_from(["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"]), st.text()))
def test_headers_are_a_vendors_free_text(headers: dict[str, str]) -> None:
    """Whatever stands there, a share between 0 and 1 comes out."""
    made, board = entry("a", "b", policy="headroom"), Board()
    board.told(made.candidates[0], headers, 100.0)
    assert 0 <= board.live(made.candidates[0]).allowance.share_left(100.0) <= 1


def test_affinity_keeps_a_session_together_and_spreads_sessions_by_weight() -> None:
    """The same key, the same order; over 20,000 keys chi-square by weight."""
    made = entry({"provider": "a", "weight": 3}, {"provider": "b"}, affinity="header:x-session")
    calls = [Facts(headers={"x-session": f"s{number}"}) for number in range(DRAWS)]
    firsts = [order(plan(made, call, seed=number))[0] for number, call in enumerate(calls)]
    assert firsts[:50] == [order(plan(made, call, seed=99))[0] for call in calls[:50]]
    assert chi_square(Counter(firsts), {"a/*": 0.75, "b/*": 0.25}) < CHI_SQUARE[1]


def test_affinity_moves_only_the_keys_of_who_is_gone() -> None:
    """Rendezvous hashing: with `a` out, those of `b` and `c` stay where they were."""
    made, board = entry("a", "b", "c", affinity="user"), Board()
    gone = made.candidates[0]
    before = {number: order(plan(made, Facts(user=f"u{number}")))[0] for number in range(500)}
    for _ in range(5):
        board.began(gone, 99)
        board.ended(gone, 99, Verdict.FAULT, 0.1)
    after = {number: order(plan(made, Facts(user=f"u{number}"), board))[0] for number in range(500)}
    assert all(after[number] == was for number, was in before.items() if was != "a/*")
    assert len({after[number] for number, was in before.items() if was == "a/*"}) == 2


def test_without_the_key_affinity_leaves_the_order_to_the_policy() -> None:
    """A call that names no session is no session of its own."""
    made = entry("a", "b", affinity="metadata:thread")
    assert order(plan(made)) == ["a/*", "b/*"]


def test_a_split_is_sticky_and_follows_its_weights() -> None:
    """The same caller in the same arm; over 20,000 callers chi-square; the other arm follows as fallback."""
    arms = [{"name": "old", "weight": 9, "candidates": ["a"]}, {"name": "new", "weight": 1, "candidates": ["b"]}]
    made = entry("a", "b", split={"name": "trial", "by": "key", "arms": arms})
    plans = [plan(made, Facts(key_id=f"k{number}"), seed=number) for number in range(DRAWS)]
    assert all(len(each.candidates) == 2 for each in plans)
    assert chi_square(Counter(order(each)[0] for each in plans), {"a/*": 0.9, "b/*": 0.1}) < CHI_SQUARE[1]
    again = [order(plan(made, Facts(key_id=f"k{number}"), seed=7))[0] for number in range(100)]
    assert again == [order(each)[0] for each in plans[:100]]
    assert plan(made, Facts(key_id="k1")).because in (("split trial: old",), ("split trial: new",))


def test_raising_an_arm_moves_nobody_out_of_it() -> None:
    """Who is in the new arm at 10 % still is at 30 %."""

    def arm(weight: int) -> set[str]:
        arms = [
            {"name": "new", "weight": weight, "candidates": ["b"]},
            {"name": "old", "weight": 100 - weight, "candidates": ["a"]},
        ]
        made = entry("a", "b", split={"name": "trial", "arms": arms})
        return {f"k{n}" for n in range(2000) if order(plan(made, Facts(key_id=f"k{n}")))[0] == "b/*"}

    assert arm(10) < arm(30)


def test_shares_are_even_and_inside_their_bounds() -> None:
    """Every text has one number in (0, 1)."""
    shares = [share_of(f"text {number}") for number in range(10_000)]
    assert 0 < min(shares) < max(shares) < 1
    assert abs(sum(shares) / len(shares) - 0.5) < 0.01


RULES = [
    {"name": "long", "when": {"prompt_tokens_min": 1000}, "candidates": ["b"]},
    {"name": "eu", "when": {"headers": {"x-region": "eu-*"}, "groups": ["team", "crew"]}, "candidates": ["c/x"]},
    {"name": "seeing", "when": {"needs": ["vision"]}, "model": "other"},
    {"name": "tagged", "when": {"metadata": {"tier": "gold"}, "models": ["x*"]}, "policy": "cost"},
]


@pytest.mark.parametrize(
    ("facts", "expected", "because"),
    [
        (Facts(prompt_tokens=1000), ["b/*"], "rule long"),
        (Facts(headers={"x-region": "eu-west"}, group="crew"), ["c/x"], "rule eu"),
        (Facts(headers={"x-region": "eu-west"}, group="else"), ["a/*", "b/*", "c/x"], None),
        (Facts(headers={"x-region": "us"}, group="crew"), ["a/*", "b/*", "c/x"], None),
        (Facts(metadata={"tier": "gold"}, model="xyz"), ["a/*", "b/*", "c/x"], "rule tagged"),
        (NO_FACTS, ["a/*", "b/*", "c/x"], None),
    ],
)
def test_the_first_rule_that_holds_decides(facts: Facts, expected: list[str], because: str | None) -> None:
    """What it leaves out is dropped by its name."""
    made = entry("a", "b", {"provider": "c", "upstream_model": "x"}, rules=RULES)
    planned = plan(made, facts)
    assert order(planned) == expected
    assert (because in planned.because) if because else not planned.because
    if len(expected) == 1:
        assert {out.reason for out in planned.dropped} == {f"{because} leaves it out"}


def test_a_rule_may_name_another_model() -> None:
    """Which the plan stage then uses; only the first rule that holds counts."""
    made = entry("a", rules=RULES)
    assert other_model(made, Facts(needs=("chat", "vision"))) == "other"
    assert other_model(made, Facts(needs=("vision",), prompt_tokens=5000)) is None


def test_a_candidate_that_lacks_a_capability_is_out_before_it_can_refuse() -> None:
    """With the reason; also when it is the only one."""
    made = entry({"provider": "a", "capabilities": ["chat"]}, "b")
    planned = plan(made, Facts(needs=("chat", "vision")))
    assert order(planned) == ["b/*"]
    assert [out.reason for out in planned.dropped] == ["lacks vision"]
    assert plan(entry({"provider": "a", "capabilities": ["chat"]}), Facts(needs=("vision",))).candidates == ()


def test_a_window_that_is_too_small_is_out_unless_all_are() -> None:
    """Sizes are estimates: of windows that all look too small the largest are tried."""
    made = entry(
        {"provider": "a", "context_window_tokens": 1000}, {"provider": "b", "context_window_tokens": 8000}, "c"
    )
    assert order(plan(made, Facts(prompt_tokens=900, output_tokens=100))) == ["a/*", "b/*", "c/*"]
    planned = plan(made, Facts(prompt_tokens=901, output_tokens=100))
    assert order(planned) == ["b/*", "c/*"]
    assert planned.dropped[0].reason == "context window of 1000 tokens is below the 1001 this call may need"
    small = entry({"provider": "a", "context_window_tokens": 1000}, {"provider": "b", "context_window_tokens": 8000})
    assert order(plan(small, Facts(prompt_tokens=90_000))) == ["b/*"]


def several_keys(*names: str | None) -> dict[str, Any]:
    """A provider with these keys; None = absent."""
    return provider(
        URL, auth="bearer", api_keys=[Secret(name, f"environment variable {at}") for at, name in enumerate(names)]
    )


def test_each_key_of_a_provider_is_a_deployment_in_its_place() -> None:
    """Numbered, with its own credential, together; absent ones are left out."""
    made = entry("a", "many", "b", blocks={"many": several_keys("one", None, "three")})
    assert [d.id for d in made.candidates] == ["a/*", "many/*#1", "many/*#3", "b/*"]
    assert [d.headers.get("authorization") for d in made.candidates[1:3]] == ["Bearer one", "Bearer three"]
    orders = {tuple(order(plan(made, seed=seed))) for seed in range(30)}
    assert orders == {("a/*", "many/*#1", "many/*#3", "b/*"), ("a/*", "many/*#3", "many/*#1", "b/*")}


def test_keys_take_turns_and_a_refused_one_is_left_out() -> None:
    """Chi-square over 20,000 draws, then only the other key."""
    made, board, draw = entry("many", blocks={"many": several_keys("one", "two")}), Board(), random.Random(5).random
    seen = Counter(make_plan(made, NO_FACTS, board, draw, 0.0).candidates[0].id for _ in range(DRAWS))
    assert chi_square(seen, {"many/*#1": 0.5, "many/*#2": 0.5}) < CHI_SQUARE[1]
    first = made.candidates[0]
    board.began(first, 100)
    board.ended(first, 100, Verdict.UNAUTHORIZED, 0.1)
    planned = plan(made, board=board)
    assert order(planned) == ["many/*#2"]
    assert planned.dropped[0].reason == "breaker open for 300.0 s: the provider refused the key"


def test_without_fallback_the_other_keys_still_follow() -> None:
    """Another key of the same provider is no other provider."""
    blocks = {"many": several_keys("one", "two"), "b": provider(URL)}
    made = entry_of(blocks, candidates=[{"provider": "many"}, {"provider": "b"}], has_fallback=False)
    assert sorted(order(plan(made))) == ["many/*#1", "many/*#2"]


def test_the_last_candidate_is_never_shut_out() -> None:
    """With every breaker open, the one that comes back first is tried, and the plan says so."""
    made, board = entry("a", "b"), Board()
    for deployment, retry_after_s in zip(made.candidates, (60, 20), strict=True):
        board.began(deployment, 99)
        board.ended(deployment, 100, Verdict.THROTTLED, 0.1, retry_after_s)
    planned = plan(made, board=board)
    assert order(planned) == ["b/*"]
    assert planned.because == ("last resort b/*",)
    assert [out.reason for out in planned.dropped] == ["breaker open for 60.0 s: the provider's rate limit"]


def test_a_breaker_that_is_off_leaves_nobody_out() -> None:
    """Per model; another model's setting of the same deployment does not count."""
    made, board = entry("a", "b", breaker={"is_enabled": False}), Board()
    for _ in range(50):
        board.began(made.candidates[0], 99)
        board.ended(made.candidates[0], 100, Verdict.FAULT, 0.1)
    assert order(plan(made, board=board)) == ["a/*", "b/*"]


@given(
    st.lists(st.sampled_from([0.0, 1.0, 5.0]), max_size=30), st.sampled_from(["latency", "least_in_flight", "headroom"])
)
def test_policies_lose_and_double_nobody(times: list[float], policy: str) -> None:
    """Whatever the board says, candidates and dropped are what was configured."""
    made, board = entry("a", "b", "c", "d", policy=policy), Board()
    for at, seconds in enumerate(times):
        deployment = made.candidates[at % 4]
        board.began(deployment, at)
        board.first_content(deployment, at, seconds)
        board.ended(deployment, at, (Verdict.OK, Verdict.FAULT)[at % 3 == 0], seconds)
    planned = plan(made, Facts(is_stream=True), board, now_s=31)
    assert sorted([*order(planned), *(out.deployment.id for out in planned.dropped)]) == ["a/*", "b/*", "c/*", "d/*"]


def test_the_board_knows_how_long_first_contents_take() -> None:
    """95 of 100 came within it; nothing is said before twenty."""
    made, board = entry("a"), Board()
    deployment = made.candidates[0]
    for at in range(SAMPLES_MIN - 1):
        board.first_content(deployment, at, 0.1)
    assert board.ttft_p95_s(deployment) is None
    for at in range(81):
        board.first_content(deployment, at, 1.0 if at < 4 else 0.1)
    assert board.ttft_p95_s(deployment) == 0.1
    board.first_content(deployment, 100, 1.0)
    board.first_content(deployment, 100, 1.0)
    assert board.ttft_p95_s(deployment) == 1.0


def test_the_board_forgets_deployments_that_are_gone() -> None:
    """Not while calls are under way: their end would be counted for a new state."""
    made, board = entry("a", "b"), Board()
    board.began(made.candidates[0], 0)
    board.live(made.candidates[1])
    board.keep(set())
    assert [live.deployment_id for live in board] == ["a/*"]
    board.ended(made.candidates[0], 1, Verdict.OK, 1)
    board.keep(set())
    assert not list(board)


def test_models_of_one_account_have_breakers_of_their_own() -> None:
    """Unless they send the same upstream model: rate limits and outages are the vendor's per model."""
    models = {
        "one": model("a", names=["one"]),
        "two": model("a", names=["two"]),
        "alias": model(candidates=[{"provider": "a", "upstream_model": "one"}], names=["alias"]),
    }
    catalogue, board = Catalogue.of(config_of({"a": provider(URL)}, models)), Board()
    first = catalogue.entries[0].candidates[0]
    for _ in range(5):
        board.began(first, 0)
        board.ended(first, 0, Verdict.FAULT, 0.1)
    refused = [board.refusal(entry.candidates[0], 0) is not None for entry in catalogue.entries]
    assert refused == [True, False, True]
