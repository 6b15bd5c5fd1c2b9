"""Gemini models behind the gateway: OpenAI's SDK over HTTP and typed gRPC, against a simulator that speaks Gemini."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import openai
import pytest

from gateway.simulator.server import Running, serve
from gateway.wire.gemini import chat as gemini_chat
from gateway.wire.openai import chat as openai_chat
from gateway.wire.pb import embeddings_pb2, inference_pb2_grpc, types_pb2
from tests.support.raw import ask
from tests.support.sdk import Sdk, sdk_of, text_of
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

KEY = "a-google-key"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A gateway and the Gemini simulator behind it."""

    upstream: Running
    gateway: InProcess

    async def sent(self, model: str) -> dict[str, Any]:
        """The last request the simulator got for a model."""
        return await Simulated(self.upstream.url).last(f"g/{model}")


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[Pair]:
    """One gateway whose models `g/*` are Gemini's, one attempt per call."""
    upstream = await serve(key=KEY)
    provider = {
        "dialect": "gemini", "base_url": f"{upstream.url}/v1beta", "is_local": True, "auth": "x-goog-api-key",
        "api_key": {"env": "GEMINI_TEST_KEY"},
    }  # fmt: skip
    model = {
        "names": ["g/*"], "candidates": [{"provider": "google"}], "retry": {"attempts_max": 1},
        "capabilities": ["chat", "embedding", "vision", "audio", "function_calling", "json_mode", "json_schema"],
        "has_dimensions": True,
    }  # fmt: skip
    layer = {"providers": {"google": provider}, "models": {"g": model}}
    try:
        async with single(layer, environ={"GEMINI_TEST_KEY": KEY}) as gateway:
            yield Pair(upstream, gateway)
    finally:
        await upstream.stop()


@pytest.fixture
async def sdk(pair: Pair) -> AsyncIterator[Sdk]:
    """OpenAI's SDK; the asynchronous client, because the gateway runs in this very process."""
    made = sdk_of("async", pair.gateway.base_url, pair.gateway.key)
    yield made
    await made.close()


async def test_a_whole_answer(sdk: Sdk, pair: Pair) -> None:
    """Text, finish reason, counts; the upstream got Gemini's own body, path and key."""
    model = unique()
    answer = await sdk.chat(f"g/{model}", temperature=0.5, max_completion_tokens=9)
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("You said: hi there", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 4, 6)
    assert answer.object == "chat.completion"
    assert answer.created > 1_700_000_000
    seen = await pair.sent(model)
    assert seen["path"] == f"/v1beta/models/g%2F{model}:generateContent"
    assert seen["headers"]["x-goog-api-key"] == KEY
    assert seen["body"] == {
        "contents": [{"role": "user", "parts": [{"text": "hi there"}]}],
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9},
    }


@pytest.mark.parametrize("is_usage_wanted", [True, False])
async def test_a_stream(sdk: Sdk, pair: Pair, is_usage_wanted: bool) -> None:
    """One chunk per word, the role once, one end, usage once and only if asked for."""
    model = unique("sim-chunks-5")
    options = {"stream_options": {"include_usage": True}} if is_usage_wanted else {}
    chunks = await sdk.chunks(f"g/{model}", **options)
    assert text_of(chunks) == "You said: hi there You"
    assert [c.choices[0].delta.role for c in chunks if c.choices].count("assistant") == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1
    counts = [c.usage.completion_tokens for c in chunks if c.usage]
    assert counts == ([5] if is_usage_wanted else [])
    seen = await pair.sent(model)
    assert seen["path"].endswith(":streamGenerateContent?alt=sse")


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_tool_round_trip(sdk: Sdk, pair: Pair, is_stream: bool) -> None:
    """Two parallel calls get ids; their results go back under the functions' names."""
    model = unique("sim-tools-2")
    asked: list[Any] = [{"role": "user", "content": "weather?"}]
    if is_stream:
        chunks = await sdk.chunks(f"g/{model}", asked, tools=[WEATHER])
        fragments = [call for c in chunks for call in c.choices[0].delta.tool_calls or ()]
        finish = [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason]
        assert [call.index for call in fragments] == [0, 1]
        calls = [(call.id, call.function.name, call.function.arguments) for call in fragments]
    else:
        answer = await sdk.chat(f"g/{model}", asked, tools=[WEATHER])
        finish = [answer.choices[0].finish_reason]
        assert answer.choices[0].message.content is None
        calls = [(c.id, c.function.name, c.function.arguments) for c in answer.choices[0].message.tool_calls]
    assert finish == ["tool_calls"]
    assert len({call_id for call_id, _, _ in calls}) == 2
    assert [(name, json.loads(arguments)) for _, name, arguments in calls] == [("get_weather", {"city": "text"})] * 2
    turn = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    results = [{"role": "tool", "tool_call_id": i, "content": f"sunny {at}"} for at, (i, _, _) in enumerate(calls)]
    again = [*asked, {"role": "assistant", "content": None, "tool_calls": turn}, *results]
    answer = await sdk.chat(f"g/{model}", again, tools=[WEATHER])
    assert answer.choices[0].message.content == "The tool said: sunny 0; sunny 1"
    body = (await pair.sent(model))["body"]
    assert [p["functionResponse"]["name"] for p in body["contents"][-1]["parts"]] == ["get_weather"] * 2
    (declaration,) = body["tools"][0]["functionDeclarations"]
    assert declaration["parameters"]["properties"]["days"] == {"type": "INTEGER", "nullable": True}


