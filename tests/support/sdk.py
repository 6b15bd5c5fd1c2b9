"""Both clients of the official OpenAI SDK for Python behind one way of calling, so that a test is written once.

Rules: the SDK is not touched: calls go to its own methods with its own arguments; only waiting for them is evened out.
Not here: what is asserted.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI, OpenAI


@dataclass(frozen=True, slots=True)
class Sdk:
    """`client` is an OpenAI or an AsyncOpenAI; `await sdk(client.models.list)` works with either."""

    client: Any

    async def __call__(self, method: Any, **arguments: Any) -> Any:
        """Call one of the client's methods and wait for its answer."""
        answer = method(**arguments)
        return await answer if inspect.isawaitable(answer) else answer

    async def chat(self, model: str, messages: Any = "hi there", **arguments: Any) -> Any:
        """`chat.completions.create`; a text is one user message."""
        given = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        return await self(self.client.chat.completions.create, model=model, messages=given, **arguments)

    async def chunks(self, model: str, messages: Any = "hi there", **arguments: Any) -> list[Any]:
        """Every chunk of a streamed chat."""
        return await collect(await self.chat(model, messages, stream=True, **arguments))

    def options(self, **options: Any) -> Sdk:
        """The same with other client options (max_retries, timeout, api_key...)."""
        return Sdk(self.client.with_options(**options))

    async def close(self) -> None:
        """Close the client's connections."""
        await self(self.client.close)


async def collect(stream: Any) -> list[Any]:
    """All items of a stream or page of either client."""
    if hasattr(stream, "__aiter__"):
        return [item async for item in stream]
    return list(stream)


def sdk_of(kind: str, base_url: str, key: str, **options: Any) -> Sdk:
    """A client of that kind (`sync` or `async`). It retries nothing unless told."""
    cls = OpenAI if kind == "sync" else AsyncOpenAI
    return Sdk(cls(base_url=base_url, api_key=key, **{"max_retries": 0, "timeout": 30.0, **options}))


def text_of(chunks: list[Any], index: int = 0) -> str:
    """The joined content of one choice of a stream."""
    choices = (choice for chunk in chunks for choice in chunk.choices if choice.index == index)
    return "".join(choice.delta.content or "" for choice in choices)
