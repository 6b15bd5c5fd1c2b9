"""What users of the Anthropic SDK do: messages, the stream helper, tools, thinking, counting.

Rules: each operation asserts what the SDK's own types say, so that a member the SDK cannot read fails the row.
Not here: the table and its checks (cells).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.support.matrix.cells import CITY, NOTHING, PNG, SAID, SEEN, TOLD, Cell, operation

HELLO: list[Any] = [{"role": "user", "content": "hello big world"}]
TOOLS: list[Any] = [
    {"name": "weather", "description": "of a city", "input_schema": CITY},
    {"name": "clock", "input_schema": NOTHING},
]
LOOK: list[Any] = [
    {"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "text", "text": "what is this"}]}
]  # fmt: skip
THINKING = {"type": "enabled", "budget_tokens": 1024}
MAX_TOKENS = 4000


class Place(BaseModel):
    """A structured answer."""

    city: str
    size: int


async def _say(cell: Cell, model: str, messages: list[Any] = HELLO, **more: Any) -> Any:
    """The message, whole or gathered by the stream helper."""
    arguments: dict[str, Any] = {"model": model, "max_tokens": MAX_TOKENS, "messages": messages, **more}
    if not cell.is_stream:
        return await cell.clients.anthropic.messages.create(**arguments)
    async with cell.clients.anthropic.messages.stream(**arguments) as stream:
        names = [event.type async for event in stream]
        message = await stream.get_final_message()
    assert (names[0], names[-1]) == ("message_start", "message_stop")
    return message


@operation("anthropic")
async def messages(cell: Cell) -> None:
    """Text, its end and its counts."""
    message = await _say(cell, cell.model(), system="be brief")
    assert [(block.type, block.text) for block in message.content] == [("text", SAID)]
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    counts = (message.usage.input_tokens, message.usage.output_tokens)
    assert counts == ((5, 5) if cell.upstream.is_counted else (14, 7))  # where nobody counts, the estimate


@operation("anthropic", forms=("stream",))
async def messages_events(cell: Cell) -> None:
    """A plain stream: the sequence of events, text in pieces."""
    create = cell.clients.anthropic.messages.create
    stream = await create(model=cell.model("sim-chunks-20"), max_tokens=99, messages=HELLO, stream=True)
    events = [event async for event in stream if event.type != "ping"]
    assert [event.type for event in events][:2] == ["message_start", "content_block_start"]
    assert [event.type for event in events][-3:] == ["content_block_stop", "message_delta", "message_stop"]
    pieces: list[str] = [event.delta.text for event in events if event.type == "content_block_delta"]  # type: ignore[union-attr]  # text alone
    assert len("".join(pieces).split()) == 20


@operation("anthropic", "tools")
async def messages_tools(cell: Cell) -> None:
    """Two calls at once, and their results back."""
    model = cell.model("sim-tools-2")
    called = await _say(cell, model, tools=TOOLS)
    assert called.stop_reason == "tool_use"
    calls = [block for block in called.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [("weather", {"city": "text"}), ("clock", {})]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": text}
        for call, text in zip(calls, ("rain", "noon"), strict=True)
    ]
    said = {"role": "assistant", "content": called.content}
    message = await _say(cell, model, [*HELLO, said, {"role": "user", "content": results}], tools=TOOLS)
    assert (message.content[0].text, message.stop_reason) == (TOLD, "end_turn")


@operation("anthropic", "image")
async def messages_image(cell: Cell) -> None:
    """A picture in base64."""
    message = await _say(cell, cell.model(), LOOK)
    assert message.content[0].text == SEEN


@operation("anthropic", "thinking")
async def messages_thinking(cell: Cell) -> None:
    """Thoughts come first, and go back with the next turn."""
    model = cell.model("sim-reasoning")
    message = await _say(cell, model, thinking=THINKING)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking.startswith("The user wrote")
    again = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": "go on"}]
    message = await _say(cell, model, again, thinking=THINKING)
    assert message.content[-1].text == "You said: go on"


@operation("anthropic", "schema")
async def messages_parse(cell: Cell) -> None:
    """A schema in, an instance of the class out."""
    arguments: dict[str, Any] = {"model": cell.model(), "max_tokens": MAX_TOKENS, "messages": HELLO}
    if cell.is_stream:
        async with cell.clients.anthropic.messages.stream(**arguments, output_format=Place) as stream:
            message: Any = await stream.get_final_message()
    else:
        message = await cell.clients.anthropic.messages.parse(**arguments, output_format=Place)
    assert message.parsed_output == Place(city="text", size=0)


@operation("anthropic", forms=("whole",))
async def count_tokens(cell: Cell) -> None:
    """An estimate of the gateway's, for any upstream, and the answer to what was counted."""
    model = cell.model()
    counted = await cell.clients.anthropic.messages.count_tokens(model=model, messages=HELLO, system="be brief")
    assert counted.input_tokens > 0
    assert (await _say(cell, model)).content[0].text == SAID
