"""The official OpenAI SDK, unmodified, works against the simulator and sees complete wire shapes."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import openai
import orjson
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from pydantic import BaseModel

from gateway.simulator.server import Running
from tests.contract.simulator.raw import chat

MESSAGES: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello big world"}]
CITY: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "description": "d", "parameters": CITY}},
    {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}},
]


@pytest.fixture
async def sdk(simulator: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=simulator.url + "/v1", api_key="x", max_retries=0) as client:
        yield client


async def test_chat(sdk: AsyncOpenAI) -> None:
    """The text, the finish reason and the usage are those the rules predict, and a repeat is identical."""
    first, again = [await sdk.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES) for _ in range(2)]
    assert first.choices[0].message.content == "You said: hello big world"
    assert first.choices[0].finish_reason == "stop"
    assert first.usage is not None
    assert (first.usage.prompt_tokens, first.usage.completion_tokens, first.usage.total_tokens) == (5, 5, 10)
    assert (first.model, first.model_dump()) == ("gpt-4o-mini", again.model_dump())
    assert first._request_id != again._request_id


async def test_choices_stop_and_length(sdk: AsyncOpenAI) -> None:
    """`n` choices differ and are all paid for; `stop` and a limit of tokens are kept."""
    answer = await sdk.chat.completions.create(model="sim", messages=MESSAGES, n=3, stop="big")
    assert [choice.message.content for choice in answer.choices] == ["You said: hello"] * 3
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 9
    short = await sdk.chat.completions.create(model="sim", messages=MESSAGES, max_completion_tokens=2)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("You said:", "length")


async def test_stream(sdk: AsyncOpenAI) -> None:
    """Role first, then text, then the finish reason, then usage in a chunk without choices, null before it."""
    stream = await sdk.chat.completions.create(
        model="sim", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "You said: hello big world"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 6 + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 10
    assert len({(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}) == 1


async def test_usage_only_when_asked(simulator: Running) -> None:
    """Without include_usage no chunk knows the word; with `nousage` none does though it was asked."""
    assert b'"usage"' not in (await chat(simulator.port, "sim")).body
    asked: dict[str, Any] = {"stream_options": {"include_usage": True}}
    seen = await chat(simulator.port, "sim", **asked)
    assert seen.body.count(b'"usage":null') == len(seen.events) - 2
    assert b'"usage"' not in (await chat(simulator.port, "sim-nousage", **asked)).body


async def test_interleaved_choices(sdk: AsyncOpenAI) -> None:
    """With n > 1 the choices' chunks interleave, each with its index, and each choice finishes."""
    texts, finishes, order = ["", ""], [], []
    async for chunk in await sdk.chat.completions.create(model="sim", messages=MESSAGES, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            order.append(choice.index)
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert texts == ["You said: hello big world", "You said: hello big world (choice 1)"]
    assert (order[:6], finishes) == ([0, 1, 0, 1, 0, 1], ["stop", "stop"])


async def test_parallel_tools(sdk: AsyncOpenAI) -> None:
    """Two calls at once, with arguments that fit the schema; the follow-up mentions the results."""
    answer = await sdk.chat.completions.create(model="sim-tools-2", messages=MESSAGES, tools=TOOLS)
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    calls: Any = choice.message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "clock"]
    jsonschema.validate(orjson.loads(calls[0].function.arguments), CITY)
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"result {call.function.name}"} for call in calls]
    follow: Any = [*MESSAGES, choice.message.model_dump(exclude_none=True), *results]
    last = await sdk.chat.completions.create(model="sim-tools-2", messages=follow, tools=TOOLS)
    assert last.choices[0].message.content == "The tool said: result weather; result clock"


