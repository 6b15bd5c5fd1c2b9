"""The plan stage over real sockets: rules, other models, keys, mirrors, breakers, and what a call is told of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.core.errors import Kind
from gateway.core.secret import Secret
from gateway.pipeline.explain import past_record
from gateway.routing.breaker import Verdict
from gateway.rpc.contract import CHAT
from gateway.wire.openai import chat
from tests.support.recorder import Recorder, Scripted, Seen, recording
from tests.support.waiting import PATIENCE_S, eventually
from tests.unit.pipeline.kits import Bench, Outcome, bench, config_of, model, provider
from tests.unit.pipeline.scripted import call, scripted

RETRY = {"attempts_max": 1}
REFUSED = {"error": {"message": "no", "type": "invalid_request_error", "code": "invalid_api_key"}}


@asynccontextmanager
async def routed(models: dict[str, Any], **sections: Any) -> AsyncIterator[tuple[Bench, Recorder]]:
    """Providers `a`, `b` and `keys` (with the keys one and two) at one recorder, told apart by their path."""
    async with recording() as upstream:
        keys = [Secret("one", "first"), Secret("two", "second")]
        blocks = {name: provider(f"{upstream.url}/{name}") for name in ("a", "b")}
        blocks["keys"] = provider(f"{upstream.url}/keys", auth="bearer", api_keys=keys)
        async with bench(config_of(blocks, models, **sections)) as made:
            yield made, upstream


def who(upstream: Recorder) -> list[str]:
    """The providers that were asked, in order."""
    return [seen.path.split("/")[1] for seen in upstream.seen]


async def ask(made: Bench, name: str = "x", headers: dict[str, str] | None = None, **members: Any) -> Outcome:
    """One call."""
    message = {"role": "user", "content": "hello"}
    request = chat.decode_request({"model": name, "messages": [message], **members})
    return await made.call(CHAT, request, headers=headers or {})


def failing(*names: str) -> Any:
    """A script under which these providers answer 503."""

    def answer(seen: Seen) -> Scripted:
        return Scripted(503, b"{}") if seen.path.split("/")[1] in names else Scripted()

    return answer


async def test_a_rule_reads_headers_metadata_and_size() -> None:
    """What the edge let through, and what the request says of itself."""
    rules = [
        {"name": "eu", "when": {"headers": {"x-region": "eu"}}, "candidates": ["b"]},
        {"name": "gold", "when": {"metadata": {"tier": "gold"}}, "candidates": ["b"]},
        {"name": "long", "when": {"prompt_tokens_min": 500}, "candidates": ["b"]},
    ]
    async with routed({"m": model("a", "b", routing={"rules": rules})}) as (made, upstream):
        await ask(made)
        await ask(made, headers={"x-region": "eu"})
        await ask(made, metadata={"tier": "gold"})
        await ask(made, messages=[{"role": "user", "content": "word " * 500}])
        assert who(upstream) == ["a", "b", "b", "b"]


async def test_a_rule_may_send_a_call_to_another_model() -> None:
    """With that model's name, candidates and routing; the caller's name for it is not sent."""
    rules = [{"name": "short", "when": {"prompt_tokens_max": 50}, "model": "small"}]
    models = {"m": model("a", names=["big"], routing={"rules": rules}), "small": model("b", names=["little"])}
    async with routed(models) as (made, upstream):
        assert (await ask(made, "big")).error is None
        assert (who(upstream), upstream.last.json["model"]) == (["b"], "little")
        (record,) = made.log.records()
        assert (record["model"], record["provider"]) == ("big", "b")


async def test_a_refused_key_goes_to_the_next_key_and_stays_out() -> None:
    """The first call tries both; later ones ask the good key alone, until its quarantine is over."""

    def answer(seen: Seen) -> Scripted:
        is_good = seen.header("authorization") == "Bearer two"
        return Scripted() if is_good else Scripted(401, json.dumps(REFUSED).encode())

    async with routed({"m": model("keys")}) as (made, upstream):
        upstream.answer = answer
        for _ in range(3):
            assert (await ask(made)).error is None
        assert [seen.header("authorization") for seen in upstream.seen] == ["Bearer one", *["Bearer two"] * 3]


async def test_a_limited_key_goes_to_the_next_key() -> None:
    """429 on one key is no reason to wait while another one is free."""

    def answer(seen: Seen) -> Scripted:
        return Scripted() if seen.header("authorization") == "Bearer two" else Scripted(429, b"{}")

    async with routed({"m": model("keys")}) as (made, upstream):
        upstream.answer = answer
        assert (await ask(made)).error is None
        assert [seen.header("authorization") for seen in upstream.seen] == ["Bearer one", "Bearer two"]


async def test_a_failing_deployment_is_left_out_after_five_failures() -> None:
    """Every call is answered by the other; the failing one is asked five times and not again."""
    async with routed({"m": model("a", "b", retry=RETRY)}) as (made, upstream):
        upstream.answer = failing("a")
        for _ in range(12):
            assert (await ask(made)).error is None
        assert who(upstream).count("a") == 5
        assert who(upstream)[-1] == "b"


async def test_calls_that_come_at_once_send_one_probe() -> None:
    """Twenty calls find a breaker whose time is over: one tries it, the others go to the next deployment."""
    async with routed({"m": model("a", "b", retry=RETRY)}) as (made, upstream):
        upstream.answer = failing("a")
        for _ in range(5):
            await ask(made)
        (broken,) = [live for live in made.kit.board if live.breaker.reason]
        broken.breaker.open_until_s = asyncio.get_running_loop().time()  # as if its time had passed
        upstream.seen.clear()
        outcomes = await asyncio.gather(*(ask(made) for _ in range(20)))
        assert [outcome.error for outcome in outcomes] == [None] * 20
        assert who(upstream).count("a") == 1


async def test_the_only_deployment_is_always_asked() -> None:
    """Its breaker opens and is told, but a caller is better off with the provider's own answer."""
    async with routed({"m": model("a", retry=RETRY)}) as (made, upstream):
        upstream.answer = failing("a")
        for _ in range(12):
            assert (await ask(made)).error is not None
        assert who(upstream) == ["a"] * 12
        upstream.answer = failing()
        assert (await ask(made)).error is None
        assert [live.breaker.reason for live in made.kit.board] == [""]