async def test_reasoning_images_and_shapes(sdk: Sdk, pair: Pair) -> None:
    """Thoughts are reasoning_content, images go inline, schemas are native."""
    answer = await sdk.chat("g/sim-reasoning", reasoning_effort="low")
    assert answer.choices[0].message.model_extra["reasoning_content"].startswith("The user wrote")
    assert answer.usage.completion_tokens_details.reasoning_tokens == 8
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    answer = await sdk.chat("g/sim", [{"role": "user", "content": [{"type": "text", "text": "see"}, image]}])
    assert answer.choices[0].message.content == "You said: see (with 1 more part)"
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    shape = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    answer = await sdk.chat("g/sim", response_format=shape)
    assert json.loads(answer.choices[0].message.content) == {"n": 0}


async def test_several_answers_and_filters(sdk: Sdk, pair: Pair) -> None:
    """n, length and content_filter."""
    answer = await sdk.chat("g/sim", n=2)
    assert [c.message.content for c in answer.choices] == ["You said: hi there", "You said: hi there (choice 1)"]
    assert (await sdk.chat("g/sim-length")).choices[0].finish_reason == "length"
    assert (await sdk.chat("g/sim-filter")).choices[0].finish_reason == "content_filter"
    refused = (await sdk.chat("g/sim-refusal")).choices[0]
    assert (refused.finish_reason, refused.message.content) == ("content_filter", None)


async def test_embeddings(sdk: Sdk, pair: Pair) -> None:
    """One batch, in order, in the dimensions asked for."""
    model = unique()
    found = await sdk(
        sdk.client.embeddings.create, model=f"g/{model}", input=["a", "b"], dimensions=4, encoding_format="float"
    )
    assert [(e.index, len(e.embedding)) for e in found.data] == [(0, 4), (1, 4)]
    plain = await sdk(sdk.client.embeddings.create, model=f"g/{unique()}", input="a")
    assert len(plain.data[0].embedding) == 768, "the SDK asks for base64 by itself and takes floats too"
    seen = await pair.sent(model)
    assert seen["path"].endswith(":batchEmbedContents")
    assert seen["body"]["requests"][0] == {
        "model": f"models/g/{model}", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 4
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("sim-status-429", openai.RateLimitError, "provider_rate_limited"),
        ("sim-status-503", openai.InternalServerError, "provider_error"),
        ("sim-status-403", openai.InternalServerError, "provider_auth_failed"),
        ("sim-nosuchoption", openai.NotFoundError, "model_not_found"),
        ("sim-context-0", openai.BadRequestError, None),
    ],
)
async def test_errors(sdk: Sdk, pair: Pair, model: str, error: Any, code: str | None) -> None:
    """Google's errors in OpenAI's words."""
    with pytest.raises(error) as caught:
        await sdk.chat(f"g/{model}")
    assert caught.value.code == code


