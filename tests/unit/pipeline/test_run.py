"""A whole call: items in order, settled exactly once whatever happens, and one log line that tells it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from gateway.config.schema import Config
from gateway.core.errors import Kind
from gateway.observe.metrics import exposition
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, STREAM_CHAT, Head, Tail
from gateway.simulator import server as simulator
from gateway.wire.openai import chat, completions, embeddings
from tests.support.recorder import COMPLETION, Scripted, recording
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import KEY, PEPPER, UPSTREAM_KEY, Bench, bench, config_of, model, provider

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[str]:
    """The base URL of a simulator."""
    running = await simulator.serve("127.0.0.1", 0)
    yield f"{running.url}/v1"
    await running.stop()


@asynccontextmanager
async def at(upstream: str, draw: Callable[[], float] = lambda: 0.0, **sections: Any) -> AsyncIterator[Bench]:
    """A kit whose one model, any name, is served by the simulator; it is at rest at the end."""
    async with bench(config_of({"p": provider(upstream)}, {"m": model("p")}, **sections), draw) as made:
        yield made
        assert made.is_at_rest


def ask(name: str, **members: Any) -> Any:
    """A chat request."""
    return chat.decode_request({"model": name, "messages": [{"role": "user", "content": "hello"}], **members})


async def test_a_whole_answer_is_head_batch_tail(upstream: str) -> None:
    """Every stage was measured; the provider is named."""
    async with at(upstream) as made:
        outcome = await made.call(CHAT, ask("sim"))
        assert [type(item) for item in outcome.items] == [Head, list, Tail]
        assert outcome.head.headers["x-gateway-provider"] == "p"
        assert outcome.head.headers["x-gateway-generation"] == "3"
        stages = [part.partition(";")[0] for part in outcome.tail.trailers["server-timing"].split(", ")]
        assert stages == ["admit", "plan", "reserve", "attempt", "stream", "settle"]


async def test_a_stream_is_head_batches_tail(upstream: str) -> None:
    """No batch is empty, and nothing comes after the tail."""
    async with at(upstream) as made:
        outcome = await made.call(STREAM_CHAT, ask("sim-chunks-5", stream=True))
        kinds = [type(item) for item in outcome.items]
        assert (kinds[0], kinds[-1], set(kinds[1:-1])) == (Head, Tail, {list})
        assert all(outcome.items[1:-1])
        assert "server-timing" in outcome.head.headers


REFUSED = {
    "no key": ("sim", {"credential": ""}, Kind.MISSING_KEY),
    "wrong key": ("sim", {"credential": "gw-x.y"}, Kind.INVALID_KEY),
    "no model": ("", {}, Kind.INVALID_REQUEST),
    "late": ("sim", {"timeout_ms": 0}, Kind.DEADLINE_EXCEEDED),
    "provider": ("sim-status-400", {}, Kind.INVALID_REQUEST),
    "cut": ("sim-cut-0", {}, Kind.STREAM_CUT),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_failure_is_head_then_the_error(upstream: str, name: str) -> None:
    """So that its headers reach the caller; nothing is promised and nothing stays taken."""
    asked, context, kind = REFUSED[name]
    async with at(upstream) as made:
        outcome = await made.call(STREAM_CHAT, ask(asked, stream=True), **context)
        assert [type(item) for item in outcome.items] == [Head]
        assert outcome.error is not None
        assert outcome.error.kind is kind
        assert "x-gateway-provider" not in outcome.head.headers


async def test_limits_are_in_the_head_of_success_and_refusal(upstream: str) -> None:
    """The second call of a minute is refused with what is left, and when to come back."""
    async with at(upstream, limits={"requests_per_minute": 1, "tokens_per_minute": 10_000}) as made:
        first = await made.call(CHAT, ask("sim"))
        assert first.head.headers["x-ratelimit-remaining-requests"] == "0"
        second = await made.call(CHAT, ask("sim"))
        assert second.error is not None
        assert (second.error.kind, second.error.limit) == (Kind.RATE_LIMITED, "requests")
        assert second.head.headers["x-ratelimit-limit-requests"] == "1"
        assert second.error.retry_after_s
        made.clock.advance(60)
        assert (await made.call(CHAT, ask("sim"))).error is None


async def test_reserved_tokens_become_the_used_ones(upstream: str) -> None:
    """The estimate is gone once the provider counted."""
    async with at(upstream, limits={"tokens_per_minute": 5_000}) as made:
        outcome = await made.call(CHAT, ask("sim", max_tokens=4_000))
        used = outcome.events[0].usage.total_tokens
        after = await made.call(CHAT, ask("sim", max_tokens=1))
        left = int(after.head.headers["x-ratelimit-remaining-tokens"])
        assert 5_000 - used - 20 <= left <= 5_000 - used


ENDS = ["success", "failure", "closed before the first item", "closed after the head", "closed mid-stream",
        "cancelled while connecting", "cancelled mid-stream"]  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
async def test_settled_exactly_once_however_it_ends(upstream: str, end: str) -> None:
    """One record each, everything given back, and the provider's connection closed before the call is over."""
    async with at(upstream, limits={"concurrency": 5}) as made:
        name = {"failure": "sim-status-500", "cancelled while connecting": "sim-silent"}.get(
            end, "sim-pace-20-chunks-9"
        )
        items = made.start(STREAM_CHAT, ask(name, stream=True))
        if end.startswith("closed"):
            for _ in range({"closed after the head": 1, "closed mid-stream": 4}.get(end, 0)):
                await anext(items)
            await items.aclose()
        elif end.startswith("cancelled"):
            task = asyncio.create_task(_drain(items))
            in_flight = made.kit.quota.in_flight
            await eventually(lambda: in_flight("test") == 1)
            await asyncio.sleep(0.06)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await made.call(STREAM_CHAT, ask(name, stream=True))
            await items.aclose()
        assert made.is_at_rest
        records = made.log.records()
        assert len(records) == (0 if end == "closed before the first item" else 1)
        if end.startswith(("closed after", "closed mid", "cancelled")):
            assert records[0]["outcome"] == "cancelled"


