"""An answer counted as it passes, for models that say so (`Entry.counting`).

Rules:
    - Where the unit is characters, the usage its caller sees is ours: in a whole answer, in the chunk that tells it,
      and in a chunk of its own where the provider tells none.
    - Nothing but usage is changed, and nothing is held back.
Not here:
    - The count (counting.py); what is charged (settle.py).
"""

from __future__ import annotations

from typing import Any

from gateway.pipeline.attempts.order import Order
from gateway.pipeline.cached import Answering
from gateway.pipeline.counting import Counting
from gateway.pipeline.progress import Progress
from gateway.rpc.contract import Batch, Raw
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2


def counted(answer: Answering, order: Order, progress: Progress) -> Answering:
    """The answer, counted as it passes, for a model that says so."""
    return answer if progress.counting is None else Counted(answer, order, progress.counting)


class Counted:
    """See `Answering`."""

    __slots__ = ("_answer", "_counting", "_head", "_is_ended", "_is_usage_missing")

    def __init__(self, answer: Answering, order: Order, counting: Counting) -> None:
        self._answer = answer
        self._counting = counting
        options: Any = getattr(order.request, "stream_options", None)
        is_wanted = order.method.is_stream and options is not None and options.include_usage
        self._is_usage_missing = counting.is_unit and bool(is_wanted)
        self._head: Any = None
        self._is_ended = False

    async def first(self, order: Order) -> Batch:
        """The first events; they hold the first content."""
        return self._taken(await self._answer.first(order))

    async def next(self) -> Batch | None:
        """More events as they come, and usage where the provider reports none; None when the answer is complete."""
        if self._is_ended:
            return None
        batch = await self._answer.next()
        if batch is not None:
            return self._taken(batch)
        self._is_ended = True
        return [self._report()] if self._is_usage_missing and self._head is not None else None

    async def close(self, outcome: str, cause: str = "") -> None:
        """End it, whatever state it is in."""
        await self._answer.close(outcome, cause)

    def _taken(self, batch: Batch) -> Batch:
        hear = self._counting.hear
        for event in batch:
            if isinstance(event, str):
                hear(event)
            elif not isinstance(event, Raw):
                self._message(event)
        return batch

    def _message(self, event: Any) -> None:
        is_embedding = isinstance(event, embeddings_pb2.EmbeddingResponse)
        for text in () if is_embedding else _texts_of(event):
            self._counting.hear(text)
        is_whole = is_embedding or isinstance(event, chat_pb2.ChatResponse)
        if self._counting.is_unit and (is_whole or event.HasField("usage")):
            event.usage.CopyFrom(self._counting.usage())
            self._is_usage_missing = False
        self._head = event

    def _report(self) -> Any:
        """A chunk that tells the usage and nothing else."""
        chunk = type(self._head)()
        chunk.CopyFrom(self._head)
        chunk.ClearField("choices")
        chunk.usage.CopyFrom(self._counting.usage())
        return chunk


def _texts_of(event: Any) -> list[str]:
    """What an event says, whole or in part, in every choice."""
    if isinstance(event, completions_pb2.CompletionResponse):
        return [choice.text for choice in event.choices]
    if isinstance(event, chat_pb2.ChatResponse):
        blocks = [block for choice in event.choices for block in choice.message.blocks]
        return [block.text or block.refusal or block.tool_use.arguments for block in blocks]
    additions = [block for choice in event.choices for block in choice.delta.blocks]
    return [
        block.text or block.refusal or block.tool.arguments or block.start.text or block.start.tool_use.arguments
        for block in additions
    ]
