"""The cache as a stage of a call: what is settled, who pays, and what it does beside rescues and drains.

Rules: the log record of a call is what was settled; a simulator's usage is exact, so sums are compared exactly.
Not here: both protocols (tests/e2e/test_cached_answers), keys and sharing by themselves (tests/unit/cache).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from gateway.accounts.keys import Identity
from gateway.core.freshness import HEADER
from gateway.core.limits import Limits
from gateway.pipeline.cached import choices_of, tenant_of
from gateway.routing.breaker import Verdict
from gateway.routing.plan import Plan
from gateway.rpc.contract import CHAT, STREAM_CHAT, Head
from gateway.simulator import server as simulator
from gateway.wire.openai import chat
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import Bench, Outcome, bench, config_of, entry_of, model, provider

pytestmark = pytest.mark.filterwarnings("error")
PRICED = {"pricing": {"input_usd_per_million": Decimal(10), "output_usd_per_million": Decimal(10)}}
KEPT, SHARED = {"enabled": True}, {"share_in_flight": True}


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[str]:
    """The base URL of a simulator."""
    running = await simulator.serve("127.0.0.1", 0)
    yield f"{running.url}/v1"
    await running.stop()


@asynccontextmanager
async def at(upstream: str, cache: dict[str, Any], **members: Any) -> AsyncIterator[Bench]:
    """A kit whose one model has these cache settings; it is at rest at the end, and nothing is under way."""
    config = config_of(
        {"p": provider(upstream)},
        {"m": model("p", cache=cache, **{**PRICED, **members})},
        key={"limits": {"tokens_per_minute": 1_000_000}},
    )
    async with bench(config) as made:
        yield made
        await eventually(lambda: made.is_at_rest, "at rest")
        assert not made.kit.answers.flights
        await made.kit.stop()


def ask(name: str) -> Any:
    """A chat request."""
    return chat.decode_request({"model": name, "messages": [{"role": "user", "content": "hello"}]})


def result(outcome: Outcome) -> str | None:
    """What the head says."""
    assert outcome.error is None, outcome.error
    return outcome.head.headers.get(HEADER)


@pytest.mark.parametrize("method", [CHAT, STREAM_CHAT])
async def test_a_hit_settles_nothing(upstream: str, method: Any) -> None:
    """No tokens, a cost of zero, no try; the record says hit; the answer holds the first one's usage."""
    async with at(upstream, KEPT) as made:
        outcomes = [await made.call(method, ask("sim-chunks-9")) for _ in range(3)]
        assert [result(outcome) for outcome in outcomes] == ["miss", "hit", "hit"]
        assert outcomes[0].events == outcomes[1].events == outcomes[2].events
        records = made.log.records()
        assert [record["cache"] for record in records] == ["miss", "hit", "hit"]
        assert records[0]["cost_usd_micros"] > 0
        for record in records[1:]:
            assert (record["prompt_tokens"], record["completion_tokens"], record["cost_usd_micros"]) == (0, 0, 0)
            assert record["outcome"] == "complete"
            assert record["provider"] is None


@pytest.mark.parametrize("method", [CHAT, STREAM_CHAT])
async def test_a_shared_answer_is_settled_once(upstream: str, method: Any) -> None:
    """Ten readers, one pays what one call costs."""
    async with at(upstream, SHARED) as made:
        alone = await made.call(method, ask("sim-chunks-9"))
        outcomes = await asyncio.gather(*(made.call(method, ask("sim-chunks-9-wait-100-first-100")) for _ in range(10)))
        assert sorted(result(outcome) or "" for outcome in outcomes) == ["miss", *["shared"] * 9]
        records = made.log.records()
        price = records[0]["cost_usd_micros"]
        assert sorted(record["cost_usd_micros"] for record in records[1:]) == [0] * 9 + [price]
        assert {record["provider"] for record in records} == {"p"}
        assert {len(outcome.events) for outcome in outcomes} == {len(alone.events)}


async def opened(made: Bench, name: str) -> Any:
    """A stream that has given its head."""
    stream = made.start(STREAM_CHAT, ask(name))
    assert isinstance(await anext(stream), Head)
    return stream


async def test_the_one_that_stays_pays(upstream: str) -> None:
    """The first caller leaves: nothing is settled for it. The second reads to the end and pays all."""
    async with at(upstream, SHARED) as made:
        first = await opened(made, "sim-chunks-9-pace-20")
        second = await opened(made, "sim-chunks-9-pace-20")
        await anext(second)
        await first.aclose()
        async for _ in second:
            pass
        left, stayed = made.log.records()
        assert (left["outcome"], left["completion_tokens"], left["cost_usd_micros"]) == ("cancelled", 0, 0)
        assert (stayed["outcome"], stayed["cache"]) == ("complete", "shared")
        assert stayed["completion_tokens"] == 9
        assert stayed["cost_usd_micros"] > 0


