"""What becomes of a stream that breaks after its first content, by the means its model lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import Kind
from gateway.routing.board import Verdict
from gateway.rpc.contract import ON_CUT, STREAM_CHAT, Head, with_text
from gateway.wire.openai import chat
from tests.support.waiting import eventually
from tests.unit.pipeline.kits import Outcome
from tests.unit.pipeline.scripted import DONE, Step, call, scripted

FINISH = {"index": 0, "delta": {}, "finish_reason": "stop"}
PREFILLED = [{"provider": "a"}, {"provider": "b", "accepts_prefill": True}]


def chunk(id_: str = "a", usage: dict[str, int] | None = None, *choices: dict[str, Any]) -> bytes:
    """One chunk of the stream `id_`."""
    body: dict[str, Any] = {"id": f"chatcmpl-{id_}", "object": "chat.completion.chunk", "created": 1, "model": id_}
    body["choices"] = list(choices)
    if usage is not None:
        body["usage"] = usage
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def said(id_: str, *texts: str) -> bytes:
    """The role, then one chunk for each text."""
    role = chunk(id_, None, {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    return role + b"".join(
        [chunk(id_, None, {"index": 0, "delta": {"content": text}, "finish_reason": None}) for text in texts]
    )


def end(id_: str, prompt: int = 0, completion: int = 0) -> bytes:
    """The end of a stream; its usage if it has any."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return chunk(id_, None, FINISH) + (chunk(id_, usage) if prompt else b"") + DONE


def fragment(name: str, arguments: str, call_id: str = "") -> dict[str, Any]:
    """A fragment of a tool call."""
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    call_: dict[str, Any] = {"index": 0, "function": function}
    if call_id:
        call_ |= {"id": call_id, "type": "function"}
    return {"index": 0, "delta": {"tool_calls": [call_]}, "finish_reason": None}


def whole(events: list[Any]) -> list[Any]:
    """Events with every shorthand as the message it stands for."""
    made: list[Any] = []
    for event in events:
        made.append(with_text(made[-1], event) if isinstance(event, str) else event)
    return made


def text_of(outcome: Outcome) -> str:
    """The text a caller has in the end."""
    deltas = [choice.delta for event in whole(outcome.events) for choice in event.choices]
    return "".join([block.text for delta in deltas for block in delta.blocks])


def assert_legal(outcome: Outcome) -> None:
    """One id, one role, one finish reason at the end of all content."""
    events = whole(outcome.events)
    assert len({(event.id, event.model) for event in events}) == 1
    assert sum(choice.delta.HasField("role") for event in events for choice in event.choices) == 1
    reasons = [choice.finish_reason for event in events for choice in event.choices if choice.finish_reason]
    assert len(reasons) == 1


CUT = said("a", "Hel", "lo ", "wor")
AGAIN = said("b", "He", "llo w", "orld", "!")

