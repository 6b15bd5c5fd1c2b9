"""Which tries a call makes: the same deployment again, the next one, or none - and never after the first content."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gateway.core.errors import Kind
from gateway.rpc.contract import STREAM_CHAT, Head, Tail
from gateway.wire.openai import chat
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.pipeline.kits import bench, config_of, model, provider
from tests.unit.pipeline.scripted import DONE, ERROR, RETRY, ROLE, TEXT, Step, call, scripted
from tests.unit.providers.loopback import Connection, loopback

TABLE: dict[str, tuple[dict[str, list[Step]], bool, str, Kind | None]] = {
    # what happens: providers' answers, streamed?, the providers asked in order, how the call ends
    "first time right": ({"a": ["ok"], "b": ["ok"]}, False, "a", None),
    "a passing failure is retried": ({"a": [500, 502, "ok"], "b": ["ok"]}, False, "aaa", None),
    "then the next one": ({"a": [500], "b": ["ok"]}, False, "aaab", None),
    "all fail": ({"a": [500], "b": [503]}, False, "aaabbb", Kind.PROVIDER_ERROR),
    "the last failure is told": ({"a": [500], "b": [401]}, False, "aaab", Kind.PROVIDER_AUTH),
    "a rate limit with another candidate": ({"a": [429], "b": ["ok"]}, False, "ab", None),
    "a rate limit without": ({"a": [429, "ok"]}, False, "aa", None),
    "a refused request is refused everywhere": ({"a": [400], "b": ["ok"]}, False, "a", Kind.INVALID_REQUEST),
    "a refused key": ({"a": [401], "b": ["ok"]}, False, "ab", None),
    "an unknown model": ({"a": [404], "b": ["ok"]}, False, "ab", None),
    "a silent one is not asked again": ({"a": ["silent"], "b": ["ok"]}, False, "ab", None),
    "all silent": ({"a": ["silent"], "b": ["silent"]}, False, "ab", Kind.PROVIDER_TIMEOUT),
    "no JSON": ({"a": ["html", "ok"]}, False, "aa", None),
    "a redirect": ({"a": [302, "ok"]}, False, "aa", None),
    "stream: first time right": ({"a": ["ok"]}, True, "a", None),
    "stream: refused then right": ({"a": [500, "ok"]}, True, "aa", None),
    "stream: cut before content": ({"a": [b"", "ok"]}, True, "aa", None),
    "stream: cut after the role": ({"a": [ROLE, "ok"]}, True, "aa", None),
    "stream: an error before content": ({"a": [ROLE + ERROR, "ok"]}, True, "aa", None),
    "stream: malformed before content": ({"a": [b"data: {\n\n", "ok"]}, True, "aa", None),
    "stream: only an end mark": ({"a": [DONE, "ok"]}, True, "aa", None),
    "stream: a page": ({"a": ["html", "ok"]}, True, "aa", None),
    "stream: cut after content": ({"a": [TEXT, "ok"], "b": ["ok"]}, True, "a", Kind.STREAM_CUT),
}


@pytest.mark.parametrize("name", TABLE)
async def test_what_is_tried(name: str) -> None:
    """The providers that were asked, in order, and how the call ended."""
    steps, stream, asked, kind = TABLE[name]
    async with scripted(steps) as (made, script):
        outcome = await call(made, stream=stream)
        assert "".join(script.seen) == asked
        assert (outcome.error.kind if outcome.error else None) is kind
        assert isinstance(outcome.items[-1], Tail) is (kind is None)
        assert len(set(script.bodies)) == 1, "each try sends the same body"
        (record,) = made.log.records()
        if len(asked) > 1:
            assert [attempt["deployment"][0] for attempt in record["tries"]] == list(asked)
        if kind is None:
            assert outcome.head.headers["x-gateway-provider"] == asked[-1]


async def test_a_failed_try_leaves_nothing_to_the_caller() -> None:
    """The role of the failed try is not in the answer, and its connection is closed."""
    async with scripted({"a": [ROLE, "ok"]}) as (made, script):
        outcome = await call(made, stream=True)
        assert len(outcome.events) == 1
        assert script.server is not None
        assert script.server.open <= 1


@pytest.mark.parametrize(("members", "asked"), [({}, "aaa"), ({"retry": {**RETRY, "attempts_max": 1}}, "a")])
async def test_without_fallback_the_next_is_not_asked(members: dict[str, Any], asked: str) -> None:
    """Retries are another matter."""
    async with scripted({"a": [500], "b": ["ok"]}, has_fallback=False, **members) as (made, script):
        outcome = await call(made)
        assert outcome.error is not None
        assert "".join(script.seen) == asked


async def test_no_candidate_at_all() -> None:
    """Everything dropped: unavailable, and the log says why each is out."""
    config = config_of({"a": provider("http://127.0.0.1:9", enabled="off")}, {"m": model("a")})
    async with bench(config) as made:
        outcome = await call(made)
        assert outcome.error is not None
        assert outcome.error.kind is Kind.UNAVAILABLE
        assert made.log.records()[0]["dropped"] == {"a/*": "disabled"}
        assert made.is_at_rest


async def test_retry_after_is_honoured() -> None:
    """The same deployment is not asked earlier than it said."""
    async with scripted({"a": [(429, "0.2"), "ok"]}) as (made, script):
        before_s = time.monotonic()
        assert (await call(made)).error is None
        assert time.monotonic() - before_s >= 0.2
        assert script.seen == ["a", "a"]


async def test_a_long_retry_after_goes_to_the_next_or_to_the_caller() -> None:
    """Beyond `retry_after_max_s` nobody waits; the caller is told how long."""
    policies = {"retry": {"retry_after_max_s": 1.0}}
    async with scripted({"a": [(503, "60")], "b": ["ok"]}, policies) as (made, script):
        assert (await call(made)).error is None
        assert script.seen == ["a", "b"]
    async with scripted({"a": [(429, "60")]}, policies) as (made, script):
        error = (await call(made)).error
        assert error is not None
        assert (error.kind, error.retry_after_s, script.seen) == (Kind.PROVIDER_RATE_LIMITED, 60, ["a"])


async def test_all_tries_share_one_deadline() -> None:
    """Two silent candidates do not get two deadlines."""
    async with scripted({"a": ["silent"], "b": ["silent"], "c": ["silent"]}) as (made, script):
        error = (await call(made, timeout_ms=200)).error
        assert error is not None
        assert error.kind is Kind.DEADLINE_EXCEEDED
        assert "c" not in script.seen


async def test_no_wait_goes_past_the_deadline() -> None:
    """The failure is told at once, as what it is, when no time is left for another try."""
    async with scripted({"a": [(500, "9")]}) as (made, script):
        before_s = time.monotonic()
        error = (await call(made, timeout_ms=8_000)).error
        assert error is not None
        assert (error.kind, script.seen) == (Kind.PROVIDER_ERROR, ["a"])
        assert time.monotonic() - before_s < 8


async def test_an_empty_budget_ends_retries_but_not_fallbacks() -> None:
    """An outage is not made worse; the next deployment is no retry."""
    policies = {"retry": {"budget_percent": 0}}
    async with scripted({"a": [500], "b": ["ok"]}, policies) as (made, script):
        made.kit.budget.saved = 1
        for _ in range(3):
            assert (await call(made)).error is None
        assert "".join(script.seen) == "aabababa"[: len(script.seen)]
        assert made.kit.budget.saved == 0


async def test_a_caller_that_leaves_while_waiting_to_retry_ends_it() -> None:
    """No further try is made."""
    async with scripted({"a": [(500, "5"), "ok"]}) as (made, script):
        task = asyncio.create_task(call(made))
        await eventually(lambda: script.seen)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert script.seen == ["a"]


async def test_usage_of_a_failed_try_is_not_the_answers() -> None:
    """What the caller is charged is what the answer that counted reported."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":900,"completion_tokens":900,"total_tokens":1800}}\n\n'
    async with scripted({"a": [usage + ERROR, "ok"]}) as (made, _):
        assert (await call(made, stream=True)).error is None
        (record,) = made.log.records()
        assert record["completion_tokens"] < 100


async def test_what_is_held_back_before_content_is_bounded() -> None:
    """A stream that never comes to content is given as it comes, instead of filling the memory."""

    async def endless(connection: Connection, _: bytes) -> None:
        await connection.stream()
        while True:
            await connection.piece(ROLE * 500)

    async with loopback(endless) as server:
        config = config_of({"a": provider(server.url)}, {"m": model("a")})
        async with bench(config) as made:
            request = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "x"}]})
            items = made.start(STREAM_CHAT, request)
            async with asyncio.timeout(PATIENCE_S):
                assert isinstance(await anext(items), Head)
                held = await anext(items)
            assert 1_000 < len(held) < 4_000
            await items.aclose()
            assert made.is_at_rest
