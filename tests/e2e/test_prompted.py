"""Legacy text completions at models that only chat: what reaches the provider, and what its caller is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from gateway.simulator.server import serve
from gateway.wire.openai import completions
from gateway.wire.pb import inference_pb2_grpc
from tests.support.matrix.upstreams import UPSTREAMS, layer
from tests.support.raw import Answer, ask
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

Place = tuple[InProcess, Simulated]
CHAT_ONLY = ("responses", "anthropic", "gemini", "bedrock", "cohere", "anthropic_complete")
FULL = {"prompt": "once upon", "max_tokens": 7, "temperature": 0.5, "stop": ["zz"]}


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    """The matrix's models, and more at Anthropic's format and OpenAI's."""
    upstream = await serve()
    made = layer(upstream.url)
    retry = {"attempts_max": 1}

    def model(prefix: str, *candidates: dict[str, Any], **more: Any) -> None:
        made["models"][prefix] = {"names": [f"{prefix}/*"], "retry": retry, "candidates": candidates, **more}

    anthropic = {"provider": "up-anthropic"}
    model("plain", {"provider": "up-openai"})  # capabilities: [chat]
    model("lenient", anthropic, on_unsupported="drop")
    model("whole", {**anthropic, "streaming": "never"})
    model("streams", {**anthropic, "streaming": "only"})
    both = {"capabilities": ["chat", "completion"]}
    model("second", {"provider": "up-openai", "upstream_model": "sim-status-500", "priority": 0},
          {**anthropic, "upstream_model": "sim", "priority": 1}, **both)  # fmt: skip
    model("rescued", {"provider": "up-gemini", "upstream_model": "sim-chunks-6-cut-3", "priority": 0},
          {**anthropic, "upstream_model": "sim-chunks-6", "priority": 1}, **both, rescue=["splice"])  # fmt: skip
    try:
        async with single(made) as gateway:
            yield gateway, Simulated(upstream.url)
            assert gateway.quota.open_count == 0
    finally:
        await upstream.stop()


async def complete(place: Place, model: str, **members: Any) -> Answer:
    body = {"model": model, "prompt": "once upon", **members}
    return await ask(f"{place[0].base_url}/completions", body, place[0].key)


def text_of(answer: Answer) -> str:
    objects = answer.chunks if answer.events else [answer.ok().body]
    return "".join(choice["text"] for each in objects for choice in each["choices"])


async def test_a_chat_is_what_the_provider_gets(place: Place) -> None:
    """One turn, the settings under its own names, and nothing of a completion."""
    model = f"anthropic/{unique()}"
    assert text_of(await complete(place, model, **FULL)) == "You said: once upon"
    seen = await place[1].last(model)
    assert seen["path"] == "/v1/messages"
    turn = {"role": "user", "content": "once upon"}
    expected = {"messages": [turn], "max_tokens": 7, "temperature": 0.5, "stop_sequences": ["zz"]}
    assert {name: value for name, value in seen["body"].items() if name not in ("model", "stream")} == expected


async def test_a_model_that_is_said_to_chat_only_chats(place: Place) -> None:
    """Also at a provider with completions; a list of one is one prompt."""
    model = f"plain/{unique()}"
    assert text_of(await complete(place, model, prompt=["once upon"])) == "You said: once upon"
    assert (await place[1].last(model))["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("name", CHAT_ONLY)
async def test_echo_is_before_the_answer(place: Place, name: str, is_stream: bool) -> None:
    """The prompt and then the answer, whole and streamed; a stream says its end once and `[DONE]`."""
    answer = await complete(place, f"{name}/{unique()}", echo=True, stream=is_stream)
    assert text_of(answer) == "once uponYou said: once upon"
    assert answer.is_done is is_stream


@pytest.mark.parametrize("name", CHAT_ONLY)
@pytest.mark.parametrize(
    ("members", "param"),
    [({"suffix": "end"}, "suffix"), ({"logprobs": 1}, "logprobs"), ({"best_of": 2}, "best_of"),
     ({"prompt": ["a", "b"]}, "prompt"), ({"prompt": [1, 2]}, "prompt"), ({"prompt": [[1]]}, "prompt"),
     ({"messages": [{"role": "user", "content": "hidden"}]}, "messages")],
)  # fmt: skip
async def test_what_a_chat_has_not_is_refused(place: Place, name: str, members: dict[str, Any], param: str) -> None:
    """By its name, before the provider is asked."""
    model = f"{name}/{unique()}"
    (await complete(place, model, **members)).error(400, "unsupported_parameter", param)
    assert (await place[1].counts(model)).requests == 0


async def test_what_the_chat_cannot_have_has_the_name_of_the_completion(place: Place) -> None:
    """Anthropic has no `n`."""
    (await complete(place, f"anthropic/{unique()}", n=2)).error(400, "unsupported_parameter", "n")


async def test_a_lenient_model_leaves_out_and_says_so(place: Place) -> None:
    """But several prompts are no detail."""
    model = f"lenient/{unique()}"
    answer = await complete(place, model, suffix="end", logprobs=1, n=2)
    assert text_of(answer) == "You said: once upon"
    assert answer.headers["x-gateway-dropped"] == "logprobs, suffix, n"
    (await complete(place, model, prompt=["a", "b"])).error(400, "unsupported_parameter", "prompt")


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("prefix", ["whole", "streams"])
async def test_providers_of_one_shape(place: Place, prefix: str, is_stream: bool) -> None:
    """Who streams only, or never, answers both."""
    options = {"stream": True, "stream_options": {"include_usage": True}} if is_stream else {}
    answer = await complete(place, f"{prefix}/{unique()}", echo=True, **options)
    assert text_of(answer) == "once uponYou said: once upon"
    told = answer.chunks[-1] if is_stream else answer.body
    assert (told["object"], told["usage"]["total_tokens"]) == ("text_completion", 6)


async def test_fallback_between_both_kinds(place: Place) -> None:
    """A provider with completions fails, one that chats answers."""
    answer = await complete(place, f"second/{unique()}")
    assert text_of(answer) == "You said: once upon"
    assert answer.headers["x-gateway-provider"] == "up-anthropic"


async def test_a_broken_stream_is_gone_on_with(place: Place) -> None:
    """By another format, behind what was delivered, the echo included."""
    answer = await complete(place, f"rescued/{unique()}", echo=True, stream=True)
    plain = text_of(await complete(place, "anthropic/sim-chunks-6"))
    assert answer.is_done
    assert text_of(answer) == f"once upon{plain}"


@pytest.mark.parametrize("name", [upstream.name for upstream in UPSTREAMS])
async def test_over_grpc(place: Place, name: str) -> None:
    """The typed methods say the same."""
    request = completions.decode_request({"model": f"{name}/{unique()}", "prompt": "once upon"})
    metadata = (("authorization", f"Bearer {place[0].key}"),)
    async with grpc.aio.insecure_channel(place[0].grpc_address) as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        whole = await stub.Complete(request, metadata=metadata)
        assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("You said: once upon", "stop")
        chunks = [chunk async for chunk in stub.StreamComplete(request, metadata=metadata)]
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "You said: once upon"
