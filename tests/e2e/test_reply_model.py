"""Which name of the model an answer has: its provider's, or the one its caller asked for (`reply_model`).

Rules: the four client formats and gRPC before providers of four dialects, whole and streamed, over raw HTTP.
Not here: where a format has the name (unit/wire/test_renamed); new-api's profile (test_newapi, N22).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.client import AsyncClient
from gateway.simulator.server import Running
from tests.support.raw import ask
from tests.support.simulated import Simulated
from tests.support.single import InProcess, single

DIALECTS = {"openai": "v1", "responses": "v1", "anthropic": "v1", "gemini": "v1beta"}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}
CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "responses": ("/v1/responses", {"input": "hi"}),
    "messages": ("/v1/messages", CHAT),
    "gemini": ("/v1beta/models/{model}:{method}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
}
NAME = re.compile(r'"(?:model|modelVersion)": ?"([^"]*)"')


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    providers = {
        name: {"dialect": name, "base_url": f"{upstream.url}/{path}", "auth": "none", "is_local": True}
        for name, path in DIALECTS.items()
    }
    models: dict[str, Any] = {}
    for name in DIALECTS:
        candidates = [{"provider": name, "upstream_model": "sim-tag-theirs"}]
        models[f"{name}-as-is"] = {"names": [f"{name}-as-is"], "candidates": candidates}
        ours = {"names": [f"ours-{name}", f"also-{name}"], "candidates": candidates, "reply_model": "requested"}
        models[f"{name}-ours"] = ours
    everything = {"capabilities": ["chat", "completion", "embedding"], "reply_model": "requested"}
    candidates = [{"provider": "openai", "upstream_model": "sim-tag-theirs"}]
    models["kept"] = {"names": ["kept-a", "kept-b"], "candidates": candidates, **everything, "cache": {"enabled": True}}
    async with single({"providers": providers, "models": models}) as made:
        yield made


async def names_in(gateway: InProcess, client: str, model: str, *, is_stream: bool) -> set[str]:
    """Every name of a model in the bytes of an answer."""
    path, body = CLIENTS[client]
    root = gateway.base_url.removesuffix("/v1")
    if client == "gemini":
        method = "streamGenerateContent" if is_stream else "generateContent"
        query = "?alt=sse" if is_stream else ""
        answer = await ask(root + path.format(model=model, method=method) + query, body, gateway.key)
    else:
        answer = await ask(
            root + path, {"model": model, **body, **({"stream": True} if is_stream else {})}, gateway.key
        )
    return set(NAME.findall(answer.ok().text))


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_N22_the_name_is_the_one_that_is_configured(
    gateway: InProcess, client: str, dialect: str, is_stream: bool
) -> None:
    """The provider's by default; with `requested` the one this caller sent, in every event, and no other."""
    assert await names_in(gateway, client, f"{dialect}-as-is", is_stream=is_stream) == {"sim-tag-theirs"}
    for name in (f"ours-{dialect}", f"also-{dialect}"):
        assert await names_in(gateway, client, name, is_stream=is_stream) == {name}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_N22_over_grpc(gateway: InProcess, dialect: str) -> None:
    """The same names, whole and streamed."""
    async with AsyncClient(gateway.grpc_address, key=gateway.key) as client:
        for model, name in ((f"{dialect}-as-is", "sim-tag-theirs"), (f"ours-{dialect}", f"ours-{dialect}")):
            answer = await client.chat(model=model, messages="hi", max_tokens=20)
            assert answer.model == name
            streamed = {chunk.model async for chunk in client.stream_chat(model=model, messages="hi", max_tokens=20)}
            assert streamed - {None, ""} == {name}


async def test_a_kept_answer_has_each_callers_name(gateway: InProcess) -> None:
    """Completions and embeddings, too: an answer is kept with its provider's name, and given with its reader's."""
    for path, body in (("completions", {"prompt": "hi", "max_tokens": 5}), ("embeddings", {"input": "hi"})):
        answers = [
            (await ask(f"{gateway.base_url}/{path}", {"model": name, **body}, gateway.key)).ok()
            for name in ("kept-a", "kept-a", "kept-b")
        ]
        assert [answer.body["model"] for answer in answers] == ["kept-a", "kept-a", "kept-b"]
        assert answers[1].headers["x-gateway-cache"] == "hit"


async def test_the_provider_is_asked_by_its_own_name(gateway: InProcess, upstream: Running) -> None:
    """What a caller reads changes nothing of what is sent."""
    for client in CLIENTS:
        await names_in(gateway, client, "ours-openai", is_stream=False)
    assert (await Simulated(upstream.url).last("sim-tag-theirs"))["body"]["model"] == "sim-tag-theirs"