TABLE: dict[str, tuple[list[str], dict[str, list[Step]], str, str, Kind | None]] = {
    # the list, the providers' answers, whom they asked, the text the caller has, how it ended
    "by default it fails": (["error"], {"a": [CUT], "b": [AGAIN + end("b")]}, "a", "Hello wor", Kind.STREAM_CUT),
    "spliced": (["splice"], {"a": [CUT], "b": [AGAIN + end("b")]}, "ab", "Hello world!", None),
    "spliced after a malformed chunk": (
        ["splice"], {"a": [[CUT, b"data: {\n\n"]], "b": [AGAIN + end("b")]}, "ab", "Hello world!", None
    ),
    "spliced after an error in the stream": (
        ["splice"], {"a": [[CUT, b'data: {"error":{"message":"m","code":503}}\n\n']], "b": [AGAIN + end("b")]}, "ab",
        "Hello world!", None,
    ),
    "another answer is not spliced": (
        ["splice"], {"a": [CUT], "b": [said("b", "Hello you") + end("b")]}, "aba", "Hello wor", Kind.STREAM_CUT
    ),
    "a shorter answer is not spliced": (
        ["splice"], {"a": [CUT], "b": [said("b", "Hello") + end("b")]}, "aba", "Hello wor", Kind.STREAM_CUT
    ),
    "the same deployment is asked last": (
        ["splice"], {"a": [CUT, said("a", "Hello world!") + end("a")], "b": [503]}, "aba", "Hello world!", None
    ),
    "spliced twice": (
        ["splice"], {"a": [CUT, said("a", "Hello world!") + end("a")], "b": [said("b", "Hello wo", "rl")]}, "aba",
        "Hello world!", None,
    ),
    "continued": (["continue"], {"a": [CUT], "b": [said("b", "ld", "!") + end("b")]}, "ab", "Hello world!", None),
    "continued behind white space": (
        ["continue"], {"a": [said("a", "Hello ")], "b": [said("b", " world!") + end("b")]}, "ab", "Hello world!", None
    ),
    "a refused prefill goes on to the next means": (
        ["continue", "splice"], {"a": [CUT], "b": [400, AGAIN + end("b")]}, "abb", "Hello world!", None
    ),
    "a refused prefill does not hide the first fault": (
        ["continue"], {"a": [CUT], "b": [400]}, "ab", "Hello wor", Kind.STREAM_CUT
    ),
    "restart is for callers that asked": (
        ["restart"], {"a": [CUT], "b": [AGAIN + end("b")]}, "a", "Hello wor", Kind.STREAM_CUT
    ),
    "only the end mark is missing": (
        ["splice"], {"a": [said("a", "Hello") + chunk("a", None, FINISH)], "b": ["ok"]}, "a", "Hello", None
    ),
    "buffered": (["buffer"], {"a": [CUT], "b": [said("b", "Other") + end("b")]}, "ab", "Other", None),
    "buffered, and nothing works": (["buffer"], {"a": [CUT], "b": [503]}, "abbb", "", Kind.STREAM_CUT),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
async def test_what_the_caller_gets(name: str) -> None:
    """Whom the means asked, the text, and the end; a rescued stream is one legal stream."""
    means, steps, asked, text, kind = TABLE[name]
    async with scripted(steps, rescue=means, candidates=PREFILLED) as (made, script):
        outcome = await call(made, stream=True)
        assert "".join(script.seen)[: len(asked)] == asked
        assert text_of(outcome) == text
        assert (outcome.error.kind if outcome.error else None) is kind
        if kind is None:
            assert_legal(outcome)
        (record,) = made.log.records()
        assert [attempt["deployment"][0] for attempt in record.get("tries", ())] in ([], script.seen)


async def test_a_continuation_asks_with_the_delivered_text() -> None:
    """It is the assistant's message at the end, without white space behind it; the rest of the request is the same."""
    steps: dict[str, list[Step]] = {"a": [said("a", "Hello ")], "b": [said("b", "world") + end("b")]}
    async with scripted(steps, rescue=["continue"], candidates=PREFILLED) as (made, script):
        assert text_of(await call(made, stream=True)) == "Hello world"
        first, second = (json.loads(body) for body in script.bodies)
        assert second["messages"] == [*first["messages"], {"role": "assistant", "content": "Hello"}]
        assert {**second, "messages": []} == {**first, "messages": []}


async def test_what_a_vendor_wants_beside_a_prefill_is_configured() -> None:
    """In the body and in the message, of the continuation alone."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [said("b", "ld") + end("b")]}
    second = {
        "provider": "b",
        "accepts_prefill": True,
        "prefill_force": {"continue_final_message": True},
        "prefill_message": {"prefix": True},
    }
    async with scripted(steps, rescue=["continue"], candidates=[{"provider": "a"}, second]) as (made, script):
        assert text_of(await call(made, stream=True)) == "Hello world"
        first, continuation = (json.loads(body) for body in script.bodies)
        assert continuation["continue_final_message"] is True
        assert continuation["messages"][-1] == {"role": "assistant", "content": "Hello wor", "prefix": True}
        assert "continue_final_message" not in first


async def test_prefill_is_only_sent_where_it_is_accepted() -> None:
    """A deployment that does not say so is not asked to continue."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": ["ok"]}
    async with scripted(steps, rescue=["continue"]) as (made, script):
        assert (await call(made, stream=True)).error is not None
        assert script.seen == ["a"]


