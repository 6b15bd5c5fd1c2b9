"""Members a provider's format has no place for: refused, or left out and named, as the model says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from gateway.simulator.server import serve
from gateway.wire.openai import chat
from gateway.wire.pb import inference_pb2_grpc
from tests.support.raw import ask
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "logit_bias": {"1": 1}, "odd\u00fc\n": 1}


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[tuple[InProcess, Simulated]]:
    """One upstream of another dialect than the client's, behind a strict, a lenient and an excused model."""
    upstream = await serve()
    url = f"{upstream.url}/v1beta"
    provider = {"dialect": "gemini", "base_url": url, "is_local": True, "auth": "none"}

    def model(prefix: str, provider_name: str, **more: Any) -> dict[str, Any]:
        return {"names": [f"{prefix}/*"], "candidates": [{"provider": provider_name}], **more}

    layer = {
        "providers": {"other": provider, "excused": {**provider, "drop": ["logit_bias", "odd\u00fc\n"]}},
        "models": {
            "strict": model("strict", "other"),
            "lenient": model("lenient", "other", on_unsupported="drop"),
            "excused": model("excused", "excused"),
        },
    }
    try:
        async with single(layer) as gateway:
            yield gateway, Simulated(upstream.url)
    finally:
        await upstream.stop()


async def test_a_strict_model_refuses_with_the_name(pair: tuple[InProcess, Simulated]) -> None:
    """400 unsupported_parameter names the member; no provider is asked."""
    gateway, upstream = pair
    name = f"strict/{unique()}"
    answer = await ask(f"{gateway.base_url}/chat/completions", {"model": name, **BODY}, gateway.key)
    answer.error(400, "unsupported_parameter", "logit_bias")
    assert (await upstream.counts(name)).requests == 0


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_lenient_model_leaves_out_and_says_so(pair: tuple[InProcess, Simulated], is_stream: bool) -> None:
    """The provider does not get it; a header names it, in characters a header may hold."""
    gateway, upstream = pair
    name = f"lenient/{unique()}"
    body = {"model": name, **BODY, "stream": is_stream}
    answer = await ask(f"{gateway.base_url}/chat/completions", body, gateway.key)
    assert answer.status == 200
    assert answer.headers["x-gateway-dropped"] == "logit_bias, odd??"
    assert "logit" not in json.dumps((await upstream.last(name))["body"])


async def test_over_grpc_the_same_is_metadata(pair: tuple[InProcess, Simulated]) -> None:
    """gRPC callers learn what was left out from initial metadata."""
    gateway, _ = pair
    request = chat.decode_request({"model": f"lenient/{unique()}", **BODY})
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        call = inference_pb2_grpc.InferenceStub(channel).Chat(
            request, metadata=(("authorization", f"Bearer {gateway.key}"),)
        )
        assert (await call).choices
        assert dict(await call.initial_metadata())["x-gateway-dropped"] == "logit_bias, odd??"


async def test_a_drop_list_excuses_single_members(pair: tuple[InProcess, Simulated]) -> None:
    """What the provider's `drop` names is no reason to refuse."""
    gateway, _ = pair
    answer = await ask(f"{gateway.base_url}/chat/completions", {"model": f"excused/{unique()}", **BODY}, gateway.key)
    assert answer.status == 200