async def test_what_gemini_cannot_take_is_refused(sdk: Sdk, pair: Pair) -> None:
    """With the member's name, before anything is sent."""
    with pytest.raises(openai.BadRequestError) as caught:
        await sdk.chat("g/sim", logit_bias={"1": 2})
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "logit_bias")


@pytest.mark.parametrize("fault", ["cut-2", "error-2", "nodone", "malformed-3"])
async def test_a_broken_stream_is_never_complete(pair: Pair, fault: str) -> None:
    """No finish and no [DONE] after a cut, an error frame, a missing last frame or broken JSON."""
    body = {"model": f"g/sim-chunks-4-pace-30-{fault}", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = await ask(f"{pair.gateway.base_url}/chat/completions", body, pair.gateway.key)
    assert answer.status == 200
    assert not answer.is_done
    assert "error" in answer.chunks[-1]
    assert not any(c.get("finish_reason") for chunk in answer.chunks for c in chunk.get("choices", ()))


@pytest.mark.parametrize("oddity", ["crlf", "bom-comments", "bytes-3", "multiline-nospace", "extra", "prelude", "gzip"])
async def test_odd_streams_are_whole(pair: Pair, oddity: str) -> None:
    """Line ends, comments, tiny writes, unknown members and a frame without candidates change nothing."""
    body = {"model": f"g/sim-chunks-4-{oddity}", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    answer = await ask(f"{pair.gateway.base_url}/chat/completions", body, pair.gateway.key)
    assert answer.ok().is_done
    assert answer.content == "You said: hi You"


async def test_the_same_over_grpc(pair: Pair) -> None:
    """Typed messages: text, thinking, calls and usage without JSON; embeddings."""
    metadata = (("authorization", f"Bearer {pair.gateway.key}"),)
    async with grpc.aio.insecure_channel(pair.gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        request = openai_chat.decode_request(
            {"model": "g/sim-reasoning", "messages": [{"role": "user", "content": "hi"}]}
        )
        answer = await stub.Chat(request, metadata=metadata)
        thinking, text = answer.choices[0].message.blocks
        assert thinking.thinking.text.startswith("The user wrote")
        assert text.text == "You said: hi"
        assert answer.usage.completion_tokens == 11
        chunks = [chunk async for chunk in stub.StreamChat(request, metadata=metadata)]
        said = "".join(b.text for chunk in chunks for c in chunk.choices for b in c.delta.blocks)
        assert said == "You said: hi"
        assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["stop"]
        texts = types_pb2.TextInput(form=types_pb2.INPUT_FORM_STRINGS, texts=["a", "b"])
        found = await stub.Embed(embeddings_pb2.EmbeddingRequest(model="g/sim", input=texts), metadata=metadata)
        assert [len(e.values) for e in found.data] == [768, 768]


async def test_gemini_in_and_gemini_out_is_an_identity(pair: Pair) -> None:
    """A message of this dialect: the upstream gets the client's body, the client every frame as it was sent."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": "hi", "newMember": None}]}],
        "generationConfig": {"temperature": 1, "speechConfig": {"x": [1, None]}},
        "anotherMember": {"deep": [{}]},
    }
    model = unique("sim-chunks-3-extra")
    metadata = (("authorization", f"Bearer {pair.gateway.key}"),)
    request = gemini_chat.decode_request(body)
    request.model = f"g/{model}"
    async with grpc.aio.insecure_channel(pair.gateway.grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        whole = gemini_chat.encode_response(await stub.Chat(request, metadata=metadata))
        assert (await pair.sent(model))["body"] == body
        renderer = gemini_chat.ChunkRenderer()
        chunks = [chunk async for chunk in stub.StreamChat(request, metadata=metadata)]
    frames = [json.loads(data) for chunk in chunks for _, data in renderer.render(chunk)]
    assert whole["candidates"][0]["x_big"] == 2**70
    assert [frame["candidates"][0]["content"]["parts"][0]["x_null"] for frame in frames[:3]] == [None] * 3
    assert frames[-1]["candidates"][0]["finishReason"] == "STOP"
    assert [frame["usageMetadata"]["candidatesTokenCount"] for frame in frames] == [1, 2, 3, 3]