async def test_streamed_tools(simulator: Running, sdk: AsyncOpenAI) -> None:
    """Fragments carry their index; id, type and name stand only in the first of each call; the pieces join."""
    whole = await sdk.chat.completions.create(model="sim-tools-2", messages=MESSAGES, tools=TOOLS)
    expected: Any = whole.choices[0].message.tool_calls
    seen = await chat(simulator.port, "sim-tools-2", messages=MESSAGES, tools=TOOLS)
    chunks = [orjson.loads(event.data) for event in seen.events[:-1]]
    fragments = [part for chunk in chunks for part in chunk["choices"][0]["delta"].get("tool_calls", ())]
    for index, call in enumerate(expected):
        first, *others = [part for part in fragments if part["index"] == index]
        assert (first["id"], first["type"], first["function"]["name"]) == (call.id, "function", call.function.name)
        assert all(set(part) == {"index", "function"} and set(part["function"]) == {"arguments"} for part in others)
        joined = "".join(part["function"]["arguments"] for part in (first, *others))
        assert joined == call.function.arguments
    assert len(fragments) > 4
    async with sdk.chat.completions.stream(model="sim-tools-2", messages=MESSAGES, tools=TOOLS) as stream:
        final = await stream.get_final_completion()
    assert [call.id for call in final.choices[0].message.tool_calls or ()] == [call.id for call in expected]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("none", []),
        ("auto", ["weather"]),
        ("required", ["weather"]),
        ({"type": "function", "function": {"name": "clock"}}, ["clock"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOLS[1]]}},
            ["clock"],
        ),
    ],
)
async def test_tool_choice(sdk: AsyncOpenAI, choice: Any, names: list[str]) -> None:
    """The choice of tools is kept."""
    answer = await sdk.chat.completions.create(model="sim", messages=MESSAGES, tools=TOOLS, tool_choice=choice)
    calls: Any = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == names
    one = await sdk.chat.completions.create(
        model="sim-tools-4", messages=MESSAGES, tools=TOOLS, tool_choice=choice, parallel_tool_calls=False
    )
    assert len(one.choices[0].message.tool_calls or []) == len(names)


async def test_custom_tools_and_functions(sdk: AsyncOpenAI) -> None:
    """Free-text tools get the user's text; the deprecated `functions` are answered in their old shape."""
    custom: Any = [{"type": "custom", "custom": {"name": "shell"}}]
    answer = await sdk.chat.completions.create(model="sim", messages=MESSAGES, tools=custom)
    call: Any = (answer.choices[0].message.tool_calls or [])[0]
    assert (call.type, call.custom.name, call.custom.input) == ("custom", "shell", "hello big world")
    functions: Any = [{"name": "weather", "parameters": CITY}]
    legacy = await sdk.chat.completions.create(model="sim", messages=MESSAGES, functions=functions)
    assert legacy.choices[0].finish_reason == "function_call"
    assert legacy.choices[0].message.function_call is not None
    jsonschema.validate(orjson.loads(legacy.choices[0].message.function_call.arguments), CITY)


class Person(BaseModel):
    """A type with a nested list and an optional member."""

    name: str
    ages: list[int]
    spouse: "Person | None" = None


async def test_structured_output(sdk: AsyncOpenAI) -> None:
    """`parse` gives a typed value; json_object gives JSON, streamed or not."""
    parsed = await sdk.chat.completions.parse(model="sim", messages=MESSAGES, response_format=Person)
    assert isinstance(parsed.choices[0].message.parsed, Person)
    answer = await sdk.chat.completions.create(model="sim", messages=MESSAGES, response_format={"type": "json_object"})
    assert orjson.loads(answer.choices[0].message.content or "") == {"you_said": "hello big world"}


