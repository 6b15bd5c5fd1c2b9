"""A rescued stream in every client format, from upstreams of two formats: one legal sequence, the whole text, once.

Rules: the primary is cut after 20 of 30 tokens; the fallback speaks the other format.
Not here: what a rescue decides (tests.unit.pipeline.attempts); every fault (test_failover).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.core.errors import Kind
from gateway.rpc.contract import ON_CUT
from gateway.simulator.answer import Question, answer
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.server import serve
from tests.chaos.callers import callers
from tests.chaos.formats import FORMATS, READ, WORDS, ask
from tests.chaos.settled import settled
from tests.support.place import Layer
from tests.support.served import served
from tests.support.simulated import unique
from tests.support.single import InProcess, single

EXPECTED = answer(Question(WORDS, 3), Behaviour(chunks=30)).text
BROKEN = "sim-chunks-30-cut-20-pace-2"


def layer_of(url: str) -> Layer:
    """For each format of the primary and each means: a model that is cut, and a fallback of the other format."""
    local = {"auth": "none", "is_local": True}
    providers = {
        "openai": {"dialect": "openai", "base_url": f"{url}/v1", **local},
        "anthropic": {"dialect": "anthropic", "base_url": f"{url}/v1", **local},
    }
    models = {}
    for first, second in (("openai", "anthropic"), ("anthropic", "openai")):
        for means in ("continue", "splice", "restart", "buffer"):
            spare = {"provider": second, "upstream_model": "sim-chunks-30", "accepts_prefill": True}
            candidates = [{"provider": first}, spare]
            models[f"{means}-{first}"] = {
                "names": [f"{means}-{first}/*"], "candidates": candidates, "rescue": [means]
            }  # fmt: skip
    return {
        "observe": {"log_level": "error"},
        "simulator": {"enabled": "off"},
        "policies": {"breaker": {"is_enabled": False}},
        "providers": providers,
        "models": models,
    }


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[InProcess]:
    """One gateway for all formats."""
    simulator = await serve()
    try:
        async with single(layer_of(simulator.url)) as made:
            yield made
            await settled(made)
    finally:
        await simulator.stop()


@pytest.mark.parametrize("means", ["continue", "splice", "buffer"])
@pytest.mark.parametrize("primary", ["openai", "anthropic"])
@pytest.mark.parametrize("format_", FORMATS)
async def test_a_rescued_stream_is_one_stream(gateway: InProcess, format_: str, primary: str, means: str) -> None:
    """Whatever the client speaks, whatever the upstreams spoke."""
    events = await ask(gateway, format_, f"{means}-{primary}/{unique(BROKEN)}")
    assert READ[format_](events) == EXPECTED


@pytest.mark.parametrize("format_", FORMATS)
async def test_an_answer_begins_anew_for_a_client_that_asked(gateway: InProcess, format_: str) -> None:
    """The event, and after it a whole stream of its own; before it a part of one."""
    events = await ask(gateway, format_, f"restart-openai/{unique(BROKEN)}", **{ON_CUT: "restart"})
    (at,) = [at for at, (name, _) in enumerate(events) if name == "gateway.restart"]
    assert at > 2
    assert READ[format_](events[at + 1 :]) == EXPECTED


async def test_the_later_answer_is_the_one_that_is_kept(gateway: InProcess) -> None:
    """Of an answer that began anew, `GET /v1/responses/{id}` shows what its client was left with."""
    events = await ask(gateway, "responses", f"restart-openai/{unique(BROKEN)}", **{ON_CUT: "restart"})
    finished = events[-1][1]["response"]
    headers = {"authorization": f"Bearer {gateway.key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.url}/v1/responses/{finished['id']}", headers=headers) as response,
    ):
        kept = await response.json()
    assert kept == finished
    assert [part["text"] for item in kept["output"] for part in item["content"]] == [EXPECTED]


async def test_a_client_that_did_not_ask_is_told_of_the_cut(gateway: InProcess) -> None:
    """As by default, over both protocols; over gRPC it may ask by metadata."""
    model = f"restart-openai/{unique(BROKEN)}"
    async with callers(gateway) as made:
        assert (await made.ask("sse", model, WORDS)).kind == "stream_cut"
        assert (await made.ask("stream", model, WORDS)).kind == Kind.STREAM_CUT.name
        made.headers[ON_CUT] = "restart"
        call = made.rpc("stream", model, WORDS)
        texts: list[str] = []
        restarts = 0
        async for message in call:
            if message.is_restart:
                restarts += 1
                texts.clear()
            texts += [block.text for choice in message.choices for block in choice.delta.blocks]
        assert (restarts, "".join(texts)) == (1, EXPECTED)


async def test_over_the_link(gateway: InProcess) -> None:
    """Frontend and service in processes of their own: spliced, held back, begun anew."""
    primary: str = gateway.half.kit.runtime.config.providers["openai"].base_url
    layer = {name: section for name, section in layer_of(primary.removesuffix("/v1")).items() if name != "simulator"}
    with served(layer) as running:
        for means in ("continue", "splice", "buffer"):
            events = await ask(running, "anthropic", f"{means}-openai/{unique(BROKEN)}")
            assert READ["anthropic"](events) == EXPECTED
        events = await ask(running, "openai", f"restart-openai/{unique(BROKEN)}", **{ON_CUT: "restart"})
        (at,) = [at for at, (name, _) in enumerate(events) if name == "gateway.restart"]
        assert READ["openai"](events[at + 1 :]) == EXPECTED
        await settled(running)
