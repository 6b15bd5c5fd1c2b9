"""A second attempt for a late first token: when, against whom, who wins, and what is left of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from gateway.config.catalogue import Deployment
from gateway.core.errors import Kind
from gateway.pipeline.attempts.hedged import rival_of
from gateway.routing.board import Board
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.openai import chat
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.pipeline.kits import Bench, bench, config_of, entry_of, model, provider
from tests.unit.pipeline.scripted import DONE, RETRY, TEXT, call
from tests.unit.providers.loopback import Connection, loopback

HEDGE = {"is_enabled": True, "delay_min_s": 0.05, "budget_percent": 100}


@dataclass
class Upstream:
    """Each provider answers after its wait (seconds), or with a status, or once the provider it names was asked."""

    waits: dict[str, float | int | str]
    seen: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    async def __call__(self, connection: Connection, request: bytes) -> None:
        name = request.split(b" ")[1].split(b"/")[1].decode()
        self.seen.append(name)
        wait = self.waits[name]
        if isinstance(wait, int):
            await connection.answer(b"{}", status=f"{wait} X")
            return
        await connection.stream()
        if isinstance(wait, str):
            await eventually(lambda: wait in self.seen, f"{wait} is asked")
            wait = 0.05
        try:
            async with asyncio.timeout(wait):
                await connection.closed()
            self.closed.append(name)
        except TimeoutError:
            await connection.piece(TEXT + DONE)
            await connection.piece(b"")


@asynccontextmanager
async def racing(
    waits: dict[str, float | int | str], known_s: float = 0.01, delay_s: float = 0.05
) -> AsyncIterator[tuple[Bench, Upstream]]:
    """A kit whose model hedges, and knows how fast its first deployment is."""
    upstream = Upstream(waits)
    async with loopback(upstream) as server:
        blocks = {name: provider(f"{server.url}/{name}") for name in waits}
        config = config_of(
            blocks, {"m": model(*waits, hedge={**HEDGE, "delay_min_s": delay_s}, retry={**RETRY, "attempts_max": 1})}
        )
        async with bench(config, lambda: 0.5) as made:
            learn(made, known_s)
            yield made, upstream
            assert made.is_at_rest
            assert all(live.in_flight == 0 for live in made.kit.board)


def learn(made: Bench, seconds: float) -> None:
    """The first deployment had thirty first contents after so long."""
    first = made.kit.runtime.catalogue.entries[0].candidates[0]
    for _ in range(30):
        made.kit.board.first_content(first, 0.0, seconds)


async def test_the_faster_second_attempt_wins() -> None:
    """The first one is closed at its provider; both are in the record, the winner last."""
    async with racing({"a": 30.0, "b": 0.0}) as (made, upstream):
        outcome = await call(made, stream=True)
        assert outcome.error is None
        assert outcome.head.headers["x-gateway-provider"] == "b"
        assert upstream.seen == ["a", "b"]
        await eventually(lambda: upstream.closed == ["a"])
        (record,) = made.log.records()
        assert [(t["deployment"], t["outcome"]) for t in record["tries"]] == [
            ("a/*", "hedge_lost"),
            ("b/*", "complete"),
        ]
        assert record["tries"][1]["kind"] == "hedge"
        assert record["provider"] == "b"


async def test_the_first_attempt_may_still_win() -> None:
    """The second one is closed; nothing of it reaches the caller."""
    async with racing({"a": "b", "b": 30.0}) as (made, upstream):
        outcome = await call(made, stream=True)
        assert (outcome.error, upstream.seen) == (None, ["a", "b"])
        assert len(outcome.events) == 1
        await eventually(lambda: upstream.closed == ["b"])
        (record,) = made.log.records()
        assert record["provider"] == "a"


@pytest.mark.parametrize(("waits", "seen"), [({"a": 0.0, "b": 0.0}, ["a"]), ({"a": 0.2}, ["a"])])
async def test_a_first_token_in_time_or_without_a_rival_is_not_raced(waits: dict[str, float | int], seen: Any) -> None:
    """Nothing is asked twice."""
    async with racing(waits, delay_s=0.05 if "b" not in waits else PATIENCE_S) as (made, upstream):
        assert (await call(made, stream=True)).error is None
        assert upstream.seen == seen


async def test_nothing_is_raced_before_the_percentile_is_known() -> None:
    """Nobody knows what late is."""
    async with racing({"a": 0.2, "b": 0.0}) as (made, upstream):
        made.kit.board.keep(())
        assert (await call(made, stream=True)).error is None
        assert upstream.seen == ["a"]


async def test_the_budget_bounds_second_attempts() -> None:
    """A share of calls, after what was saved."""
    async with racing({"a": 0.2, "b": 0.0}) as (made, upstream):
        made.kit.hedges.saved = -0.5
        assert (await call(made, stream=True)).error is None
        assert upstream.seen == ["a"]
        made.kit.hedges.saved, upstream.waits["a"] = 1.0, 30.0
        assert (await call(made, stream=True)).error is None
        assert upstream.seen == ["a", "a", "b"]


async def test_one_that_fails_leaves_the_race_to_the_other() -> None:
    """Also when it is the second one; when both fail the next candidates are tried."""
    async with racing({"a": "b", "b": 503}) as (made, upstream):
        assert (await call(made, stream=True)).error is None
        assert upstream.seen == ["a", "b"]
    async with racing({"a": 503, "b": 503, "c": 0.0}) as (made, upstream):
        assert (await call(made, stream=True)).error is None
        assert upstream.seen == ["a", "b", "c"]
    async with racing({"a": 503, "b": 503}) as (made, _):
        error = (await call(made, stream=True)).error
        assert error is not None
        assert error.kind is Kind.PROVIDER_ERROR


async def test_a_caller_that_leaves_ends_both() -> None:
    """No attempt is left open, and none counts against its deployment."""
    async with racing({"a": 30.0, "b": 30.0}) as (made, upstream):
        request = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True})
        task = asyncio.create_task(made.call(STREAM_CHAT, request))
        await eventually(lambda: len(upstream.seen) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: sorted(upstream.closed) == ["a", "b"])
        assert all(not live.breaker.reason for live in made.kit.board)


def test_a_dear_rival_is_not_raced() -> None:
    """Its tokens may cost so many times those of the first; an unknown price is not compared."""
    cheap, dear = (
        {"input_usd_per_million": price, "output_usd_per_million": price} for price in (Decimal(1), Decimal(9))
    )
    providers = {name: provider("http://127.0.0.1:9/v1") for name in "abc"}
    entry = entry_of(
        providers,
        hedge=HEDGE,
        candidates=[{"provider": "a", "pricing": cheap}, {"provider": "b", "pricing": dear}, {"provider": "c"}],
    )
    made = bench_board(entry.candidates[0])
    assert entry.hedge is not None
    found = rival_of(entry.candidates[0], entry.candidates, entry.hedge, made, 0.0)
    assert found is not None
    assert found == (entry.candidates[2], 0.5)


def bench_board(first: Deployment) -> Board:
    """A board that knows the first deployment."""
    board = Board()
    for _ in range(30):
        board.first_content(first, 0.0, 0.5)
    return board
