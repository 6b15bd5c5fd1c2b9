"""One cell of the matrix: an operation of an SDK at an upstream format, and the check of what reached the upstream.

Rules: an operation calls the unmodified SDK and asserts what its user sees; the cell asserts that every request was of
    the upstream's own format, held the image if there was one, and that a refused request never left the gateway.
Not here: operations (openai_rows, anthropic_rows, gemini_rows), Node (node).
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google

from tests.support.matrix.upstreams import UPSTREAMS, Upstream
from tests.support.simulated import Simulated, unique

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A whole picture of one pixel, in base64."""

_PLAIN_BASE64 = str.maketrans("-_", "+/")  # Google's SDK for Python writes the alphabet of URLs

CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
SAID = "You said: hello big world"
TOLD = "The tool said: rain; noon"
SEEN = "You said: what is this (with 1 more part)"
FORMS = ("whole", "stream")


@dataclass(frozen=True, slots=True)
class Clients:
    """The official SDKs, all pointed at one gateway."""

    openai: openai.AsyncOpenAI
    anthropic: anthropic.AsyncAnthropic
    google: Any


@dataclass(slots=True)
class Cell:
    """What an operation works with: `model()` is a name nobody else uses, served by this upstream."""

    clients: Clients
    upstream: Upstream
    simulator: Simulated
    is_stream: bool
    models: list[str] = field(default_factory=list)

    def model(self, behaviour: str = "sim") -> str:
        """A name of this upstream's model that behaves so."""
        self.models.append(f"{self.upstream.name}/{unique(behaviour)}")
        return self.models[-1]

    async def requests(self) -> list[dict[str, Any]]:
        """What the upstream got for the models of this cell."""
        return [seen for model in self.models for seen in await self.simulator.requests(model)]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a user of an SDK does; `need` is what of the upstream it needs, `` for text alone."""

    sdk: str
    name: str
    need: str
    forms: tuple[str, ...]
    run: Callable[[Cell], Awaitable[None]]


OPERATIONS: list[Operation] = []


def operation(
    sdk: str, need: str = "", forms: tuple[str, ...] = FORMS
) -> Callable[[Callable[[Cell], Awaitable[None]]], Callable[[Cell], Awaitable[None]]]:
    """Enter a function, under its own name, into the table."""

    def enter(run: Callable[[Cell], Awaitable[None]]) -> Callable[[Cell], Awaitable[None]]:
        OPERATIONS.append(Operation(sdk, run.__name__, need, forms, run))
        return run

    return enter


def rows() -> list[tuple[Operation, str, Upstream]]:
    """Every row: operation, form, upstream."""
    return [(done, form, upstream) for done in OPERATIONS for form in done.forms for upstream in UPSTREAMS]


def row_id(operation: Operation, form: str, upstream: Upstream) -> str:
    """The name of a row, in Python and in Node."""
    return f"{operation.sdk}-{operation.name}-{form}-{upstream.name}"


async def run_row(cell: Cell, done: Operation) -> None:
    """Run an operation where the upstream can carry it; where not, see that it is refused and goes nowhere."""
    refusal = cell.upstream.refuses.get(done.need)
    if refusal is None:
        await done.run(cell)
        seen = await cell.requests()
        assert seen
        assert [request["path"] for request in seen if not cell.upstream.is_its(request["path"])] == []
        assert done.need != "image" or PNG in json.dumps(seen[-1]["body"]).translate(_PLAIN_BASE64)
        return
    told = await failure(done.run(cell))
    assert re.search(refusal, told), told
    assert await cell.requests() == []


async def failure(call: Awaitable[Any]) -> str:
    """The text of a refusal with status 400, whatever SDK raised it."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError, google.APIError)) as caught:
        await call
    error: Any = caught.value
    status = error.code if isinstance(error, google.APIError) else error.status_code
    assert status == 400, repr(error)  # an HTTP status
    return str(error)
