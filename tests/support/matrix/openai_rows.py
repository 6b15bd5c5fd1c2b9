"""What users of the OpenAI SDK do: chat, completions, responses, embeddings.

Rules: each operation asserts what the SDK's own types say, so that a member the SDK cannot read fails the row.
Not here: the table and its checks (cells).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.support.matrix.cells import CITY, NOTHING, PNG, SAID, SEEN, TOLD, Cell, operation
from tests.support.sdk import collect, text_of

HELLO: list[Any] = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello big world"}]
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": CITY}},
    {"type": "function", "function": {"name": "clock", "parameters": NOTHING}},
]
FLAT_TOOLS: list[Any] = [{"type": "function", "strict": False, **tool["function"]} for tool in TOOLS]
URI = f"data:image/png;base64,{PNG}"
LOOK: list[Any] = [
    {"role": "user", "content": [{"type": "text", "text": "what is this"},
                                 {"type": "image_url", "image_url": {"url": URI}}]}
]  # fmt: skip
FLAT_LOOK: list[Any] = [
    {"role": "user", "content": [{"type": "input_text", "text": "what is this"},
                                 {"type": "input_image", "image_url": URI, "detail": "auto"}]}
]  # fmt: skip
RESULTS = ("rain", "noon")


class Place(BaseModel):
    """A structured answer."""

    city: str
    size: int


async def _chat(cell: Cell, model: str, messages: list[Any], **more: Any) -> Any:
    """The first choice's message, its finish reason and the usage, whole or streamed."""
    completions = cell.clients.openai.chat.completions
    if not cell.is_stream:
        answer = await completions.create(model=model, messages=messages, **more)
        assert answer.model
        return answer.choices[0].message, answer.choices[0].finish_reason, answer.usage
    usage = {"include_usage": True}
    async with completions.stream(model=model, messages=messages, stream_options=usage, **more) as stream:
        async for _ in stream:
            pass
        answer = await stream.get_final_completion()
    assert answer.model
    return answer.choices[0].message, answer.choices[0].finish_reason, answer.usage


@operation("openai")
async def chat(cell: Cell) -> None:
    """Text, its end and its counts."""
    message, finish, usage = await _chat(cell, cell.model(), HELLO, max_completion_tokens=50)
    assert (message.content, message.role, finish) == (SAID, "assistant", "stop")
    counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    assert counts == ((5, 5, 10) if cell.upstream.is_counted else None)


@operation("openai", forms=("stream",))
async def chat_chunks(cell: Cell) -> None:
    """A plain stream: text in pieces, one end, and no usage that nobody asked for."""
    create = cell.clients.openai.chat.completions.create
    chunks = await collect(await create(model=cell.model("sim-chunks-20"), messages=HELLO, stream=True))
    assert len(text_of(chunks).split()) == 20
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert [chunk for chunk in chunks if chunk.usage] == []


@operation("openai", "schema")
async def chat_parse(cell: Cell) -> None:
    """A schema in, an instance of the class out."""
    completions = cell.clients.openai.chat.completions
    arguments: dict[str, Any] = {"model": cell.model(), "messages": HELLO, "response_format": Place}
    if cell.is_stream:
        async with completions.stream(**arguments) as stream:
            answer: Any = await stream.get_final_completion()
    else:
        answer = await completions.parse(**arguments)
    assert answer.choices[0].message.parsed == Place(city="text", size=0)
    assert answer.choices[0].finish_reason == "stop"


@operation("openai", "tools")
async def chat_tools(cell: Cell) -> None:
    """Two calls at once, and their results back."""
    model = cell.model("sim-tools-2")
    message, finish, _ = await _chat(cell, model, HELLO, tools=TOOLS)
    assert finish == "tool_calls"
    calls = [(call.function.name, call.function.arguments) for call in message.tool_calls]
    assert calls == [("weather", '{"city":"text"}'), ("clock", "{}")]
    said = [
        {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call, (name, arguments) in zip(message.tool_calls, calls, strict=True)
    ]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in zip(message.tool_calls, RESULTS, strict=True)
    ]
    back = [*HELLO, {"role": "assistant", "content": None, "tool_calls": said}, *results]
    message, finish, _ = await _chat(cell, model, back, tools=TOOLS)
    assert (message.content, finish) == (TOLD, "stop")


@operation("openai", "image")
async def chat_image(cell: Cell) -> None:
    """A picture as a data URI."""
    message, _, _ = await _chat(cell, cell.model(), LOOK)
    assert message.content == SEEN


