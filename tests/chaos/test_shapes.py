"""Upstreams that only stream, or never do: every client format gets the shape it asked for, and honest failures.

Rules: the simulator answers both shapes; the configuration says which one may be asked for, and its record tells.
Not here: dialects that never stream (their own tests).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.simulator.answer import Question, answer
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.server import serve
from tests.chaos.callers import Callers, callers
from tests.chaos.formats import FORMATS, READ, WORDS, ask
from tests.chaos.settled import settled
from tests.support.place import Layer
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

EXPECTED = answer(Question(WORDS, 3), Behaviour(chunks=30)).text
TOOL = {"type": "function", "function": {"name": "get", "parameters": {"type": "object", "properties": {}}}}


def layer_of(url: str) -> Layer:
    """For each upstream format: a model that only streams, and one that never does."""
    local = {"base_url": f"{url}/v1", "auth": "none", "is_local": True}
    providers = {name: {"dialect": name, **local} for name in ("openai", "anthropic")}
    models = {
        f"{shape}-{name}": {
            "names": [f"{shape}-{name}/*"],
            "capabilities": ["chat", "completion", "function_calling"],
            "candidates": [{"provider": name, "streaming": shape}],
        }
        for name in providers
        for shape in ("only", "never")
    }
    retry = {"attempts_max": 1}
    return {
        "observe": {"log_level": "error"},
        "simulator": {"enabled": "off"},
        "policies": {"breaker": {"is_enabled": False}, "retry": retry},
        "providers": providers,
        "models": models,
    }


@dataclass(slots=True)
class Place:
    """A gateway in front of a simulator."""

    gateway: InProcess
    callers: Callers
    simulator: Simulated


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    """One gateway for all."""
    simulator = await serve()
    try:
        async with single(layer_of(simulator.url)) as gateway, callers(gateway) as made:
            yield Place(gateway, made, Simulated(simulator.url))
            await settled(gateway)
    finally:
        await simulator.stop()


async def post(place: Place, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """One answer that is no stream."""
    headers = {"authorization": f"Bearer {place.gateway.key}"}
    async with place.callers.http.post(place.gateway.url + path, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def chunks_of(place: Place, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of one stream of OpenAI's format."""
    headers = {"authorization": f"Bearer {place.gateway.key}"}
    async with place.callers.http.post(place.gateway.url + path, json=body, headers=headers) as response:
        frames = (await response.text()).split("\n\n")
    return [json.loads(frame.removeprefix("data: ")) for frame in frames if frame.startswith("data: {")]


@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
@pytest.mark.parametrize("format_", FORMATS)
async def test_a_whole_answer_is_told_as_a_stream(place: Place, format_: str, upstream: str) -> None:
    """In the legal sequence of the client's format; the upstream was not asked for a stream."""
    model = f"never-{upstream}/{unique('sim-chunks-30')}"
    assert READ[format_](await ask(place.gateway, format_, model)) == EXPECTED
    assert (await place.simulator.last(model))["stream"] is False


@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
async def test_a_stream_is_gathered_into_a_whole_answer(place: Place, upstream: str) -> None:
    """Text, finish reason and usage, as the upstream's own whole answer has them."""
    model = f"only-{upstream}/{unique('sim-chunks-30')}"
    body = {"model": model, "messages": [{"role": "user", "content": WORDS}]}
    whole = await post(place, "/v1/chat/completions", body)
    (choice,) = whole["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (EXPECTED, "stop")
    assert (whole["object"], whole["usage"]["completion_tokens"]) == ("chat.completion", 30)
    seen = await place.simulator.last(model)
    assert seen["stream"] is True
    assert seen["body"]["stream"] is True
    message = await post(place, "/v1/messages", {**body, "max_tokens": 1000})
    assert [block["text"] for block in message["content"]] == [EXPECTED]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("end_turn", 30)


@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
@pytest.mark.parametrize("shape", ["only", "never"])
async def test_calls_of_tools_and_reasoning_keep_their_parts(place: Place, shape: str, upstream: str) -> None:
    """Ids, names and arguments of two calls, and the reasoning before them; both shapes say the same."""
    model = f"{shape}-{upstream}/{unique('sim-tools-2-reasoning')}"
    body = {"model": model, "messages": [{"role": "user", "content": WORDS}], "tools": [TOOL]}
    (choice,) = (await post(place, "/v1/chat/completions", body))["choices"]
    calls = choice["message"]["tool_calls"]
    assert [(call["type"], call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("function", "get", "{}")
    ] * 2
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"]
    events = await chunks_of(place, "/v1/chat/completions", {**body, "stream": True})
    fragments = [f for c in events for f in c["choices"][0]["delta"].get("tool_calls", ())]
    streamed: dict[int, dict[str, str]] = {}
    for fragment in fragments:
        made = streamed.setdefault(fragment["index"], {"id": "", "arguments": ""})
        made["id"] += fragment.get("id", "")
        made["arguments"] += fragment["function"].get("arguments", "")
    assert sorted(streamed) == [0, 1]
    assert all(made["id"] and made["arguments"] == "{}" for made in streamed.values())
    reasoning = "".join([c["choices"][0]["delta"].get("reasoning_content") or "" for c in events])
    assert reasoning == choice["message"]["reasoning_content"]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("model", "way", "kind"),
    [
        ("only-openai/sim-chunks-30-cut-20", "json", "stream_cut"),
        ("only-openai/sim-chunks-30-error-5", "unary", "PROVIDER_ERROR"),
        ("only-openai/sim-status-429", "json", "provider_rate_limited"),
        ("never-openai/sim-cut-0", "sse", "stream_cut"),
        ("never-openai/sim-flagged", "stream", "CONTENT_FILTERED"),
    ],
)
async def test_failures_stay_failures(place: Place, model: str, way: str, kind: str) -> None:
    """Half a stream is no whole answer, half an answer no stream."""
    ending = await place.callers.ask(way, unique(model), WORDS)
    assert (ending.state, ending.kind, ending.texts) == ("error", kind, [])


@pytest.mark.parametrize("shape", ["only", "never"])
async def test_legacy_completions_have_both_shapes(place: Place, shape: str) -> None:
    """Whole and streamed."""
    model = f"{shape}-openai/{unique('sim')}"
    whole = await post(place, "/v1/completions", {"model": model, "prompt": WORDS})
    chunks = await chunks_of(place, "/v1/completions", {"model": model, "prompt": WORDS, "stream": True})
    assert "".join([c["choices"][0]["text"] for c in chunks if c["choices"]]) == whole["choices"][0]["text"]
    assert whole["usage"]["completion_tokens"] > 0