async def test_parts_and_audio(sdk: AsyncOpenAI) -> None:
    """Images, audio and files are taken and counted; the audio modality is answered with audio."""
    parts: Any = [
        {"type": "text", "text": "look here"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    answer = await sdk.chat.completions.create(model="sim", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "You said: look here (with 2 more parts)"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 22
    spoken = await sdk.chat.completions.create(
        model="sim", messages=MESSAGES, modalities=["text", "audio"], audio={"format": "wav", "voice": "alloy"}
    )
    audio = spoken.choices[0].message.audio
    assert audio is not None
    assert audio.transcript == "You said: hello big world"
    assert base64.b64decode(audio.data).startswith(b"RIFF")


async def test_refusal_reasoning_and_logprobs(simulator: Running, sdk: AsyncOpenAI) -> None:
    """The members beside content, whole and streamed, say the same."""
    refused = (await sdk.chat.completions.create(model="sim-refusal", messages=MESSAGES)).choices[0].message
    assert (refused.content, refused.refusal) == (None, "I cannot help with that.")
    thought: Any = (await sdk.chat.completions.create(model="sim-reasoning", messages=MESSAGES)).choices[0].message
    assert thought.reasoning_content.startswith("The user")
    chunks = [orjson.loads(event.data) for event in (await chat(simulator.port, "sim-reasoning")).events[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == thought.reasoning_content
    kinds = [next(iter(delta)) for delta in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True), "reasoning comes before content"
    answer = await sdk.chat.completions.create(model="sim", messages=MESSAGES, logprobs=True, top_logprobs=2)
    content = answer.choices[0].logprobs.content if answer.choices[0].logprobs else None
    assert content is not None
    assert "".join(token.token for token in content) == "You said: hello big world"
    assert [len(token.top_logprobs) for token in content] == [2] * 5
    assert bytes(content[0].bytes or ()) == b"You"


async def test_completions(sdk: AsyncOpenAI) -> None:
    """Prompts of every form, indexed prompt by prompt; echo, logprobs and the stream."""
    answer = await sdk.completions.create(model="sim", prompt=["a b", "c"], n=2, echo=True, logprobs=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.choices[2].text.startswith("cYou said: c")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 3
    offsets: Any = answer.choices[0].logprobs
    assert "".join(offsets.tokens) == answer.choices[0].text
    tokens = await sdk.completions.create(model="sim", prompt=[1, 2, 3])
    assert tokens.choices[0].text == "You said: 3 tokens"
    stream = await sdk.completions.create(model="sim", prompt="x", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == "You said: x"
    assert chunks[-1].usage is not None
    assert {chunk.object for chunk in chunks} == {"text_completion"}


async def test_embeddings(sdk: AsyncOpenAI) -> None:
    """Base64 (the SDK's default) and floats are the same unit vectors; forms of input count as they should."""
    packed = await sdk.embeddings.create(model="sim", input=["a b", "c"], dimensions=16)
    plain = await sdk.embeddings.create(model="sim", input=["a b", "c"], dimensions=16, encoding_format="float")
    assert [item.embedding for item in packed.data] == [item.embedding for item in plain.data]
    assert plain.data[0].embedding != plain.data[1].embedding
    assert sum(value * value for value in plain.data[0].embedding) == pytest.approx(1)
    assert (packed.usage.prompt_tokens, [item.index for item in packed.data]) == (3, [0, 1])
    assert len((await sdk.embeddings.create(model="sim", input=[1, 2, 3])).data) == 1
    assert len((await sdk.embeddings.create(model="sim", input=[[1], [2, 3]])).data) == 2
    assert len((await sdk.embeddings.create(model="sim", input="x")).data[0].embedding) == 256


async def test_models(sdk: AsyncOpenAI) -> None:
    """The list, and one by an id with a slash."""
    assert "sim" in [model.id async for model in await sdk.models.list()]
    assert (await sdk.models.retrieve("vendor/sim-chunks-5")).id == "vendor/sim-chunks-5"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_exceptions(sdk: AsyncOpenAI, status: int, error: type[openai.APIStatusError]) -> None:
    """Each status raises the SDK's class for it."""
    with pytest.raises(error):
        await sdk.chat.completions.create(model=f"sim-status-{status}", messages=MESSAGES)


async def test_retries_see_the_healthy_answer(simulator: Running, sdk: AsyncOpenAI) -> None:
    """A fault of one attempt is over at the second, which the SDK makes by itself."""
    retrying = sdk.with_options(max_retries=1)
    answer = await retrying.chat.completions.create(model="sim-status-429-after-0-once", messages=MESSAGES)
    assert answer.choices[0].message.content == "You said: hello big world"
    assert simulator.observed.stats()["by_model"]["sim-status-429-after-0-once"]["attempts"] == 2


async def test_azure(simulator: Running) -> None:
    """Azure's paths: the deployment is the model."""
    async with AsyncAzureOpenAI(
        azure_endpoint=simulator.url, api_key="x", api_version="2024-10-21", max_retries=0
    ) as azure:
        answer = await azure.chat.completions.create(model="sim-chunks-2", messages=MESSAGES)
        assert (answer.model, answer.choices[0].message.content) == ("sim-chunks-2", "You said:")
        assert len((await azure.embeddings.create(model="sim", input="x")).data) == 1


@pytest.mark.parametrize("model", ["bench", "bench-slow-64-0"])
async def test_bench(simulator: Running, sdk: AsyncOpenAI, model: str) -> None:
    """The canned answers are whole answers, one after the other on one connection."""
    for _ in range(2):
        answer = await sdk.chat.completions.create(model=model, messages=MESSAGES)
        assert answer.usage is not None
        assert answer.usage.total_tokens == 74
        chunks = [
            chunk async for chunk in await sdk.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        ]
        texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
        assert texts == [" hello"] * 64
    assert len((await sdk.embeddings.create(model="bench", input="x")).data[0].embedding) == 256
    completed = [chunk async for chunk in await sdk.completions.create(model="bench", prompt="x", stream=True)]
    assert completed[0].choices[0].text == " hello"
    stats = simulator.observed.stats()
    assert (stats["completed"], stats["streams_open"]) == (6, 0)
