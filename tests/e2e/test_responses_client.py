"""The official OpenAI SDK's `responses`, unmodified, against a gateway, whatever its providers speak.

Rules: every test runs once per upstream format, over a gateway in this process and the simulator.
Not here: the mapping member by member (tests/unit/wire/responses).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from pydantic import BaseModel

from gateway.simulator.server import Running
from gateway.wire.pb import inference_pb2_grpc, responses_pb2
from tests.support.matrix.upstreams import layer
from tests.support.place import key_record
from tests.support.raw import ask
from tests.support.simulated import Simulated, unique
from tests.support.single import InProcess, single

HI: list[Any] = [{"role": "user", "content": "hello big world"}]
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": None,
}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
DIALECTS = ("openai", "anthropic", "gemini")
KEPT_MAX_BYTES = 100_000
OTHER = "gw-other.secret-of-another-key"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    more = {"keys": {"other": key_record(OTHER)}, "responses": {"answer_max_bytes": KEPT_MAX_BYTES}}
    async with single(layer(upstream.url) | more) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(gateway: InProcess) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_whole_answer(client: AsyncOpenAI, dialect: str) -> None:
    """With usage, an id of the request's, and the members it repeats."""
    answer: Any = await client.responses.create(
        model=f"{dialect}/{unique()}", input="hello big world", instructions="be kind", metadata={"a": "b"}
    )
    assert answer.output_text == "You said: hello big world"
    assert (answer.status, answer.object, answer.instructions, answer.metadata) == (
        "completed", "response", "be kind", {"a": "b"}
    )  # fmt: skip
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 5)
    assert answer.usage.total_tokens == 10
    assert answer.id.removeprefix("resp_") == str(answer._request_id).removeprefix("req_")
    assert answer.store is True