async def test_callers_who_are_wrong_or_leave_open_no_breaker() -> None:
    """Fifty refusals of the request, and ten callers who left, say nothing of the provider."""
    async with routed({"m": model("a", "b", retry=RETRY)}) as (made, upstream):
        upstream.answer = lambda _: Scripted(400, b'{"error": {"message": "no", "type": "invalid_request_error"}}')
        for _ in range(20):
            await ask(made)
        request = chat.decode_request({"model": "x", "messages": [{"role": "user", "content": "x"}]})
        for _ in range(10):
            task = asyncio.create_task(made.call(CHAT, request))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert {(live.breaker.reason, live.in_flight) for live in made.kit.board} == {("", 0)}
        assert "b" not in who(upstream)


async def test_a_call_nobody_can_serve_is_refused_with_what_is_missing() -> None:
    """As if the model lacked it; no provider is asked."""
    only_chat = [{"provider": "a", "capabilities": ["chat"]}, {"provider": "b", "capabilities": ["chat"]}]
    async with routed({"m": model(candidates=only_chat)}) as (made, upstream):
        tool = {"type": "function", "function": {"name": "f"}}
        outcome = await ask(made, tools=[tool])
        assert outcome.error is not None
        assert (outcome.error.kind, outcome.error.param) == (Kind.UNSUPPORTED_PARAMETER, "tools")
        assert not upstream.seen


