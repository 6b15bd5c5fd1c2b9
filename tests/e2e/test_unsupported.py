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
from tests.support.matrix import upstreams
from tests.support.raw import ask
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

TEXT = {"type": "text", "text": "a"}
SAID: list[dict[str, Any]] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
ODD: dict[str, tuple[str, dict[str, Any], str]] = {
    "messages": (
        "/v1/messages",
        {"max_tokens": 50, "system": "s", "messages": [
            *SAID, {"role": "user", "content": [TEXT, {"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
        "messages[2].content[1]",
    ),
    "responses": (
        "/v1/responses",
        {"instructions": "s", "store": False, "input": [
            {"type": "message", **SAID[0]}, {"type": "reasoning", "summary": []}, SAID[1],
            {"role": "user", "content": [{**TEXT, "type": "input_text"}, {"type": "input_file", "file_id": "f"}]}]},
        "input[3].content[1]",
    ),
    "gemini": (
        "/v1beta/models/MODEL:generateContent",
        {"systemInstruction": {"parts": [{"text": "s"}]}, "contents": [
            {"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]},
            {"role": "user", "parts": [{"text": "a"}, {"executableCode": {"code": "x", "language": "PYTHON"}}]}]},
        "contents[2].parts[1]",
    ),
}  # fmt: skip
"""Of each format with instructions of its own: where it is asked, a body, and what of it nobody else can take."""
ELSEWHERE = {"messages": ("anthropic",), "responses": ("openai", "azure", "responses"), "gemini": ("gemini",)}
"""Formats that do take it."""
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "logit_bias": {"1": 1}, "odd\u00fc\n": 1}


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[tuple[InProcess, Simulated]]:
    """One upstream of another dialect than the client's, behind a strict, a lenient and an excused model."""
    upstream = await serve()
    url = f"{upstream.url}/v1beta"
    provider = {"dialect": "gemini", "base_url": url, "is_local": True, "auth": "none"}

    def model(prefix: str, provider_name: str, **more: Any) -> dict[str, Any]:
        return {"names": [f"{prefix}/*"], "candidates": [{"provider": provider_name}], **more}

    every = upstreams.layer(upstream.url)
    layer = {
        "providers": every["providers"]
        | {"other": provider, "excused": {**provider, "drop": ["logit_bias", "odd\u00fc\n"]}},
        "models": every["models"]
        | {
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


@pytest.mark.parametrize(
    ("form", "name"), [(form, name) for form in ODD for name in upstreams.BY_NAME if name not in ELSEWHERE[form]]
)
async def test_every_client_reads_its_own_words(pair: tuple[InProcess, Simulated], form: str, name: str) -> None:
    """What cannot be sent is named as the client wrote and counts it, whatever the provider speaks."""
    gateway, _ = pair
    path, body, wrong = ODD[form]
    model = f"{name}/{unique()}"
    answer = await ask(gateway.url + path.replace("MODEL", model), {"model": model, **body}, gateway.key)
    assert answer.status == 400
    assert f"cannot take `{wrong}`" in answer.text


async def test_members_of_responses_have_their_own_names(pair: tuple[InProcess, Simulated]) -> None:
    """In a refusal, and in the list of what was left out."""
    gateway, _ = pair
    schema = {"format": {"type": "json_schema", "name": "n", "schema": {}}}
    body = {"model": f"palm/{unique()}", "input": "hi", "store": False, "text": schema}
    answer = await ask(f"{gateway.base_url}/responses", body, gateway.key)
    answer.error(400, "unsupported_parameter", "text.format")
    told = {"model": f"lenient/{unique()}", "input": "hi", "store": False, "text": {"verbosity": "low"}}
    answer = await ask(f"{gateway.base_url}/responses", told, gateway.key)
    assert answer.headers["x-gateway-dropped"] == "text.verbosity"


@pytest.mark.parametrize("name", [name for name in upstreams.BY_NAME if name not in ("openai", "azure")])
async def test_a_member_no_format_can_have_is_refused_too(pair: tuple[InProcess, Simulated], name: str) -> None:
    """Half a surrogate pair in a name is no failure of the gateway."""
    gateway, _ = pair
    body = {"model": f"{name}/{unique()}", "messages": BODY["messages"], "odd\ud9ed": 1}
    answer = await ask(f"{gateway.base_url}/chat/completions", body, gateway.key)
    answer.error(400, "unsupported_parameter")
