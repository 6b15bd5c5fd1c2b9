"""The unmodified official OpenAI SDK for Python, sync and async, through the served gateway: what succeeds."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pydantic import BaseModel

from tests.support.sdk import Sdk, collect, text_of
from tests.support.served import Served
from tests.support.simulated import unique

CONVERSATION: Any = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hello big world"},
]
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": CITY}},
    {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}},
]
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()


async def test_chat(sdk: Sdk, gateway: Served) -> None:
    """A whole answer parses, with the usage the provider counted; the provider saw both messages unchanged."""
    model = unique()
    answer = await sdk.chat(model, CONVERSATION, temperature=0.5, max_tokens=50, user="ana")
    assert answer.object == "chat.completion"
    assert answer.model == model
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "You said: hello big world"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 5, 10)
    body = (await gateway.simulator.last(model))["body"]
    sent = {"model": model, "messages": CONVERSATION, "temperature": 0.5, "max_tokens": 50, "user": "ana"}
    assert {name: value for name, value in body.items() if name != "stream"} == sent


async def test_stream(sdk: Sdk, gateway: Served) -> None:
    """A stream has the role first, then text, then the finish reason; no usage is shown to who did not ask."""
    model = unique("sim-chunks-20")
    chunks = await sdk.chunks(model, CONVERSATION)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks).startswith("You said: hello big world")
    assert len(text_of(chunks).split()) == 20
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    asked = (await gateway.simulator.last(model))["body"]["stream_options"]
    assert asked == {"include_usage": True}, "the gateway needs the usage itself"


async def test_stream_with_usage(sdk: Sdk) -> None:
    """`include_usage` gives exactly one usage chunk, the last, without choices, equal to the whole answer's usage."""
    model = unique()
    chunks = await sdk.chunks(model, CONVERSATION, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    whole = await sdk.chat(model, CONVERSATION)
    assert chunks[-1].usage == whole.usage
    assert text_of(chunks) == whole.choices[0].message.content


async def test_several_choices(sdk: Sdk) -> None:
    """`n` answers come whole and streamed, each with its index, and say the same."""
    answer = await sdk.chat(unique(), CONVERSATION, n=3)
    texts = [choice.message.content for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    chunks = await sdk.chunks(unique(), CONVERSATION, n=3)
    assert [text_of(chunks, index) for index in range(3)] == texts
    finished = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert sorted(finished) == [0, 1, 2]


async def test_tools_in_a_stream_and_back(sdk: Sdk, gateway: Served) -> None:
    """Two parallel calls stream in fragments; their results, sent back, reach the model with their ids."""
    model = unique("sim-tools-2")
    calls: dict[int, dict[str, Any]] = {}
    finish = None
    for chunk in await sdk.chunks(model, CONVERSATION, tools=TOOLS, parallel_tool_calls=True):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or ():
                call = calls.setdefault(
                    piece.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                )
                assert not (piece.id and call["id"]), "an id comes once"
                call["id"] += piece.id or ""
                call["function"]["name"] += piece.function.name or ""
                call["function"]["arguments"] += piece.function.arguments or ""
    assert finish == "tool_calls"
    assert [call["function"]["name"] for call in calls.values()] == ["weather", "clock"]
    assert "city" in json.loads(calls[0]["function"]["arguments"])
    followed = [
        *CONVERSATION,
        {"role": "assistant", "content": None, "tool_calls": list(calls.values())},
        *({"role": "tool", "tool_call_id": call["id"], "content": f"result {at}"} for at, call in calls.items()),
    ]
    chunks = await sdk.chunks(model, followed, tools=TOOLS)
    assert text_of(chunks) == "The tool said: result 0; result 1"
    assert (await gateway.simulator.last(model))["body"]["messages"] == followed


async def test_tool_call_whole(sdk: Sdk) -> None:
    """A forced tool is called, with arguments that are JSON."""
    choice = {"type": "function", "function": {"name": "weather"}}
    answer = await sdk.chat(unique(), CONVERSATION, tools=TOOLS, tool_choice=choice)
    assert answer.choices[0].finish_reason == "tool_calls"
    [call] = answer.choices[0].message.tool_calls
    assert (call.type, call.function.name) == ("function", "weather")
    assert list(json.loads(call.function.arguments)) == ["city"]


class Weather(BaseModel):
    """What structured output is parsed into."""

    city: str
    degrees: int
    is_raining: bool


@pytest.mark.parametrize("place", ["beta", "stable"])
async def test_structured_output(sdk: Sdk, gateway: Served, place: str) -> None:
    """`parse` with a pydantic model gives an instance; the schema reaches the provider as the SDK made it."""
    model = unique()
    home = sdk.client.beta if place == "beta" else sdk.client
    answer = await sdk(home.chat.completions.parse, model=model, messages=CONVERSATION, response_format=Weather)
    assert isinstance(answer.choices[0].message.parsed, Weather)
    sent = (await gateway.simulator.last(model))["body"]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == (
        "json_schema",
        "Weather",
        True,
    )
    assert set(sent["json_schema"]["schema"]["properties"]) == {"city", "degrees", "is_raining"}


async def test_structured_output_streamed(sdk: Sdk) -> None:
    """The SDK's stream helper accumulates and parses what the gateway streams."""
    manager = sdk.client.chat.completions.stream(model=unique(), messages=CONVERSATION, response_format=Weather)
    if hasattr(manager, "__aenter__"):
        async with manager as stream:
            final = await stream.get_final_completion()
    else:
        with manager as stream:
            final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Weather)
    assert final.choices[0].finish_reason == "stop"


async def test_logprobs(sdk: Sdk) -> None:
    """Log probabilities come whole and streamed, with their alternatives and bytes."""
    answer = await sdk.chat(unique(), CONVERSATION, logprobs=True, top_logprobs=2)
    content = answer.choices[0].logprobs.content
    assert "".join(item.token for item in content) == answer.choices[0].message.content
    assert all(len(item.top_logprobs) == 2 and bytes(item.bytes).decode() == item.token for item in content)
    chunks = await sdk.chunks(unique(), CONVERSATION, logprobs=True, top_logprobs=2)
    streamed = [item for c in chunks for choice in c.choices if choice.logprobs for item in choice.logprobs.content]
    assert streamed == content


async def test_reasoning_content(sdk: Sdk) -> None:
    """The reasoning of a model, a member OpenAI does not know, comes before the content and is kept apart."""
    answer = await sdk.chat(unique("sim-reasoning"), CONVERSATION)
    assert answer.choices[0].message.reasoning_content
    assert answer.choices[0].message.reasoning_content not in answer.choices[0].message.content
    deltas = [c.choices[0].delta for c in await sdk.chunks(unique("sim-reasoning"), CONVERSATION) if c.choices]
    thoughts = [getattr(delta, "reasoning_content", None) or "" for delta in deltas]
    assert "".join(thoughts) == answer.choices[0].message.reasoning_content
    first_text = next(at for at, delta in enumerate(deltas) if delta.content)
    assert not any(thoughts[first_text:])


async def test_refusal(sdk: Sdk) -> None:
    """A refusal is told as one, whole and streamed."""
    answer = await sdk.chat(unique("sim-refusal"))
    assert answer.choices[0].message.refusal
    assert answer.choices[0].message.content is None
    chunks = await sdk.chunks(unique("sim-refusal"))
    refusal = "".join(c.choices[0].delta.refusal or "" for c in chunks if c.choices)
    assert refusal == answer.choices[0].message.refusal


async def test_vision_and_audio_parts(sdk: Sdk, gateway: Served) -> None:
    """An image and a sound inside a message reach the provider byte for byte; audio comes back."""
    model = unique()
    content = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(bytes(range(256))).decode(), "format": "wav"}},
    ]
    answer = await sdk.chat(model, [{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "You said: what is this? (with 3 more parts)"
    assert (await gateway.simulator.last(model))["body"]["messages"][0]["content"] == content
    spoken = await sdk.chat(model, modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"})
    audio = spoken.choices[0].message.audio
    assert base64.b64decode(audio.data).startswith(b"RIFF")
    assert audio.transcript == "You said: hi there"


async def test_large_images_in_a_row(sdk: Sdk, gateway: Served) -> None:
    """Bodies of megabytes on one kept connection all arrive whole, however their bytes are cut on the way."""
    model = unique()
    for size in (40_000, 300_000, 1_000_000, 4_000_000):
        for _ in range(4):
            url = "data:image/png;base64," + "A" * size
            content = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]
            answer = await sdk.chat(model, [{"role": "user", "content": content}])
            assert answer.choices[0].message.content == "You said: look (with 1 more part)"
    assert (await gateway.simulator.counts(model)).completed == 16


async def test_embeddings(sdk: Sdk, gateway: Served) -> None:
    """The SDK's default (base64 on the wire) and floats give the same vectors, in the order of the inputs."""
    model = unique()
    default = await sdk(sdk.client.embeddings.create, model=model, input=["a", "b", "c"])
    assert (await gateway.simulator.last(model))["body"]["encoding_format"] == "base64"
    assert [item.index for item in default.data] == [0, 1, 2]
    assert len(default.data[0].embedding) == 256
    floats = await sdk(sdk.client.embeddings.create, model=model, input=["a", "b", "c"], encoding_format="float")
    assert [item.embedding for item in floats.data] == [item.embedding for item in default.data]
    assert len({tuple(item.embedding) for item in floats.data}) == 3
    assert floats.usage.prompt_tokens == floats.usage.total_tokens == 3


async def test_embeddings_of_other_inputs(sdk: Sdk, gateway: Served) -> None:
    """One string, token ids, lists of token ids, and fewer dimensions."""
    model = unique()
    create = sdk.client.embeddings.create
    one = await sdk(create, model=model, input="alone", dimensions=64)
    assert [len(item.embedding) for item in one.data] == [64]
    tokens = await sdk(create, model=model, input=[1, 22, 333])
    assert (len(tokens.data), tokens.usage.prompt_tokens) == (1, 3)
    lists = await sdk(create, model=model, input=[[1, 22], [333]])
    assert (len(lists.data), lists.usage.prompt_tokens) == (2, 3)
    assert (await gateway.simulator.last(model))["body"]["input"] == [[1, 22], [333]]


async def test_models(sdk: Sdk) -> None:
    """Listing and retrieving agree; a listed model says what it can do, its window and its price."""
    listed = await collect(await sdk(sdk.client.models.list))
    by_id = {model.id: model for model in listed}
    assert "gpt-4o-mini" in by_id
    assert not any("*" in name for name in by_id)
    one = await sdk(sdk.client.models.retrieve, model="gpt-4o-mini")
    assert one == by_id["gpt-4o-mini"]
    assert (one.object, one.owned_by) == ("model", "openai")
    assert "vision" in one.capabilities
    assert one.context_window == 128000
    assert one.pricing["input_per_million"] == 0.15


async def test_completions(sdk: Sdk) -> None:
    """Legacy completions: whole, streamed, several prompts, logprobs."""
    create = sdk.client.completions.create
    answer = await sdk(create, model=unique(), prompt="once upon", max_tokens=20, logprobs=1)
    assert (answer.object, answer.choices[0].text) == ("text_completion", "You said: once upon")
    assert "".join(answer.choices[0].logprobs.tokens) == answer.choices[0].text
    both = await sdk(create, model=unique(), prompt=["one", "two"], max_tokens=20)
    assert [choice.text for choice in both.choices] == ["You said: one", "You said: two"]
    stream = await sdk(create, model=unique(), prompt="once upon", stream=True, max_tokens=20)
    assert "".join(chunk.choices[0].text for chunk in await collect(stream)) == "You said: once upon"


async def test_unknown_members_pass_both_ways(sdk: Sdk, gateway: Served) -> None:
    """Members nobody knows reach the provider, and come back from it, whole and streamed."""
    model = unique("sim-extra")
    answer = await sdk.chat(model, extra_body={"x_vendor": {"deep": [None, 1, 2**70]}, "x_null": None})
    body = (await gateway.simulator.last(model))["body"]
    assert (body["x_vendor"]["deep"][:2], body["x_null"]) == ([None, 1], None)
    assert answer.model_extra
    assert answer.choices[0].message.model_extra
    chunks = await sdk.chunks(model)
    assert chunks[0].model_extra
