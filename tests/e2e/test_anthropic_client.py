"""The official Anthropic SDK, unmodified, against a gateway, whatever its providers speak.

Rules: every test runs once per upstream format, over a gateway in this process and the simulator.
Not here: the mapping member by member (tests/unit/wire/anthropic).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic

from gateway.simulator.server import Running
from tests.support.matrix.upstreams import layer
from tests.support.raw import ask
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

HI: list[Any] = [{"role": "user", "content": "hello big world"}]
TOOL: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
NATIVE = "anthropic"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    async with single(layer(upstream.url)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(gateway: InProcess) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture(params=["anthropic", "openai"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def create(client: AsyncAnthropic, model: str, messages: Any = HI, **more: Any) -> Any:
    return await client.messages.create(**{"model": model, "max_tokens": 3000, "messages": messages, **more})


async def test_a_whole_answer(client: AsyncAnthropic, dialect: str) -> None:
    """With usage and the gateway's request id."""
    message = await create(client, f"{dialect}/{unique()}", system="be kind")
    assert [block.model_dump(exclude_none=True) for block in message.content] == [
        {"type": "text", "text": "You said: hello big world"}
    ]
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 5)
    assert message._request_id.startswith("req_")


async def test_the_stream_helper(client: AsyncAnthropic, dialect: str) -> None:
    """Thinking, then two calls: the exact sequence of events, blocks numbered in order."""
    arguments: Any = {"model": f"{dialect}/sim-reasoning-tools-2", "max_tokens": 3000, "messages": HI, "tools": [TOOL]}
    async with client.messages.stream(**arguments) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "tool_use", "tool_use"]
    assert [block.input for block in final.content[1:]] == [{"city": "text"}] * 2
    assert len({block.id for block in final.content[1:]}) == 2
    assert final.stop_reason == "tool_use"
    assert final.usage.output_tokens > 0
    names = [event.type for event in events]
    assert (names[0], names[-1]) == ("message_start", "message_stop")
    starts = [event.index for event in events if event.type == "content_block_start"]
    assert starts == [0, 1, 2]


async def test_text_arrives_in_pieces(client: AsyncAnthropic, dialect: str) -> None:
    """As it is made."""
    async with client.messages.stream(model=f"{dialect}/sim-chunks-20", max_tokens=3000, messages=HI) as stream:
        pieces = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert len(pieces) == 20
    assert "".join(pieces) == final.content[0].text
    assert (final.stop_reason, final.usage.input_tokens) == ("end_turn", 3)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_round_with_tools_and_an_image(client: AsyncAnthropic, dialect: str, is_stream: bool) -> None:
    """Calls go out, results come back, with an error among them."""
    model = f"{dialect}/sim-tools-2"
    messages: list[Any] = [{"role": "user", "content": [IMAGE, {"type": "text", "text": "where"}]}]
    if is_stream:
        async with client.messages.stream(model=model, max_tokens=99, messages=messages, tools=[TOOL]) as stream:
            called = await stream.get_final_message()
    else:
        called = await create(client, model, messages, tools=[TOOL])
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": f"rain {n}"}]}
        for n, call in enumerate(called.content)
    ]
    results[1]["is_error"] = True
    messages += [{"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    answer = await create(client, model, messages, tools=[TOOL])
    assert answer.content[0].text.startswith("The tool said: rain 0; rain 1")


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("sim-status-400", anthropic.BadRequestError),
        ("sim-status-429", anthropic.RateLimitError),
        ("sim-status-500", anthropic.InternalServerError),
        ("sim-status-529", anthropic.InternalServerError),
    ],
)
async def test_failures(
    client: AsyncAnthropic, dialect: str, model: str, error: type[anthropic.APIStatusError]
) -> None:
    """Are Anthropic's error object, with the request id."""
    with pytest.raises(error) as caught:
        await create(client, f"{dialect}/{model}")
    body: Any = caught.value.body
    assert (body["type"], set(body["error"])) == ("error", {"type", "message"})
    assert body["request_id"] == caught.value.request_id


async def test_the_key(gateway: InProcess) -> None:
    """Wrong or missing: 401, authentication_error."""
    async with AsyncAnthropic(base_url=gateway.url, api_key="gw-no.key", max_retries=0) as other:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            await create(other, "openai/sim")
    assert caught.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]  # typed as object
    async with AsyncAnthropic(base_url=gateway.url, auth_token=gateway.key, api_key=None, max_retries=0) as bearer:
        assert (await create(bearer, "openai/sim")).stop_reason == "end_turn"