async def test_a_call_of_a_tool_is_spliced_and_not_continued() -> None:
    """Its arguments go on; it keeps its id, and none comes twice."""
    begun = chunk("a", None, fragment("get", "", "call_1")) + chunk("a", None, fragment("", '{"x":'))
    again = chunk("b", None, fragment("get", '{"', "call_9")) + chunk("b", None, fragment("", 'x": 1}'))
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    steps: dict[str, list[Step]] = {"a": [begun], "b": [again + chunk("b", None, last) + DONE]}
    candidates = [{"provider": "a", "accepts_prefill": True}, {"provider": "b", "accepts_prefill": True}]
    async with scripted(steps, rescue=["continue", "splice"], candidates=candidates) as (made, script):
        outcome = await call(made, stream=True)
        assert outcome.error is None
        assert script.seen == ["a", "b"]
        calls = [b.tool for e in whole(outcome.events) for c in e.choices for b in c.delta.blocks if b.HasField("tool")]
        assert "".join([fragment_.arguments for fragment_ in calls]) == '{"x": 1}'
        assert [fragment_.id for fragment_ in calls if fragment_.id] == ["call_1"]
        assert {fragment_.index for fragment_ in calls} == {0}


async def test_an_answer_begins_anew_for_callers_that_asked() -> None:
    """One event without choices, then a whole stream of its own."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [said("b", "Other") + end("b")]}
    async with scripted(steps, rescue=["restart"]) as (made, _):
        outcome = await call(made, stream=True, headers={ON_CUT: "restart"})
        assert outcome.error is None
        events = whole(outcome.events)
        (at,) = [at for at, event in enumerate(events) if event.is_restart]
        assert not events[at].choices
        outcome.items = [outcome.head, events[at + 1 :]]
        assert text_of(outcome) == "Other"
        assert_legal(outcome)


async def test_a_buffered_answer_comes_whole() -> None:
    """The head says so and comes first; nothing of the broken answer is seen."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [AGAIN + end("b")]}
    async with scripted(steps, rescue=["buffer"]) as (made, _):
        outcome = await call(made, stream=True)
        assert outcome.head.headers["x-gateway-buffered"] == "true"
        assert len([item for item in outcome.items if isinstance(item, list)]) == 1
        assert isinstance(outcome.items[0], Head)
        assert {event.id for event in whole(outcome.events)} == {"chatcmpl-b"}


async def test_a_long_answer_is_neither_buffered_nor_spliced() -> None:
    """What a rescue keeps is bounded; beyond it the stream is as any other."""
    steps: dict[str, list[Step]] = {"a": [said("a", "x" * 1500)], "b": ["ok"]}
    policies = {"rescue_max_bytes": 1024}
    async with scripted(steps, policies, rescue=["buffer", "splice"]) as (made, script):
        outcome = await call(made, stream=True)
        assert outcome.error is not None
        assert text_of(outcome) == "x" * 1500
        assert script.seen == ["a"]
    async with scripted(steps, policies, rescue=["splice"]) as (made, script):
        outcome = await call(made, stream=True)
        assert (outcome.error is not None, script.seen) == (True, ["a"])


async def test_attempts_for_a_rescue_are_bounded() -> None:
    """However often an answer breaks again a little later."""
    steps: dict[str, list[Step]] = {"a": [said("a", "x" * n) for n in range(1, 40)], "b": [503]}
    async with scripted(steps, {"rescue_attempts_max": 5}, rescue=["splice"]) as (made, script):
        assert (await call(made, stream=True)).error is not None
        assert len(script.seen) == 1 + 5


async def test_two_answers_are_not_mixed() -> None:
    """A stream of several choices can only fail."""
    steps: dict[str, list[Step]] = {"a": [said("a", "x") + chunk("a", None, {"index": 1, "delta": {"content": "y"}})]}
    async with scripted({**steps, "b": ["ok"]}, rescue=["continue", "splice"]) as (made, script):
        assert (await call(made, stream=True)).error is not None
        assert script.seen == ["a"]


async def test_reasoning_is_not_repeated() -> None:
    """The caller keeps that of the first attempt; the answer is spliced all the same."""
    thought = chunk("b", None, {"index": 0, "delta": {"reasoning_content": "hmm"}, "finish_reason": None})
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [thought + AGAIN + end("b")]}
    async with scripted(steps, rescue=["splice"]) as (made, _):
        outcome = await call(made, stream=True)
        blocks = [b for e in whole(outcome.events) for c in e.choices for b in c.delta.blocks]
        assert not any(block.HasField("thinking") for block in blocks)
        assert text_of(outcome) == "Hello world!"


