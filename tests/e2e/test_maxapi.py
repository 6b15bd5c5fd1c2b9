"""MaxAPI's chat on the listener of its profile: every vendor's models in OpenAI's format, and nothing else.

Ids M1 to M10 are those of the acceptance list of that system; media and tasks are not part of this gateway yet.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.support.personalities import Personalities
from tests.support.raw import Answer, ask
from tests.support.recorder import COMPLETION, Scripted, Seen

TURNS = [{"role": "user", "content": "hi"}]
PIXEL = "iVBORw0KGgo="


@dataclass(slots=True)
class MaxApi:
    """The listener, and a key of a user with money."""

    gates: Personalities
    url: str
    user_id: str
    key: str

    async def chat(self, model: str = "gpt-4o", **more: Any) -> Answer:
        """One chat."""
        body = {"model": model, "messages": TURNS, **more}
        return await ask(f"{self.url}/v1/chat/completions", body, self.key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def maxapi(gates: Personalities) -> MaxApi:
    """A gateway that is MaxAPI."""
    user_id = await gates.user()
    return MaxApi(gates, gates.url("maxapi"), user_id, await gates.key("maxapi", user_id))


async def test_M1_chat(maxapi: MaxApi) -> None:
    """The documented call, and the member its example has."""
    answer = (await maxapi.chat(stream=False)).ok()
    assert answer.content == "You said: hi"
    assert answer.body["system_fingerprint"]


async def test_M2_stream_may_be_absent(maxapi: MaxApi) -> None:
    """The document calls it required; without it the answer is whole."""
    assert (await maxapi.chat()).ok().body["object"] == "chat.completion"


@pytest.mark.parametrize("model", ["claude-2", "claude-instant-1", "claude-3-haiku-20240307", "claude-3-opus-20240229"])
async def test_M3_claude(maxapi: MaxApi, model: str) -> None:
    """Old and new: `chat.completion`, never the object of Anthropic's text completions."""
    answer = (await maxapi.chat(model, max_tokens=50)).ok()
    assert (answer.body["object"], answer.content) == ("chat.completion", "You said: hi")
    assert (await maxapi.chat(model, max_tokens=50, stream=True)).ok().is_done


@pytest.mark.parametrize("is_stream", [False, True])
async def test_M4_gemini(maxapi: MaxApi, is_stream: bool) -> None:
    """Whole and streamed."""
    assert (await maxapi.chat("gemini-2.5-pro", stream=is_stream)).ok().content == "You said: hi"


@pytest.mark.parametrize("model", ["palm-2-chat-bison", "palm-2-chat-bison-32k"])
async def test_M5_palm(maxapi: MaxApi, model: str) -> None:
    """Whole; and streamed although its provider cannot."""
    assert (await maxapi.chat(model)).ok().content == "You said: hi"
    streamed = (await maxapi.chat(model, stream=True)).ok()
    assert (streamed.content, streamed.is_done) == ("You said: hi", True)


async def test_M6_a_provider_that_only_streams(maxapi: MaxApi) -> None:
    """A whole answer is its deltas together, with usage; the provider was asked for a stream."""
    streamed = (await maxapi.chat("gemini-pro", stream=True)).ok()
    whole = (await maxapi.chat("gemini-pro")).ok()
    assert whole.content == streamed.content == "You said: hi"
    assert whole.body["usage"]["total_tokens"] > 0
    seen = await maxapi.gates.simulator.requests("gemini-pro")
    assert all("streamGenerateContent" in each["path"] for each in seen)


async def test_M7_vision(maxapi: MaxApi) -> None:
    """An image as data becomes inlineData; one behind a link stays a link, which the provider fetches."""
    parts = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    (await maxapi.chat("gemini-pro-vision", messages=[{"role": "user", "content": parts}])).ok()
    sent = (await maxapi.gates.simulator.last("gemini-pro-vision"))["body"]["contents"][0]["parts"]
    assert sent[1]["inlineData"] == {"mimeType": "image/png", "data": PIXEL}
    assert sent[2]["fileData"]["fileUri"] == "https://example.org/a.png"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_M8_characters(maxapi: MaxApi, is_stream: bool) -> None:
    """Usage of such a model counts characters: five of a prompt, two of an answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m8"}
    delta = {"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}

    def answer(_: Seen) -> Scripted:
        if is_stream:
            return Scripted.sse(json.dumps({**chunk, "choices": [delta]}).encode(), b"[DONE]")
        return Scripted(body=json.dumps({**COMPLETION, "choices": [choice]}).encode())

    maxapi.gates.scripted.answer = answer
    turns = [{"role": "user", "content": "héllo"}]
    asked = {"stream": True, "stream_options": {"include_usage": True}} if is_stream else {}
    got = (await maxapi.chat("m8", messages=turns, **asked)).ok()
    usage = next(c["usage"] for c in got.chunks if c.get("usage")) if is_stream else got.body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (5, 2, 7)


async def test_M9_free_models(maxapi: MaxApi) -> None:
    """Price zero leaves the balance as it is; the cap on calls at a time is 429."""
    gates, body = maxapi.gates, {"model": "free-capped", "messages": TURNS}
    user_id = await gates.user(0)
    key = await gates.key("maxapi", user_id)

    async def chat() -> Answer:
        return await ask(f"{maxapi.url}/v1/chat/completions", body, key)

    (await chat()).ok()
    answers = await asyncio.gather(*(chat() for _ in range(8)))
    assert {answer.status for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert (await gates.accounts.wallets.get(user_id)).balance_usd_micros == 0
    costly = {**body, "model": "gpt-4o"}
    (await ask(f"{maxapi.url}/v1/chat/completions", costly, key)).error(402)


async def test_M10_no_native_routes(maxapi: MaxApi) -> None:
    """Google's and Anthropic's paths do not exist here, with any credential."""
    for path in ("/v1beta/models/gemini-pro:generateContent", "/v1/messages", "/v1/responses", "/v1beta/models"):
        (await ask(maxapi.url + path, {"contents": []}, maxapi.key)).error(404)
        (await ask(maxapi.url + path, {"contents": []}, headers={"x-goog-api-key": maxapi.key})).error(404)


async def test_any_prefix_is_taken(maxapi: MaxApi) -> None:
    """Keys of other profiles work here: the document names no prefix."""
    other = await maxapi.gates.key("inferxgate", maxapi.user_id)
    (await ask(f"{maxapi.url}/v1/chat/completions", {"model": "gpt-4o", "messages": TURNS}, other)).ok()
