"""What a provider is sent, and how its streams may end: an upstream of the test's own bytes behind a whole gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.raw import Answer, ask
from tests.support.recorder import Recorder, Scripted, recording
from tests.support.single import InProcess, single

HI = [{"role": "user", "content": "hi"}]


def chunk(content: str | None = None, *, finish: str | None = None, index: int = 0, **members: Any) -> bytes:
    """One chunk of a chat stream."""
    delta = {} if content is None else {"content": content}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "recorded"}
    return json.dumps({**head, "choices": [choice], **members}).encode()


END = chunk(finish="stop")
DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Pair:
    """A gateway and the upstream behind it."""

    upstream: Recorder
    gateway: InProcess

    async def stream(self, *events: bytes, **body: Any) -> Answer:
        """What a client sees of a stream of these events."""
        self.upstream.answer = lambda _: Scripted.sse(*events)
        return await self.ask(stream=True, **body)

    async def ask(self, headers: dict[str, str] | None = None, **body: Any) -> Answer:
        """One chat."""
        given = {"model": "recorded", "messages": HI, **body}
        return await ask(f"{self.gateway.base_url}/chat/completions", given, self.gateway.key, headers=headers)


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Pair]:
    """One gateway, one upstream, one attempt per call."""
    async with recording() as upstream:
        layer = upstream.layer("recorded", retry={"attempts_max": 1})
        async with single(layer) as gateway:
            yield Pair(upstream, gateway)


@pytest.fixture
def pair(running: Pair) -> Pair:
    """The same, with nothing seen yet and the usual answer."""
    running.upstream.seen.clear()
    running.upstream.answer = lambda _: Scripted()
    return running


WHOLE = {
    "end marker": (chunk("Hel"), chunk("lo"), END, DONE),
    "no end marker after the finish": (chunk("Hel"), chunk("lo"), END),
    "end marker without a finish": (chunk("Hello"), DONE),
    "what follows the end marker does not count": (chunk("Hello"), END, DONE, chunk(" again"), b"{broken"),
    "usage after the finish": (chunk("Hello"), END, chunk(usage={"prompt_tokens": 1}), DONE),
}

CUT = {
    "nothing after some text": (chunk("Hel"), chunk("lo")),
    "one of two choices unfinished": (chunk("Hello"), chunk("Hello", index=1), END),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_stream_is_complete(pair: Pair, name: str) -> None:
    """These ends are whole: all of the text, `[DONE]`, no error."""
    answer = (await pair.stream(*WHOLE[name])).ok()
    assert answer.content == "Hello"
    assert answer.is_done
    assert not answer.is_cut


@pytest.mark.parametrize("name", CUT)
async def test_stream_that_just_stops_is_cut(pair: Pair, name: str) -> None:
    """A clean end of the response without the end of the answer is a failure, said as one, never `[DONE]`."""
    answer = await pair.stream(*CUT[name], n=2)
    assert answer.content == "Hello"
    assert answer.chunks[-1]["error"]["code"] == "stream_cut"
    assert not answer.is_done
    assert answer.is_cut, "and the connection says so, too"


async def test_stream_without_content_is_a_failure_before_the_head(pair: Pair) -> None:
    """Nothing, or an error as the first event: an ordinary error answer with its status."""
    (await pair.stream()).error(502)
    error = json.dumps({"error": {"message": "m", "type": "server_error", "code": None}}).encode()
    (await pair.stream(error)).error(500, "provider_error")
    limit = json.dumps({"error": {"message": "m", "code": "rate_limit_exceeded"}}).encode()
    (await pair.stream(limit)).error(429, "provider_rate_limited")


async def test_body_is_the_callers(pair: Pair) -> None:
    """Every member arrives as it was sent, unknown ones, nulls and big numbers included; nothing is added."""
    more = {"x_vendor": {"deep": [None, 2**70, 1e-7]}, "x_null": None, "seed": 7, "temperature": 1.0}
    (await pair.ask(**more)).ok()
    assert pair.upstream.last.json == {"model": "recorded", "messages": HI, **more}
    assert b'"temperature":1.0' in pair.upstream.last.body


async def test_callers_headers_stay_here(pair: Pair) -> None:
    """No credential, cookie or other header of the caller reaches the provider."""
    private = {
        "cookie": "flavour=oat",
        "x-secret": "hush-hush",
        "x-forwarded-for": "192.0.2.1",
        "user-agent": "my-program",
    }
    (await pair.ask(headers=private)).ok()
    seen = {name.lower(): value for name, value in pair.upstream.last.headers}
    assert set(seen) == {
        "host",
        "content-type",
        "accept",
        "accept-encoding",
        "user-agent",
        "content-length",
        "x-gateway-hop",
    }
    told = "".join(seen.values())
    assert not any(value in told for value in [*private.values(), pair.gateway.key])


async def test_providers_headers_stay_there(pair: Pair) -> None:
    """No header of the provider reaches the caller: not its cookies, not its limits, not its request id."""
    foreign = (("set-cookie", "a=b"), ("x-ratelimit-remaining-requests", "7"), ("x-request-id", "theirs"))
    pair.upstream.answer = lambda _: Scripted(headers=(("content-type", "application/json"), *foreign))
    answer = (await pair.ask()).ok()
    assert "set-cookie" not in answer.headers
    assert "x-ratelimit-remaining-requests" not in answer.headers
    assert answer.headers["x-request-id"] != "theirs"


async def test_answer_is_the_providers(pair: Pair) -> None:
    """Unknown members of the answer come through, at every level, also in chunks."""
    body = json.dumps(
        {
            "id": "x",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "x": [2**70]}, "y": None}],
            "z": {"deep": {}},
        }
    ).encode()
    pair.upstream.answer = lambda _: Scripted(body=body)
    assert (await pair.ask()).ok().body == json.loads(body)
    streamed = (await pair.stream(chunk("a", x_vendor={"y": [None]}), END, DONE)).ok()
    assert streamed.chunks == [json.loads(chunk("a", x_vendor={"y": [None]})), json.loads(END)]
    assert pair.gateway.quota.open_count == 0
