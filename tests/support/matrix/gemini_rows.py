"""What users of Google's SDK do: generate, stream, tools, schemas, embeddings, counting.

Rules: each operation asserts what the SDK's own types say, so that a member the SDK cannot read fails the row.
Not here: the table and its checks (cells).
"""

from __future__ import annotations

import base64
from typing import Any

from google.genai import types
from pydantic import BaseModel

from tests.support.matrix.cells import CITY, NOTHING, PNG, SAID, SEEN, TOLD, Cell, operation

HELLO = "hello big world"
TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="weather", description="of a city", parameters_json_schema=CITY),
            types.FunctionDeclaration(name="clock", parameters_json_schema=NOTHING),
        ]
    )
]


class Place(BaseModel):
    """A structured answer."""

    city: str
    size: int


async def _generate(cell: Cell, model: str, contents: Any = HELLO, **config: Any) -> tuple[list[Any], Any]:
    """The parts of the first candidate and the last answer, whole or streamed."""
    models = cell.clients.google.models
    given = types.GenerateContentConfig(**config)
    if not cell.is_stream:
        answer = await models.generate_content(model=model, contents=contents, config=given)
        return list(answer.candidates[0].content.parts), answer  # type: ignore[index,union-attr,arg-type]  # it answered
    answers = [a async for a in await models.generate_content_stream(model=model, contents=contents, config=given)]
    candidates = [candidate for answer in answers for candidate in answer.candidates or ()]
    parts = [part for candidate in candidates if candidate.content for part in candidate.content.parts or ()]
    return parts, answers[-1]


def _text(parts: list[Any]) -> str:
    return "".join(part.text or "" for part in parts if not part.thought)


@operation("google")
async def generate(cell: Cell) -> None:
    """Text, its end and its counts."""
    parts, last = await _generate(cell, cell.model(), system_instruction="be brief", max_output_tokens=50)
    assert _text(parts) == SAID
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    told = last.usage_metadata
    counts = told and (told.prompt_token_count, told.candidates_token_count, told.total_token_count)
    assert counts == ((5, 5, 10) if cell.upstream.is_counted else None)


@operation("google", "tools")
async def generate_tools(cell: Cell) -> None:
    """Two calls at once, and their results back."""
    model = cell.model("sim-tools-2")
    off = types.AutomaticFunctionCallingConfig(disable=True)
    parts, _ = await _generate(cell, model, tools=TOOLS, automatic_function_calling=off)
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.name, call.args or {}) for call in calls] == [("weather", {"city": "text"}), ("clock", {})]
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": text}))
        for call, text in zip(calls, ("rain", "noon"), strict=True)
    ]
    contents = [
        types.Content(role="user", parts=[types.Part(text=HELLO)]),
        types.Content(role="model", parts=[part for part in parts if part.function_call]),
        types.Content(role="user", parts=results),
    ]
    parts, _ = await _generate(cell, model, contents, tools=TOOLS, automatic_function_calling=off)
    assert _text(parts) == TOLD


@operation("google", "image")
async def generate_image(cell: Cell) -> None:
    """A picture inline."""
    picture = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    parts, _ = await _generate(cell, cell.model(), ["what is this", picture])
    assert _text(parts) == SEEN


@operation("google", "thinking")
async def generate_thinking(cell: Cell) -> None:
    """Thoughts come first, marked as such."""
    asked = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    parts, _ = await _generate(cell, cell.model("sim-reasoning"), thinking_config=asked, max_output_tokens=4000)
    thoughts = "".join(part.text or "" for part in parts if part.thought)
    assert thoughts.startswith("The user wrote")
    assert _text(parts) == SAID


@operation("google", "schema")
async def generate_parsed(cell: Cell) -> None:
    """A schema in, an instance of the class out."""
    kind = "application/json"
    parts, last = await _generate(cell, cell.model(), response_mime_type=kind, response_schema=Place)
    assert Place.model_validate_json(_text(parts)) == Place(city="text", size=0)
    assert cell.is_stream or last.parsed == Place(city="text", size=0)


@operation("google", "embed", forms=("whole",))
async def embed_content(cell: Cell) -> None:
    """A vector for each text, in order, of the length asked for."""
    config = types.EmbedContentConfig(output_dimensionality=256)
    answer = await cell.clients.google.models.embed_content(model=cell.model(), contents=["a", "b"], config=config)
    assert [len(item.values or ()) for item in answer.embeddings or ()] == [256, 256]


@operation("google", forms=("whole",))
async def count_tokens(cell: Cell) -> None:
    """An estimate of the gateway's, for any upstream, and the answer to what was counted."""
    model = cell.model()
    counted = await cell.clients.google.models.count_tokens(model=model, contents=HELLO)
    assert (counted.total_tokens or 0) > 0
    parts, _ = await _generate(cell, model)
    assert _text(parts) == SAID
