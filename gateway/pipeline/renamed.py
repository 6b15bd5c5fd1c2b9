"""An answer under the name its caller asked for, for models that say so (`Entry.is_reply_renamed`).

Rules:
    - Stands around every other way to an answer: one that was kept, or is shared, has each caller's own name.
    - An increment that is only text says no name; nothing is held back.
Not here:
    - Where the name stands (wire.renamed); the name the provider is asked by (config: `upstream_model`).
"""

from __future__ import annotations

from gateway.pipeline.attempts.order import Order
from gateway.pipeline.cached import Answering
from gateway.rpc.contract import Batch, Event, Raw
from gateway.wire.renamed import renamed, renamed_json


class Renamed:
    """See `Answering`."""

    __slots__ = ("_answer", "_model")

    def __init__(self, answer: Answering, model: str) -> None:
        self._answer = answer
        self._model = model

    async def first(self, order: Order) -> Batch:
        """The first events; they hold the first content."""
        return self._taken(await self._answer.first(order))

    async def next(self) -> Batch | None:
        """More events as they come; None when the answer is complete."""
        batch = await self._answer.next()
        return None if batch is None else self._taken(batch)

    async def close(self, outcome: str, cause: str = "") -> None:
        """End it, whatever state it is in."""
        await self._answer.close(outcome, cause)

    def _taken(self, batch: Batch) -> Batch:
        return [event if isinstance(event, str) else self._event(event) for event in batch]

    def _event(self, event: Event) -> Event:
        if isinstance(event, Raw):
            return Raw(renamed_json(event.json, self._model))
        return renamed(event, self._model)  # type: ignore[type-var]  # no str comes here