@pytest.mark.parametrize(
    ("means", "answer", "charged"),
    [
        ("splice", AGAIN + end("b", 7, 40), (7, 40)),
        ("continue", said("b", "ld!") + end("b", 10, 2), (7, 5)),
        ("continue", said("b", "ld!") + end("b", 6, 2), (5, 5)),  # not below the estimate of the prompt,
        ("continue", said("b", "ld!") + end("b", 2, 2), (2, 5)),  # nor above what the provider counted
    ],
)
async def test_the_caller_is_charged_for_what_was_delivered_once(
    means: str, answer: bytes, charged: tuple[int, int]
) -> None:
    """Both attempts stay in the record; the caller's usage is in the stream and in the record, the same."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [answer]}
    request = chat.decode_request(
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream_options": {"include_usage": True}}
    )
    async with scripted(steps, rescue=[means], candidates=PREFILLED) as (made, _):
        outcome = await made.call(STREAM_CHAT, request)
        (usage,) = [event.usage for event in whole(outcome.events) if event.HasField("usage")]
        (record,) = made.log.records()
        assert (usage.prompt_tokens, usage.completion_tokens) == charged
        assert (record["prompt_tokens"], record["completion_tokens"]) == charged
        first, second = record["tries"]
        assert (first["outcome"], second["kind"], second["outcome"]) == ("stream_cut", means, "complete")
        assert second["completion_tokens"] in (40, 2)


@pytest.mark.parametrize("prompt", [2**63 - 1, -(2**63)])
@pytest.mark.parametrize("completion", [2**63 - 1, 0, -(2**63)])
async def test_counts_without_sums_end_no_call(prompt: int, completion: int) -> None:
    """A provider may report anything: the answer arrives or is cut, as without, and is settled."""
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0}
    answer = said("b", "ld!") + chunk("b", None, FINISH) + chunk("b", counts) + DONE
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [answer]}
    async with scripted(steps, rescue=["continue"], candidates=PREFILLED) as (made, _):
        assert text_of(await call(made, stream=True)) == "Hello world!"
    async with scripted({"a": [CUT + chunk("a", counts)]}) as (made, _):
        failure = (await call(made, stream=True)).error
        assert failure is not None
        assert failure.kind is Kind.STREAM_CUT


async def test_a_failed_rescue_charges_what_was_delivered() -> None:
    """Not what the attempts for it were billed."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [said("b", "Other" * 50) + end("b", 7, 90)]}
    async with scripted(steps, rescue=["splice"]) as (made, _):
        assert (await call(made, stream=True)).error is not None
        (record,) = made.log.records()
        assert record["completion_tokens"] == 3  # nine characters


async def test_nothing_is_rescued_for_a_caller_that_left() -> None:
    """Its answer is read on for its usage; when that breaks, it is over."""
    steps: dict[str, list[Step]] = {"a": [[said("a", "Hel"), said("a", "lo")]], "b": [AGAIN + end("b")]}
    request = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True})
    async with scripted(steps, rescue=["splice"], on_client_gone="drain") as (made, script):
        items = made.start(STREAM_CHAT, request)
        assert isinstance(await anext(items), Head)
        await anext(items)
        await items.aclose()
        await eventually(lambda: made.is_at_rest)
        assert script.seen == ["a"]


async def test_an_open_breaker_is_left_alone_while_another_candidate_is_there() -> None:
    """The second candidate failed for others; the third goes on."""
    steps: dict[str, list[Step]] = {"a": [CUT], "b": [503], "c": [AGAIN + end("c")]}
    async with scripted(steps, rescue=["splice"]) as (made, script):
        second = made.kit.runtime.catalogue.entries[0].candidates[1]
        items = made.start(STREAM_CHAT, chat.decode_request(
            {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        ))  # fmt: skip
        assert isinstance(await anext(items), Head)
        now_s = made.kit.transport.loop.time()
        for _ in range(5):
            made.kit.board.began(second, now_s)
            made.kit.board.ended(second, now_s, Verdict.FAULT, 0.0)
        async for _ in items:
            pass
        assert script.seen == ["a", "c"]
