"""The debug log has what a provider answered to a failed attempt, bounded, without secrets; other levels have not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.observe.log import LEVELS
from gateway.rpc.contract import CHAT, STREAM_CHAT, Method
from gateway.wire.openai import chat
from tests.support.recorder import Recorder, Scripted, recording
from tests.unit.pipeline.kits import UPSTREAM_KEY, Bench, bench, config_of, model, provider

ASKED = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
PLANTED = ("sk-planted-by-someone", "gw-planted.secret", "planted-token", "planted-in-a-query")
WORDS = f"wrong: {UPSTREAM_KEY}, {PLANTED[0]}, {PLANTED[1]}, Bearer {PLANTED[2]}, {PLANTED[3]}"
ERROR = json.dumps({"error": {"message": WORDS, "code": "server_error"}}).encode()
TEXT = b'{"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}'


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Bench, Recorder]]:
    """A pipeline and its upstream; two tries per call."""
    async with recording() as upstream:
        block = provider(f"{upstream.url}/v1", query={"key": PLANTED[3]})
        retry = {"attempts_max": 2, "backoff_base_s": 0.001, "backoff_max_s": 0.002}
        async with bench(config_of({"p": block}, {"m": model("p", retry=retry)})) as kept:
            yield kept, upstream


async def notes(pair: tuple[Bench, Recorder], answer: Scripted, method: Method = CHAT) -> list[dict[str, Any]]:
    """What the log has of the answers to one call that fails."""
    kept, upstream = pair
    upstream.answer = lambda _: answer
    outcome = await kept.call(method, ASKED)
    assert outcome.error is not None
    return kept.log.records("provider answer")


async def test_each_failed_attempt_leaves_one_record(pair: tuple[Bench, Recorder]) -> None:
    """It says which call, which deployment, which status, and what was answered, without any secret."""
    found = await notes(pair, Scripted(500, ERROR))
    assert len(found) == 2
    for record in found:
        assert record["level"] == "debug"
        assert (record["request_id"], record["deployment"], record["status"]) == ("req_1", "p/*", 500)
        assert record["bytes"] == len(ERROR)
        assert json.loads(record["body"])["error"]["message"] == "wrong: ***, ***, ***, ***, ***"
    for secret in (UPSTREAM_KEY, *PLANTED):
        assert secret not in pair[0].log.text


async def test_a_body_is_bounded(pair: tuple[Bench, Recorder]) -> None:
    """However much a provider says, two kilobytes of it are shown."""
    found = await notes(pair, Scripted(400, b"\xff" + b"x" * 100_000))
    assert [len(record["body"]) for record in found] == [2048]


@pytest.mark.parametrize(
    ("answer", "method", "shown"),
    [
        (Scripted(body=b"<html>oh"), CHAT, "<html>oh"),
        (Scripted(body=b"<html>oh"), STREAM_CHAT, ""),
        (Scripted.sse(ERROR), STREAM_CHAT, "wrong: ***"),
        (Scripted.sse(TEXT, ERROR), STREAM_CHAT, "wrong: ***"),
    ],
)
async def test_unusable_answers_of_status_200_are_noted_too(
    pair: tuple[Bench, Recorder], answer: Scripted, method: Method, shown: str
) -> None:
    """No JSON, no stream, or an error in the stream, before and after its first content."""
    found = await notes(pair, answer, method)
    assert {record["status"] for record in found} == {200}
    assert all(shown in record["body"] for record in found)


@pytest.mark.parametrize("level", ["info", "warning", "error"])
async def test_other_levels_have_nothing_of_it(pair: tuple[Bench, Recorder], level: str) -> None:
    """What a provider said may hold what a caller said."""
    pair[0].log.level = LEVELS[level]
    assert await notes(pair, Scripted(500, ERROR)) == []
    assert "wrong" not in pair[0].log.text


async def test_a_good_answer_is_not_noted(pair: tuple[Bench, Recorder]) -> None:
    """The log is no copy of the traffic."""
    outcome = await pair[0].call(CHAT, ASKED)
    assert outcome.error is None
    assert pair[0].log.records("provider answer") == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("method", [CHAT, STREAM_CHAT])
async def test_S9_no_failure_quotes_the_credential_it_was_about(
    pair: tuple[Bench, Recorder], status: int, method: Method
) -> None:
    """A vendor that repeats the key it refuses does not tell it to our caller, in words, member, code or log."""
    error = {"error": {"message": WORDS, "param": WORDS, "code": WORDS, "type": "invalid_request_error"}}
    kept, upstream = pair
    upstream.answer = lambda _: Scripted(status, json.dumps(error).encode())
    outcome = await kept.call(method, ASKED)
    assert outcome.error is not None
    told = f"{outcome.error.message} {outcome.error.param} {outcome.error.code} {outcome.error.cause} {kept.log.text}"
    assert UPSTREAM_KEY not in told
    assert PLANTED[3] not in told


async def test_S9_an_error_within_a_stream_quotes_no_credential(pair: tuple[Bench, Recorder]) -> None:
    """The same where a stream began well."""
    kept, upstream = pair
    upstream.answer = lambda _: Scripted.sse(TEXT, ERROR)
    outcome = await kept.call(STREAM_CHAT, ASKED)
    assert outcome.error is not None
    assert UPSTREAM_KEY not in f"{outcome.error.message} {outcome.error.cause} {kept.log.text}"
