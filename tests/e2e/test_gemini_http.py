"""Gemini's format on the wire, over a whole gateway: nothing lost, names of members, limits, fuzzed bodies.

Rules: plain HTTP and the official gRPC stub; a gateway in this process and the simulator.
Not here: what Google's SDK makes of it (test_gemini_client), the edge alone (tests/unit/frontend/test_gemini_family).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import aiohttp
import grpc
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.simulator.server import Running
from gateway.wire import json as wire_json
from gateway.wire.gemini import chat, embeddings
from gateway.wire.pb import inference_pb2_grpc
from tests.contract import gemini_bodies, lossless
from tests.support.matrix.upstreams import layer
from tests.support.raw import ask
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

HI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
LIMITED = "gw-limited.a-key-for-tests"
NATIVE = {
    "systemInstruction": {"role": "user", "parts": [{"text": "be kind"}], "brandNew": None},
    "contents": [
        {"role": "user", "parts": [{"text": "a", "brandNew": {"x": [None, 2**70]}}], "n": 1},
        {"role": "model", "parts": [{"text": "t", "thought": True, "thoughtSignature": "c2ln"},
                                    {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2lnMg=="},
                                    {"brandNew": {"x": None}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": 1}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}],
    "safety_settings": [{"category": "X", "threshold": "Y"}],
    "generationConfig": {"topK": 3, "top_p": 0.5, "brandNew": True, "thinkingConfig": {"includeThoughts": True}},
    "brandNew": {"y": None},
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    whole = layer(upstream.url)
    lenient = {**whole["models"]["m-openai"], "names": ["lenient/*"], "on_unsupported": "drop"}
    whole["models"]["lenient"] = lenient
    for dialect in ("gemini", "openai"):
        for streaming in ("only", "never"):
            name = f"{streaming}-{dialect}"
            whole["providers"][name] = {**whole["providers"][f"up-{dialect}"], "streaming": streaming}
            shaped = {"names": [f"{name}/*"], "candidates": [{"provider": name}]}
            whole["models"][name] = {**whole["models"][f"m-{dialect}"], **shaped}
    async with single(whole) as running:
        yield running


@pytest.mark.parametrize("ending", ["generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"])
async def test_the_same_format_on_both_sides_loses_nothing(gateway: InProcess, upstream: Running, ending: str) -> None:
    """Members nobody knows, nulls, both spellings, signatures: to the provider and back, whole and in both streams."""
    model = f"gemini/{unique('sim-reasoning-extra')}"
    direct = await ask(f"{upstream.url}/v1beta/models/{model}:{ending}", NATIVE)
    through = await ask(f"{gateway.url}/v1beta/models/{model}:{ending}", NATIVE, gateway.key)
    assert through.ok().body == direct.ok().body
    assert [json.loads(event) for event in through.events] == [json.loads(event) for event in direct.events]
    first, second = await Simulated(upstream.url).requests(model)
    assert first["body"] == second["body"] == NATIVE


@pytest.mark.parametrize("name", ["embedContent", "batchEmbedContents"])
async def test_embeddings_of_the_same_format_lose_nothing(gateway: InProcess, upstream: Running, name: str) -> None:
    """Task types, titles and unknown members; one content stays one. Only the model's name is the upstream's."""
    model = f"gemini/{unique()}"
    content = {"parts": [{"text": "a"}, {"text": "b"}], "role": "user"}
    item = {"model": f"models/{model}", "content": content, "taskType": "RETRIEVAL_QUERY", "brandNew": None}
    body = item if name == "embedContent" else {"requests": [item, {**item, "title": "t"}], "brandNew": 1}
    direct = await ask(f"{upstream.url}/v1beta/models/{model}:{name}", body)
    through = await ask(f"{gateway.url}/v1beta/models/{model}:{name}", body, gateway.key)
    assert through.ok().body == direct.ok().body
    first, second = await Simulated(upstream.url).requests(model)
    assert unquote(first["path"]) == unquote(second["path"])
    assert first["body"] == second["body"] == body


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"generationConfig": {"topK": 3}}, "generationConfig.topK"),
        ({"generationConfig": {"brandNew": 3}}, "generationConfig.brandNew"),
        ({"safetySettings": []}, "safetySettings"),
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"tools": [{"googleSearch": {}}]}, "tools.googleSearch"),
        ({"contents": [*HI["contents"], {"parts": [{"text": "b"}, {"executableCode": {}}]}]}, "contents[1].parts[1]"),
        ({"brandNew": 1}, "brandNew"),
    ],
)
async def test_what_another_format_has_no_place_for(gateway: InProcess, more: dict[str, Any], path: str) -> None:
    """Is refused, or left out and named where the model says so: by its name in this format."""
    system = {"systemInstruction": {"role": "user", "parts": [{"text": "s"}]}}
    body = {**HI, **system, **more}
    refused = await ask(f"{gateway.url}/v1beta/models/openai/sim:generateContent", body, gateway.key)
    assert (refused.status, refused.body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert f"`{path}`" in refused.body["error"]["message"]
    assert refused.body["error"]["details"][0]["metadata"]["param"] == path
    dropped = await ask(f"{gateway.url}/v1beta/models/lenient/sim:generateContent", body, gateway.key)
    assert dropped.ok().headers["x-gateway-dropped"] == path


@pytest.mark.parametrize("embedder", ["openai", "cohere"])
async def test_a_task_another_format_has_no_place_for(gateway: InProcess, embedder: str) -> None:
    """Is refused by its place in the batch."""
    item = {"content": {"parts": [{"text": "a"}]}, "title": "T"}
    answer = await ask(
        f"{gateway.url}/v1beta/models/{embedder}/sim:batchEmbedContents", {"requests": [item]}, gateway.key
    )
    assert answer.body["error"]["details"][0]["metadata"]["param"] == "requests[0].title"


async def test_ranges_are_told_in_its_words(gateway: InProcess) -> None:
    """Checked before any provider is asked."""
    body = {**HI, "generationConfig": {"temperature": 9}}
    answer = await ask(f"{gateway.url}/v1beta/models/openai/sim:generateContent", body, gateway.key)
    assert answer.status == 400
    assert "`generationConfig.temperature` must be between 0 and 2" in answer.body["error"]["message"]


@pytest.mark.parametrize("ending", ["generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"])
async def test_a_provider_that_asks_to_wait(gateway: InProcess, ending: str) -> None:
    """RESOURCE_EXHAUSTED with a RetryInfo, in a list where an array was asked for."""
    url = f"{gateway.url}/v1beta/models/openai/sim-status-429-after-7:{ending}"
    answer = await ask(url, HI, gateway.key)
    body = answer.body[0] if isinstance(answer.body, list) else answer.body
    assert isinstance(answer.body, list) == (ending == "streamGenerateContent")
    assert (answer.status, body["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    details = {detail["@type"].rpartition(".")[2]: detail for detail in body["error"]["details"]}
    assert details["RetryInfo"]["retryDelay"] == "7s"
    assert details["ErrorInfo"]["reason"] == "PROVIDER_RATE_LIMITED"
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("dialect", ["gemini", "openai", "anthropic", "cohere", "bedrock"])
async def test_an_array_that_breaks(gateway: InProcess, dialect: str) -> None:
    """Its last element is the error and the connection is cut, whoever the provider is."""
    url = f"{gateway.url}/v1beta/models/{dialect}/sim-chunks-9-pace-20-error-4:streamGenerateContent"
    answer = await ask(url, HI, gateway.key)
    assert answer.is_cut
    *frames, last = json.loads(answer.text)
    assert frames
    assert last["error"]["code"] >= 400
    assert not any(frame["candidates"][0].get("finishReason") for frame in frames)


@pytest.mark.parametrize("shape", ["only-gemini", "never-gemini", "only-openai", "never-openai"])
@pytest.mark.parametrize("ending", ["generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent"])
async def test_a_provider_with_one_shape(gateway: InProcess, shape: str, ending: str) -> None:
    """That only streams, or never does, answers in every shape: text, calls, the end, the usage."""
    said = []
    for model in ("sim", "sim-tools-1"):
        tools = {"tools": [{"functionDeclarations": [{"name": "f"}]}]} if "tools" in model else {}
        answer = await ask(f"{gateway.url}/v1beta/models/{shape}/{model}:{ending}", {**HI, **tools}, gateway.key)
        frames = answer.ok().chunks or (answer.body if isinstance(answer.body, list) else [answer.body])
        parts = [part for frame in frames for part in frame["candidates"][0]["content"].get("parts", ())]
        said.append(
            (
                "".join(part.get("text", "") for part in parts),
                [p["functionCall"]["name"] for p in parts if "functionCall" in p],
            )
        )
        assert frames[-1]["candidates"][0]["finishReason"] == "STOP"
        assert frames[-1]["usageMetadata"]["promptTokenCount"] == 1
    assert said == [("You said: hi", []), ("", ["f"])]


async def test_a_typed_client_speaks_it_too(gateway: InProcess, upstream: Running) -> None:
    """Over gRPC a request of this dialect reaches the provider as an HTTP client's would."""
    model = f"gemini/{unique()}"
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        metadata = (("authorization", f"Bearer {gateway.key}"),)
        request = chat.decode_request(HI | {"generationConfig": {"topK": 3}})
        request.model = model
        answer = await stub.Chat(request, metadata=metadata)
        embed = embeddings.decode_request({"content": {"parts": [{"text": "a"}]}, "taskType": "X"}, is_batch=False)
        embed.model = model
        vector = await stub.Embed(embed, metadata=metadata)
        embed.extra = '{"content":{"parts":[{"text":"a much longer text"}]}}'
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(embed, metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (answer.dialect, chat.encode_response(answer)["candidates"][0]["finishReason"]) == ("gemini", "STOP")
    assert len(vector.data[0].values) == 768
    sent = [request["body"] for request in await Simulated(upstream.url).requests(model)]
    assert sent == [
        HI | {"generationConfig": {"topK": 3}}, {"content": {"parts": [{"text": "a"}]}, "taskType": "X"}
    ]  # fmt: skip


METHODS = ("generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse", "countTokens", "embedContent",
           "batchEmbedContents")  # fmt: skip
MODELS = ("gemini", "openai", "anthropic", "cohere", "bedrock", "lenient")
ITEMS = st.fixed_dictionaries(
    {}, optional={"content": gemini_bodies.content, "outputDimensionality": lossless.anything}
)
BODIES = st.one_of(
    gemini_bodies.request,
    ITEMS,
    st.fixed_dictionaries({"requests": st.one_of(st.lists(ITEMS, max_size=2), lossless.anything)}),
    st.dictionaries(lossless.texts, lossless.anything, max_size=3),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(METHODS), st.sampled_from(MODELS), BODIES.map(lossless.settled))
async def test_no_body_makes_the_gateway_fail(gateway: InProcess, method: str, model: str, body: Any) -> None:
    """Whatever JSON comes, for whichever provider: a success, or what is wrong with the request."""
    headers = {"x-goog-api-key": gateway.key, "content-type": "application/json"}
    url = f"{gateway.url}/v1beta/models/{model}/sim:{method}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=wire_json.dumps(body), headers=headers) as answer,
    ):
        text = await answer.text()
    assert answer.status in (200, 400, 404, 429, 501), text
    assert "INTERNAL" not in text