@pytest.mark.parametrize("model", ["sim-error-2", "sim-cut-2", "sim-nodone-malformed-2"])
async def test_a_stream_that_breaks(client: AsyncAnthropic, dialect: str, model: str) -> None:
    """Ends with an error event, never as if it were whole."""
    with pytest.raises(anthropic.APIError):
        async with client.messages.stream(model=f"{dialect}/{model}", max_tokens=99, messages=HI) as stream:
            await stream.get_final_message()


async def test_counting_tokens(client: AsyncAnthropic, dialect: str) -> None:
    """An estimate: longer prompts have more; unknown models and callers have none."""
    short = await client.messages.count_tokens(model=f"{dialect}/sim", messages=HI)
    system = "a rather long text " * 20
    long = await client.messages.count_tokens(model=f"{dialect}/sim", messages=HI, system=system, tools=[TOOL])
    assert 0 < short.input_tokens < long.input_tokens
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.count_tokens(model="nobody/knows", messages=HI)
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="gw-no.key").messages.count_tokens(model=f"{dialect}/sim", messages=HI)


async def test_models(client: AsyncAnthropic) -> None:
    """The list has Anthropic's shape for Anthropic's clients."""
    listed = [model.id async for model in client.models.list()]
    assert "claude-sonnet-4-5" in listed
    one = await client.models.retrieve("claude-sonnet-4-5")
    assert (one.type, one.id) == ("model", "claude-sonnet-4-5")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_the_same_format_on_both_sides_loses_nothing(
    gateway: InProcess, upstream: Running, is_stream: bool
) -> None:
    """Members nobody knows, cache markers, signatures: to the provider and back."""
    model = f"anthropic/{unique('sim-reasoning-extra')}"
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    body = {
        "model": model,
        "max_tokens": 99,
        "messages": [
            {"role": "user", "content": [marked], "n": 1},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"},
                                              {"type": "brand_new", "x": [None, 2**70]}]},
            {"role": "user", "content": "go"},
        ],
        "brand_new": {"y": None},
        "stream": is_stream,
    }  # fmt: skip
    direct = await ask(f"{upstream.url}/v1/messages", body)
    through = await ask(f"{gateway.url}/v1/messages", body, gateway.key)
    assert through.ok().events == [] or is_stream
    assert [json.loads(event) for event in through.events] == [json.loads(event) for event in direct.events]
    assert through.body == direct.body
    first, second = await Simulated(upstream.url).requests(model)
    assert first["body"] == second["body"]


async def test_what_a_client_opts_into(client: AsyncAnthropic, upstream: Running, gateway: InProcess) -> None:
    """The header reaches a provider of the format, and no body; `?beta=true` changes nothing."""
    model = f"anthropic/{unique()}"
    message = await client.beta.messages.create(model=model, max_tokens=9, messages=HI, betas=["one-1", "two-2"])
    assert message.stop_reason == "end_turn"
    seen = await Simulated(upstream.url).last(model)
    assert seen["headers"]["anthropic-beta"] == "one-1,two-2"
    assert "anthropic_beta" not in seen["body"]
    other = await client.beta.messages.create(model="openai/sim", max_tokens=9, messages=HI, betas=["one-1"])
    assert other.stop_reason == "end_turn"


async def test_what_a_refused_member_is_called(upstream: Running) -> None:
    """As the client knows it, whatever it is inside; the same in the header of what was left out."""
    provider = {"dialect": "palm", "base_url": f"{upstream.url}/v1beta2", "auth": "none", "is_local": True}
    model = {"names": ["strict/*"], "candidates": [{"provider": "up"}]}
    lenient = {**model, "names": ["lenient/*"], "on_unsupported": "drop"}
    layer = {"providers": {"up": provider}, "models": {"strict": model, "lenient": lenient}}
    async with (
        single(layer) as gateway,
        AsyncAnthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=20) as client,
    ):
        with pytest.raises(anthropic.BadRequestError, match="`stop_sequences`"):
            await create(client, "strict/sim", stop_sequences=["x"])
        raw = client.messages.with_raw_response.create
        answer = await raw(model="lenient/sim", max_tokens=9, messages=HI, stop_sequences=["x"])
        assert "stop_sequences" in answer.headers["x-gateway-dropped"].split(", ")
