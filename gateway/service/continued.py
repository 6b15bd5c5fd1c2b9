"""Chats that continue a kept answer, keep their own, or both: the gRPC side of what HTTP does at /v1/responses.

Rules:
    - One store for both protocols: what one keeps, the other continues.
    - What was asked and answered before goes behind the call's own instructions, ahead of its other messages.
    - An answer is kept before the end of its call is told; one that is too large has been answered all the same.
Not here:
    - The call itself (pipeline.run); how much is kept and for how long (responses).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Batch, Item, Tail
from gateway.service.responses import ResponseStore
from gateway.wire import json
from gateway.wire.pb import chat_pb2, responses_pb2, types_pb2
from gateway.wire.responses import DIALECT
from gateway.wire.responses.answers import About, about, encode_response
from gateway.wire.responses.events import EventRenderer
from gateway.wire.responses.items import read_input
from gateway.wire.responses.listed import items_of
from gateway.wire.responses.turns import Turns

_DEPTH_MAX: Final = 900
_INSTRUCTIONS: Final = ("system", "developer")

Run = Callable[[chat_pb2.ChatRequest], AsyncGenerator[Item, None]]
"""Makes the call for a request."""


async def continued(
    store: ResponseStore, key_id: str, request: chat_pb2.ChatRequest, request_id: str, run: Run
) -> AsyncGenerator[Item, None]:
    """The items of a call that is made of kept ones, or is kept.

    Raises GatewayError INVALID_REQUEST for an id that is not there. Closing it closes the call; nothing is kept then.
    """
    lead, own = _parted(request.messages)
    before = _before(store, key_id, request.previous_response_id)
    asked = _asked(request, [*lead, *read_input(before), *own])
    told = _told(request, lead, request_id)
    keeping = Keeping(told) if request.is_answer_kept else None
    async with aclosing(run(asked)) as items:
        async for item in items:
            if keeping is not None and isinstance(item, list):
                keeping.take(item)
            elif keeping is not None and isinstance(item, Tail):
                suffix = told.suffix
                listed = [*before, *items_of(Turns([]).items(own), suffix)]
                store.put(key_id, keeping.answer(listed))
            yield item


def _parted(messages: Any) -> tuple[list[types_pb2.Message], list[types_pb2.Message]]:
    """The instructions a conversation begins with, and the rest."""
    listed = list(messages)
    at = next((at for at, message in enumerate(listed) if message.role not in _INSTRUCTIONS), len(listed))
    return listed[:at], listed[at:]


def _before(store: ResponseStore, key_id: str, response_id: str) -> list[Any]:
    """The items of a kept conversation; none for a call that continues nothing."""
    if not response_id:
        return []
    try:
        kept = store.get(key_id, response_id)
    except GatewayError as error:
        text = f"Previous response with id '{response_id[:200]}' not found."
        code, param = "previous_response_not_found", "previous_response_id"
        raise GatewayError(Kind.INVALID_REQUEST, text, param=param, code=code) from error
    answer, items = _value(kept.response_json), _value(kept.items_json)
    said = answer.get("output") if isinstance(answer, dict) else None
    return [*(items if isinstance(items, list) else ()), *(said if isinstance(said, list) else ())]


def _value(text: str) -> Any:
    """What a caller stored may be anything; what is no JSON is nothing."""
    try:
        return json.loads(text.encode(), depth_max=_DEPTH_MAX)
    except json.JsonInvalid:
        return None


def _asked(request: chat_pb2.ChatRequest, messages: list[types_pb2.Message]) -> chat_pb2.ChatRequest:
    """The request as a call of its own; its conversation is in the words of the Responses format."""
    asked = chat_pb2.ChatRequest()
    asked.CopyFrom(request)
    for name in ("previous_response_id", "is_answer_kept", "messages"):
        asked.ClearField(name)
    asked.messages.extend(messages)
    if request.previous_response_id and not request.extra:
        asked.dialect = asked.dialect or DIALECT
    return asked


def _told(request: chat_pb2.ChatRequest, lead: list[types_pb2.Message], request_id: str) -> About:
    """What the kept answer says of its request."""
    words = "\n\n".join([block.text for message in lead for block in message.blocks if block.text])
    body: dict[str, Any] = {"instructions": words or None, "metadata": dict(request.metadata)}
    body["previous_response_id"] = request.previous_response_id or None
    for name in ("temperature", "top_p", "parallel_tool_calls", "service_tier", "user", "safety_identifier"):
        if request.HasField(name):
            body[name] = getattr(request, name)
    return about(body, request_id.removeprefix("req_"), int(time.time()))


class Keeping:
    """One answer on its way to its caller, and into the store."""

    def __init__(self, told: About) -> None:
        self._told = told
        self._events = EventRenderer(told)
        self._whole: chat_pb2.ChatResponse | None = None
        self._has_id = False

    def take(self, batch: Batch) -> None:
        """More of it; the first message gets the id. Batches belong to their call, so it is set in place."""
        for at, event in enumerate(batch):
            if isinstance(event, chat_pb2.ChatResponse):
                self._whole = event
            elif isinstance(event, chat_pb2.ChatChunk) and event.is_restart:
                self._events = EventRenderer(self._told)
            elif isinstance(event, chat_pb2.ChatChunk | str):
                self._events.render(event)
            if not self._has_id and not isinstance(event, str):
                self._has_id = True
                batch[at] = self._named(event)

    def _named(self, event: Any) -> Any:
        """A copy of the first message that tells the answer's id."""
        named = type(event)()
        named.CopyFrom(event)
        named.response_id = self._told.response_id
        return named

    def answer(self, items: list[Any]) -> responses_pb2.StoredResponse:
        """What is stored of it, once it is complete."""
        if self._whole is not None:
            said = encode_response(self._whole, self._told)
        else:
            self._events.finish()
            said = {**self._events.response, "id": self._told.response_id}
        return responses_pb2.StoredResponse(
            id=self._told.response_id, response_json=json.text(said), items_json=json.text(items)
        )