@operation("openai")
async def completion(cell: Cell) -> None:
    """A legacy completion, whether the upstream has such or only chats: text, its end and its counts."""
    create = cell.clients.openai.completions.create
    given: dict[str, Any] = {"model": cell.model(), "prompt": "hello big world", "max_tokens": 50}
    if cell.is_stream:
        chunks = [each async for each in await create(**given, stream=True, stream_options={"include_usage": True})]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        ends = [choice.finish_reason for choice in choices if choice.finish_reason]
        usages = [chunk.usage for chunk in chunks if chunk.usage]
    else:
        chunks = [await create(**given)]
        choices, usages = chunks[0].choices, [each for each in (chunks[0].usage,) if each]
        ends = [choice.finish_reason for choice in choices]
    heads = {(chunk.object, bool(chunk.model)) for chunk in chunks if chunk.choices}  # Azure's first has none
    assert heads == {("text_completion", True)}
    assert ("".join(choice.text for choice in choices), ends) == (SAID, ["stop"])
    counts = [(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) for usage in usages]
    assert counts == ([(3, 5, 8)] if cell.upstream.is_counted else [])


async def _respond(cell: Cell, model: str, given: Any, **more: Any) -> Any:
    """The response, whole or the one a stream ends with."""
    responses = cell.clients.openai.responses
    if not cell.is_stream:
        return await responses.create(model=model, input=given, **more)
    async with responses.stream(model=model, input=given, **more) as stream:
        events = [event async for event in stream]
        answer = await stream.get_final_response()
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    return answer


@operation("openai")
async def responses(cell: Cell) -> None:
    """Text and its counts."""
    answer = await _respond(cell, cell.model(), "hello big world", instructions="be brief", max_output_tokens=50)
    assert (answer.output_text, answer.status) == (SAID, "completed")
    counts = answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens)
    assert counts == ((5, 5, 10) if cell.upstream.is_counted else None)


@operation("openai")
async def responses_continued(cell: Cell) -> None:
    """An answer that goes on from the one before."""
    first = await _respond(cell, cell.model(), "hello big world")
    second = await _respond(cell, cell.model(), "and on", previous_response_id=first.id)
    assert second.output_text == "You said: and on"
    assert not cell.upstream.is_counted or second.usage.input_tokens == 10


@operation("openai", "schema")
async def responses_parse(cell: Cell) -> None:
    """A schema in, an instance of the class out."""
    if cell.is_stream:
        answer = await _respond(cell, cell.model(), HELLO, text_format=Place)
    else:
        answer = await cell.clients.openai.responses.parse(model=cell.model(), input=HELLO, text_format=Place)
    assert answer.output_parsed == Place(city="text", size=0)


@operation("openai", "tools")
async def responses_tools(cell: Cell) -> None:
    """Two calls at once, and their results back."""
    model = cell.model("sim-tools-2")
    asked: list[Any] = [{"role": "user", "content": "hello big world"}]
    answer = await _respond(cell, model, asked, tools=FLAT_TOOLS)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [("weather", '{"city":"text"}'), ("clock", "{}")]
    said = [call.model_dump(include={"type", "id", "call_id", "name", "arguments", "status"}) for call in calls]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": text}
        for call, text in zip(calls, RESULTS, strict=True)
    ]
    answer = await _respond(cell, model, [*asked, *said, *results], tools=FLAT_TOOLS)
    assert answer.output_text == TOLD


@operation("openai", "image")
async def responses_image(cell: Cell) -> None:
    """A picture as a data URI."""
    answer = await _respond(cell, cell.model(), FLAT_LOOK)
    assert answer.output_text == SEEN


@operation("openai", "thinking")
async def responses_thinking(cell: Cell) -> None:
    """What the model thought is an item of its own, before the text."""
    answer = await _respond(cell, cell.model("sim-reasoning"), "hello big world", reasoning={"effort": "low"})
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output[0].summary[0].text.startswith("The user wrote")


@operation("openai", "embed", forms=("whole",))
async def embeddings(cell: Cell) -> None:
    """A vector for each text, in order, of the length asked for."""
    create = cell.clients.openai.embeddings.create
    answer = await create(model=cell.model(), input=["a", "b"], dimensions=256)
    assert [(item.index, len(item.embedding)) for item in answer.data] == [(0, 256), (1, 256)]