async def _drain(items: Any) -> None:
    async for _ in items:
        pass


async def test_a_bug_is_an_internal_error_with_one_traceback(upstream: str) -> None:
    """Whatever breaks inside a call: the caller gets a request id to ask about, the log gets the traceback."""

    def broken() -> float:
        raise ZeroDivisionError("boom")

    async with at(upstream, broken) as made:
        made.kit.runtime = made.kit.runtime.__class__.of(
            config_of({"p": provider(upstream)}, {"m": model("p", candidates=[{"provider": "p", "weight": 1}] * 2)}),
            3,
            PEPPER,
        )
        outcome = await made.call(CHAT, ask("sim"))
        assert outcome.error is not None
        assert (outcome.error.kind, "boom" in outcome.error.message) == (Kind.INTERNAL, False)
        assert "boom" in "".join(made.log.records("bug")[0]["traceback"])
        assert [record["outcome"] for record in made.log.records()] == ["internal"]


# --- the log line ----------------------------------------------------------------------------------------------------


async def test_the_log_line_of_a_good_call(upstream: str) -> None:
    """Who, what, where, how much, how long: and nothing of what was said, and no secret."""
    pricing = {"input_usd_per_million": Decimal(2), "output_usd_per_million": Decimal(10)}
    config = config_of({"p": provider(upstream)}, {"m": model("p", pricing=pricing)})
    async with bench(config) as made:
        outcome = await made.call(CHAT, ask("sim", messages=[{"role": "user", "content": "the-prompt"}]))
        text, (record,) = made.log.text, made.log.records()
    usage = outcome.events[0].usage
    known = {
        "request_id": "req_1", "protocol": "http", "method": "Chat", "outcome": "complete", "key": "test",
        "model": "sim", "provider": "p",
    }  # fmt: skip
    assert {name: record[name] for name in known} == known
    assert (record["prompt_tokens"], record["completion_tokens"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert record["cost_usd_micros"] == usage.prompt_tokens * 2 + usage.completion_tokens * 10
    assert set(record["stages"]) == {"admit", "plan", "reserve", "attempt", "stream"}
    assert record["ms"] >= sum(record["stages"].values()) - 1
    answer = outcome.events[0].choices[0].message.blocks[0].text
    for hidden in (KEY, "a-secret-never-shown", UPSTREAM_KEY, PEPPER.decode(), "the-prompt", answer):
        assert hidden not in text


async def test_the_log_line_of_a_failed_call(upstream: str) -> None:
    """Every try with its outcome, and the error; still no secret."""
    async with at(upstream) as made:
        await made.call(CHAT, ask("sim-status-500"))
        text, (record,) = made.log.text, made.log.records()
    assert record["outcome"] == "provider_error"
    assert [attempt["outcome"] for attempt in record["tries"]] == ["provider_error"] * 3
    assert "HTTP 500" in record["cause"]
    assert record["error"]
    assert KEY not in text
    assert UPSTREAM_KEY not in text


async def test_a_refused_key_is_logged_without_the_key(upstream: str) -> None:
    """The cause says what was wrong with it."""
    async with at(upstream) as made:
        await made.call(CHAT, ask("sim"), credential="gw-guess.some-wrong-secret")
        text, (record,) = made.log.text, made.log.records()
    assert (record["outcome"], record["key"]) == ("invalid_key", None)
    assert "unknown id" in record["cause"]
    assert "some-wrong-secret" not in text


async def test_usage_is_estimated_when_nobody_reported_it(upstream: str) -> None:
    """From the delivered text, and marked; a call that reached nobody used nothing."""
    async with at(upstream) as made:
        await made.call(STREAM_CHAT, ask("sim-nousage-chunks-8", stream=True))
        await made.call(CHAT, ask("sim"), credential="gw-guess.x")
        good, refused = made.log.records()
    assert good["is_estimate"]
    assert good["completion_tokens"] > 0
    assert "is_estimate" not in refused
    assert (refused["prompt_tokens"], refused["completion_tokens"]) == (0, 0)


@pytest.mark.parametrize("capabilities", [("chat", "completion"), ("chat",)])
async def test_an_echoed_prompt_is_no_answer(upstream: str, capabilities: tuple[str, ...]) -> None:
    """An estimate counts what the model made, where completions are native and where they are chats."""
    config = config_of({"p": provider(upstream)}, {"m": model("p", capabilities=capabilities)})
    async with bench(config) as made:
        for echo in (False, True):
            body = {"model": "sim-nousage", "prompt": "once upon a time", "echo": echo}
            outcome = await made.call(COMPLETE, completions.decode_request(body))
            assert outcome.events[0].choices[0].text.startswith("once upon") is echo
        plain, echoed = made.log.records()
    assert plain["completion_tokens"] == echoed["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("members", "completion"),
    [({"tokenizer": "o200k_base"}, 4), ({"usage_unit": "characters"}, len("You said: hello"))],
)
async def test_usage_is_counted_where_the_model_says_how(upstream: str, members: Any, completion: int) -> None:
    """From the delivered text: exactly, which is no estimate."""
    config = config_of({"p": provider(upstream)}, {"m": model("p", **members)})
    async with bench(config) as made:
        outcome = await made.call(STREAM_CHAT, ask("sim-nousage", stream=True))
        assert outcome.error is None, made.log.text
        (record,) = made.log.records()
    assert "is_estimate" not in record
    assert record["completion_tokens"] == completion
    assert record["prompt_tokens"] > 0


async def test_a_cut_stream_is_charged_for_what_was_delivered(upstream: str) -> None:
    """Its end is an error and never a success; what came before is counted."""
    async with at(upstream, limits={"tokens_per_minute": 10_000}) as made:
        outcome = await made.call(STREAM_CHAT, ask("sim-cut-3-pace-30", stream=True))
        assert outcome.error is not None
        assert outcome.error.kind is Kind.STREAM_CUT
        assert not isinstance(outcome.items[-1], Tail)
        (record,) = made.log.records()
        assert record["completion_tokens"] > 0
        assert record["outcome"] == "stream_cut"


async def test_embeddings_have_no_completion_tokens(upstream: str) -> None:
    """And no chunk count."""
    async with at(upstream) as made:
        outcome = await made.call(EMBED, embeddings.decode_request({"model": "sim", "input": ["a b", "c"]}))
        (record,) = made.log.records()
    assert outcome.error is None
    assert (record["completion_tokens"], "chunks" in record) == (0, False)
    assert record["prompt_tokens"] > 0


@pytest.mark.parametrize("words", ["\ud800", "\n{}\n", "\x1b[31m", "x" * 100_000])
async def test_whatever_a_provider_says_the_call_fails_as_it_should(words: str) -> None:
    """Its words break neither the log line nor the answer."""
    async with recording() as recorder:
        recorder.answer = lambda _: Scripted(400, json.dumps({"error": {"message": words, "code": words}}).encode())
        async with at(f"{recorder.url}/v1") as made:
            outcome = await made.call(CHAT, ask("sim"))
            assert outcome.error is not None
            assert outcome.error.kind is Kind.INVALID_REQUEST
            assert len(made.log.records()) == 1


@pytest.mark.parametrize("count", [-5, 2**62, 0])
async def test_absurd_usage_breaks_nothing(count: int) -> None:
    """A provider that counts backwards or beyond all bounds: the call is good, metrics and limits stay sane."""
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), count)
    async with recording() as recorder:
        recorder.answer = lambda _: Scripted(body=json.dumps({**COMPLETION, "usage": usage}).encode())
        pricing = {"input_usd_per_million": Decimal(2), "output_usd_per_million": Decimal(1000)}
        config: Config = config_of(
            {"p": provider(f"{recorder.url}/v1")},
            {"m": model("p", pricing=pricing)},
            limits={"tokens_per_minute": 1000},
        )
        async with bench(config) as made:
            outcome = await made.call(CHAT, ask("m"))
            assert outcome.error is None
            assert len(made.log.records()) == 1
            assert b"gateway_calls_total" in exposition()
            after = await made.call(CHAT, ask("m", max_tokens=1))
            assert int(after.head.headers["x-ratelimit-remaining-tokens"]) < 1000