async def test_a_mirror_gets_a_copy_that_nobody_waits_or_pays_for() -> None:
    """The caller has its answer while the copy runs; one log line, one reservation, settled."""
    mirrored = {"mirror": {"model": "shadow", "percent": 100}}
    models = {"m": model("a", names=["x"], routing=mirrored), "shadow": model("b", names=["copy"], retry=RETRY)}
    async with routed(models, limits={"concurrency": 1}) as (made, upstream):
        upstream.answer = failing("b")
        for _ in range(2):
            assert (await ask(made)).error is None
        await eventually(lambda: who(upstream).count("b") == 2 and made.kit.mirrors == 0)
        assert {seen.json["model"] for seen in upstream.seen if "/b/" in seen.path} == {"copy"}
        assert len(made.log.records()) == 2
        await eventually(lambda: made.is_at_rest)


async def test_no_more_copies_than_allowed_run_at_a_time() -> None:
    """What is above is not made: the caller's own calls come first."""
    mirrored = {"mirror": {"model": "shadow", "percent": 100, "in_flight_max": 1}}
    models = {"m": model("a", names=["x"], routing=mirrored), "shadow": model("b", names=["copy"])}
    async with routed(models) as (made, upstream):
        made.kit.mirrors = 1
        assert (await ask(made)).error is None
        assert (who(upstream), made.kit.background) == (["a"], set())


async def test_batch_calls_are_told_by_their_condition() -> None:
    """One place, held by a call: an interactive call gets it before a batch call that came earlier."""
    conditions = [{"headers": {"x-priority": "batch"}}]
    limited = {"concurrency": {"limit_min": 1, "limit_first": 1, "limit_max": 1, "wait_max_s": PATIENCE_S}}
    models = {"m": model("a", routing=limited)}
    async with routed(models, policies={"batch": conditions}) as (made, upstream):
        deployment = made.kit.runtime.catalogue.entries[0].candidates[0]
        assert deployment.concurrency is not None
        door = made.kit.gate.door(deployment, deployment.concurrency)
        await door.enter(1e9, is_batch=False)
        async with asyncio.TaskGroup() as calls:
            calls.create_task(ask(made, headers={"x-priority": "batch"}, user="batch"))
            await eventually(lambda: door.waiting == 1)
            calls.create_task(ask(made, user="interactive"))
            await eventually(lambda: door.waiting == 2)
            door.leave(0.01, Verdict.OK)
        assert [seen.json["user"] for seen in upstream.seen] == ["interactive", "batch"]
        assert (door.in_flight, door.waiting) == (0, 0)


async def test_a_call_without_a_place_goes_to_the_next_candidate() -> None:
    """Shed at one deployment is not shed at all while another has room."""
    limited = {"concurrency": {"limit_min": 1, "limit_first": 1, "limit_max": 1, "queue_max": 0}}
    async with routed({"m": model("a", "b", routing=limited)}) as (made, upstream):
        deployment = made.kit.runtime.catalogue.entries[0].candidates[0]
        assert deployment.concurrency is not None
        await made.kit.gate.door(deployment, deployment.concurrency).enter(1e9, is_batch=False)
        assert (await ask(made)).error is None
        assert who(upstream) == ["b"]


async def test_the_log_says_what_explain_says() -> None:
    """Considered, dropped, tried: the record of a past call and the one line of it in the log name the same."""
    async with scripted({"a": [503], "b": ["ok"], "c": ["ok"]}, retry={"attempts_max": 1}) as (made, _):
        refused, now_s = made.kit.runtime.catalogue.entries[0].candidates[2], made.kit.transport.loop.time()
        made.kit.board.began(refused, now_s)
        made.kit.board.ended(refused, now_s, Verdict.UNAUTHORIZED, 0.0)
        assert (await call(made)).error is None
        past = made.kit.calls.find("req_1")
        assert past is not None
        explained, (line,) = past_record(past), made.log.records()
        assert line["candidates"] == [each["deployment"] for each in explained["candidates"]] == ["a/*", "b/*"]
        assert line["dropped"] == {each["deployment"]: each["reason"] for each in explained["dropped"]}
        assert "c/*" in line["dropped"]
        tried = [(each["deployment"], each["outcome"]) for each in explained["tried"]]
        assert [(each["deployment"], each["outcome"]) for each in line["tries"]] == tried
        assert line["outcome"] == explained["outcome"] == "complete"