async def test_when_all_leave_the_last_one_pays_what_was_given(upstream: str) -> None:
    """The provider's connection is closed, and the part that came is settled once, as an estimate."""
    async with at(upstream, SHARED) as made:
        streams = [await opened(made, "sim-chunks-90-pace-20") for _ in range(3)]
        for stream in streams:
            await anext(stream)
        for stream in streams:
            await stream.aclose()
        records = made.log.records()
        assert [record["outcome"] for record in records] == ["cancelled"] * 3
        assert [record["cost_usd_micros"] > 0 for record in records] == [False, False, True]
        assert 0 < records[2]["completion_tokens"] < 90


async def test_a_buffered_answer_is_shared_and_kept_like_any_other(upstream: str) -> None:
    """A route that gives answers when they are complete: readers and hits get the whole, with the same header."""
    async with at(upstream, {**KEPT, **SHARED}, rescue=["buffer"]) as made:
        outcomes = await asyncio.gather(*(made.call(STREAM_CHAT, ask("sim-chunks-9-pace-20")) for _ in range(3)))
        hit = await made.call(STREAM_CHAT, ask("sim-chunks-9-pace-20"))
        assert result(hit) == "hit"
        assert sorted(result(outcome) or "" for outcome in outcomes) == ["miss", "shared", "shared"]
        assert all(outcome.events == hit.events for outcome in outcomes)


async def test_an_answer_read_on_for_a_caller_that_left_is_kept(upstream: str) -> None:
    """`on_client_gone: drain` reads to the end: the answer is complete, so the next caller gets it."""
    async with at(upstream, KEPT, on_client_gone="drain") as made:
        stream = await opened(made, "sim-chunks-9-pace-10")
        await stream.aclose()
        await eventually(lambda: made.is_at_rest, "read to its end")
        assert result(await made.call(STREAM_CHAT, ask("sim-chunks-9-pace-10"))) == "hit"


async def test_limits_refuse_a_hit_like_any_call(upstream: str) -> None:
    """A key over its limit gets no answer from the cache either, and nothing stays open."""
    config = config_of(
        {"p": provider(upstream)},
        {"m": model("p", cache={**KEPT, **SHARED})},
        key={"limits": {"requests_per_minute": 1}},
    )
    async with bench(config) as made:
        assert result(await made.call(CHAT, ask("sim"))) == "miss"
        refused = await made.call(CHAT, ask("sim"))
        assert refused.error is not None
        assert refused.error.kind.name == "RATE_LIMITED"
        assert made.is_at_rest
        assert not made.kit.answers.flights


@pytest.mark.parametrize(
    ("kind", "user", "group", "tenant"),
    [
        ("key", "u", "g", "key:k"),
        ("user", "u", "g", "user:u"),
        ("group", "u", "g", "group:g"),
        ("user", "", "g", "key:k"),
        ("group", "u", "", "key:k"),
    ],
)
def test_a_tenant_is_never_wider_than_what_a_caller_has(kind: str, user: str, group: str, tenant: str) -> None:
    """Without a user or group a key shares with nobody; names of one kind are not taken for another."""
    assert tenant_of(Identity("k", "", (), Limits(), user_id=user, group=group), kind) == tenant


async def test_rules_and_arms_have_answers_of_their_own(upstream: str) -> None:
    """A call that a rule or a split sends elsewhere has answers of its own; so have other rules after a reload."""
    rule = {"name": "gold", "when": {"groups": ["gold"]}, "candidates": ["p"]}
    assert choices_of(
        Plan((), (), ("rule gold", "split trial: b", "policy cost", "last resort p/x", "affinity user"))
    ) == [
        "rule gold",
        "split trial: b",
    ]
    assert choices_of(None) == []
    salts = {
        entry.cache.salt
        for routing in ({}, {"rules": [rule]}, {"rules": [{**rule, "name": "silver"}]})
        if (entry := entry_of({"p": provider(upstream)}, cache=KEPT, routing=routing)).cache is not None
    }
    assert len(salts) == 3


async def test_a_broken_provider_does_not_hide_what_was_kept(upstream: str) -> None:
    """While its breaker is open, a model still gives the answers it kept."""
    async with at(upstream, KEPT) as made:
        assert result(await made.call(CHAT, ask("sim"))) == "miss"
        deployment = made.kit.runtime.catalogue.entries[0].candidates[0]
        now_s = asyncio.get_running_loop().time()
        for _ in range(50):
            made.kit.board.began(deployment, now_s)
            made.kit.board.ended(deployment, now_s, Verdict.FAULT, 0.0)
        assert made.kit.board.refusal(deployment, now_s) is not None
        assert result(await made.call(CHAT, ask("sim"))) == "hit"