async def test_a_stream(client: AsyncOpenAI, dialect: str) -> None:
    """Events in order, numbered from 0, and the whole answer at their end."""
    stream = await client.responses.create(model=f"{dialect}/sim-chunks-20", input=HI, stream=True)
    events = [event async for event in stream]
    names = [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert names == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        *["response.output_text.delta"] * 20, "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    final: Any = events[-1]
    deltas: list[Any] = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == final.response.output_text
    assert final.response.usage.input_tokens == 3


async def test_the_stream_helper(client: AsyncOpenAI, dialect: str) -> None:
    """Reasoning, then two calls."""
    arguments: Any = {"model": f"{dialect}/sim-reasoning-tools-2", "input": HI, "tools": [TOOL]}
    async with client.responses.stream(**arguments) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    items: list[Any] = list(final.output)
    assert [item.type for item in items] == ["reasoning", "function_call", "function_call"]
    assert items[0].summary[0].text
    assert [json.loads(item.arguments) for item in items[1:]] == [{"city": "text"}] * 2
    assert len({item.call_id for item in items[1:]}) == 2


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_round_with_tools_and_an_image(client: AsyncOpenAI, dialect: str, is_stream: bool) -> None:
    """Calls go out, the output of the answer and the results come back as input."""
    model = f"{dialect}/sim-tools-2"
    items: list[Any] = [{"role": "user", "content": [IMAGE, {"type": "input_text", "text": "where"}]}]
    if is_stream:
        async with client.responses.stream(model=model, input=items, tools=[TOOL]) as stream:
            called: Any = await stream.get_final_response()
    else:
        called = await client.responses.create(model=model, input=items, tools=[TOOL])
    calls = [item for item in called.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["weather", "weather"]
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
    kept = [item.model_dump(exclude_none=True) for item in called.output]
    for item in kept:
        item.pop("parsed_arguments", None)
    whole: Any = [*items, *kept, *results]
    answer = await client.responses.create(model=f"{dialect}/{unique()}", input=whole, tools=[TOOL], store=False)
    assert answer.status == "completed"
    assert answer.output_text


async def test_what_reaches_an_openai_provider(client: AsyncOpenAI, upstream: Running) -> None:
    """A chat: instructions first, calls merged into one turn, tools nested, no label that needs a stored answer."""
    name = unique()
    call = {"type": "function_call", "name": "weather", "arguments": "{}"}
    items: Any = [
        {"role": "user", "content": [IMAGE]},
        {"role": "assistant", "content": "let me see"},
        {**call, "call_id": "c1"},
        {**call, "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "rain"}]},
    ]
    await client.responses.create(
        model=f"openai/{name}",
        instructions="be kind",
        input=items,
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        metadata={"a": "b"},
        max_output_tokens=77,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    body: Any = (await Simulated(upstream.url).last(f"openai/{name}"))["body"]
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert body["messages"][1]["content"][0]["image_url"] == {"url": IMAGE["image_url"], "detail": "low"}
    assert [made["id"] for made in body["messages"][2]["tool_calls"]] == ["c1", "c2"]
    assert body["tools"][0]["function"]["name"] == "weather"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert (body["max_completion_tokens"], body["reasoning_effort"]) == (77, "low")
    assert not {"metadata", "store", "include", "instructions", "input"} & body.keys()


@pytest.mark.parametrize("is_stream", [False, True])
async def test_continuing_an_answer(client: AsyncOpenAI, upstream: Running, is_stream: bool) -> None:
    """By its id, twice: the provider gets the whole conversation; instructions are each call's own."""
    name = f"openai/{unique()}"
    previous: str | None = None
    answer: Any = None
    for words in ("one", "two", "three"):
        given: Any = {"model": name, "input": words, "instructions": f"be {words}", "previous_response_id": previous}
        if is_stream:
            async with client.responses.stream(**given) as stream:
                answer = await stream.get_final_response()
        else:
            answer = await client.responses.create(**given)
        assert answer.previous_response_id == previous
        previous = answer.id
    body: Any = (await Simulated(upstream.url).last(name))["body"]
    said = [turn["content"] if isinstance(turn["content"], str) else turn["content"][0]["text"]
            for turn in body["messages"]]  # fmt: skip
    assert said == ["be three", "one", "You said: one", "two", "You said: two", "three"]
    items = [item.model_dump() async for item in client.responses.input_items.list(answer.id, order="asc", limit=2)]
    assert [item["content"][0]["text"] for item in items] == ["one", "You said: one", "two", "You said: two", "three"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_kept_answer(client: AsyncOpenAI, dialect: str, is_stream: bool) -> None:
    """Can be read until it is deleted; cancelling it is refused."""
    given: Any = {"model": f"{dialect}/{unique()}", "input": "hi"}
    if is_stream:
        async with client.responses.stream(**given) as stream:
            answer: Any = await stream.get_final_response()
    else:
        answer = await client.responses.create(**given)
    read = await client.responses.retrieve(answer.id)
    assert (read.id, read.output_text, read.usage) == (answer.id, answer.output_text, answer.usage)
    with pytest.raises(openai.BadRequestError):
        await client.responses.cancel(answer.id)
    with pytest.raises(openai.BadRequestError):
        await client.responses.retrieve(answer.id, stream=True)
    await client.responses.delete(answer.id)
    for again in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            await again(answer.id)
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(**given, previous_response_id=answer.id)
    assert caught.value.code == "previous_response_not_found"


async def test_another_keys_answer_is_not_found(client: AsyncOpenAI) -> None:
    """Neither read, deleted nor continued; its own key still has it."""
    answer = await client.responses.create(model=f"openai/{unique()}", input="hi")
    other = client.with_options(api_key=OTHER)
    for reach in (other.responses.retrieve, other.responses.delete, other.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            await reach(answer.id)
    with pytest.raises(openai.BadRequestError) as caught:
        await other.responses.create(model=f"openai/{unique()}", input="hi", previous_response_id=answer.id)
    assert caught.value.param == "previous_response_id"
    assert (await client.responses.retrieve(answer.id)).id == answer.id


async def test_kept_answers_over_grpc(client: AsyncOpenAI, gateway: InProcess) -> None:
    """The same ones: read, stored, deleted."""
    answer = await client.responses.create(model=f"openai/{unique()}", input="hi")
    metadata = (("authorization", f"Bearer {gateway.key}"),)
    async with grpc.aio.insecure_channel(gateway.grpc_address) as channel:
        stub: Any = inference_pb2_grpc.InferenceStub(channel)
        kept = await stub.GetResponse(responses_pb2.GetResponseRequest(id=answer.id), metadata=metadata)
        assert json.loads(kept.response_json)["output"][0]["content"][0]["text"] == answer.output_text
        assert json.loads(kept.items_json)[0]["content"] == [{"type": "input_text", "text": "hi"}]
        kept.id = "resp_other"
        assert (await stub.StoreResponse(kept, metadata=metadata)).is_stored
        await stub.DeleteResponse(responses_pb2.DeleteResponseRequest(id="resp_other"), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetResponse(responses_pb2.GetResponseRequest(id="resp_other"), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetResponse(responses_pb2.GetResponseRequest(id=answer.id))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_what_is_not_to_be_kept(client: AsyncOpenAI, dialect: str) -> None:
    """`store: false` is respected."""
    answer: Any = await client.responses.create(model=f"{dialect}/{unique()}", input="hi", store=False)
    assert answer.store is False
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(answer.id)
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="gw-no.key").responses.retrieve(answer.id)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_what_is_too_large_to_be_kept_says_so(client: AsyncOpenAI, dialect: str, is_stream: bool) -> None:
    """The end of the answer says `store: false` where the service's limit, not only the frontend's, is too small."""
    asked: Any = {"model": f"{dialect}/{unique()}", "input": "x" * (KEPT_MAX_BYTES + 1)}
    if is_stream:
        async with client.responses.stream(**asked) as stream:
            answer: Any = await stream.get_final_response()
    else:
        answer = await client.responses.create(**asked)
    assert (answer.store, answer.status) == (False, "completed")
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(answer.id)


class City(BaseModel):
    """What the model must fill in."""

    city: str


async def test_parsing(client: AsyncOpenAI, dialect: str) -> None:
    """`responses.parse` gives an object of the caller's class."""
    answer = await client.responses.parse(model=f"{dialect}/sim", input=HI, text_format=City)
    assert isinstance(answer.output_parsed, City)


async def test_a_stream_that_fails(client: AsyncOpenAI, gateway: InProcess, dialect: str) -> None:
    """It says so in the format's own events, numbered on, and never completes."""
    names: list[str] = []
    numbers: list[int] = []
    stream = await client.responses.create(model=f"{dialect}/sim-cut-3", input="a b c d e f g h", stream=True)
    with pytest.raises(openai.APIConnectionError):
        async for event in stream:
            names.append(event.type)
            numbers.append(event.sequence_number)
    assert names[-2:] == ["error", "response.failed"]
    assert numbers == list(range(len(numbers)))
    assert "response.completed" not in names


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"truncation": "auto"}, "truncation"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
    ],
)
async def test_what_is_refused(client: AsyncOpenAI, members: dict[str, Any], param: str) -> None:
    """Never left out: the answer would be another one."""
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(**{"model": f"openai/{unique()}", "input": HI, **members})
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


async def test_no_route_without_the_format() -> None:
    """A profile without `responses` has no such path."""
    async with single({"profiles": {"default": {"dialects": ["openai"]}}}) as gateway:
        answer = await ask(f"{gateway.url}/v1/responses", {}, gateway.key)
        assert answer.status == 404  # an HTTP status
