"""The one door behind the link, the in-process link and ordinary RPCs: a `Caller` for every method.

Rules:
    - Whatever comes in, over whichever protocol, takes the same path from here.
Not here:
    - Inference calls themselves (pipeline.run); wire formats (rpc, frontend).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.admit import admit
from gateway.pipeline.counting import counting_of
from gateway.pipeline.identify import identify
from gateway.pipeline.kit import Kit
from gateway.pipeline.run import run
from gateway.rpc.contract import (
    ACCOUNTS,
    ADMIN,
    COUNT_TOKENS,
    DELETE_RESPONSE,
    GET_MODEL,
    GET_RESPONSE,
    LIST_MODELS,
    STORE_RESPONSE,
    CallContext,
    Head,
    Item,
    Method,
    Tail,
)
from gateway.service.accounts.calls import ask_accounts
from gateway.service.admin import ask_admin
from gateway.service.continued import continued
from gateway.service.models import get_model, list_models
from gateway.service.responses import ResponseStore
from gateway.wire.pb import chat_pb2, responses_pb2

_KEPT = (STORE_RESPONSE, GET_RESPONSE, DELETE_RESPONSE)


class Dispatch:
    """A `Caller` over a kit. `is_draining` refuses new inference calls with UNAVAILABLE."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._responses = ResponseStore(kit.clock.monotonic, lambda: kit.runtime.config.responses)
        self.is_draining = False

    def __call__(self, method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
        """Run one call; see gateway.rpc.contract."""
        if self.is_draining:
            return _refuse()
        if method is LIST_MODELS or method is GET_MODEL:
            return _given(lambda: self._models(method, request, context))
        if method is COUNT_TOKENS:
            return _given(lambda: self._count(request, context))
        if method.service == ACCOUNTS:
            return _given(lambda: ask_accounts(self._kit, method, request, context))
        if method.service == ADMIN:
            return _given(lambda: ask_admin(self._kit, method, request, context))
        if method in _KEPT:
            return _given(lambda: self._kept(method, request, context))
        if isinstance(request, chat_pb2.ChatRequest) and (request.previous_response_id or request.is_answer_kept):
            return self._continued(method, request, context)
        return run(self._kit, method, request, context)

    async def _models(self, method: Method, request: Message, context: CallContext) -> list[Item]:
        runtime = self._kit.runtime
        profile = runtime.config.profiles.get(context.profile or "default")
        identity = None
        if profile is None or not profile.is_model_list_public:
            identity = await identify(self._kit, runtime, context)
        head = Head({"x-gateway-generation": str(runtime.generation)})
        if method is LIST_MODELS:
            return [head, [list_models(runtime.catalogue, identity)], Tail({})]
        return [head, [get_model(runtime.catalogue, identity, request.id)], Tail({})]  # type: ignore[attr-defined]  # GetModelRequest

    async def _kept(self, method: Method, request: Any, context: CallContext) -> list[Item]:
        """Store, give or forget an answer of the caller's key."""
        runtime = self._kit.runtime
        key_id = (await identify(self._kit, runtime, context)).key_id
        reply: Message
        if method is STORE_RESPONSE:
            reply = responses_pb2.StoreResponseReply(is_stored=self._responses.put(key_id, request))
        elif method is GET_RESPONSE:
            reply = self._responses.get(key_id, request.id)
        else:
            self._responses.delete(key_id, request.id)
            reply = responses_pb2.DeleteResponseReply(id=request.id)
        return [Head({"x-gateway-generation": str(runtime.generation)}), [reply], Tail({})]

    async def _continued(
        self, method: Method, request: chat_pb2.ChatRequest, context: CallContext
    ) -> AsyncGenerator[Item, None]:
        """A chat that continues a kept answer of the caller's key, or is kept."""
        key_id = (await identify(self._kit, self._kit.runtime, context)).key_id
        calls = continued(
            self._responses, key_id, request, context.request_id, lambda asked: run(self._kit, method, asked, context)
        )
        async with aclosing(calls) as items:
            async for item in items:
                yield item

    async def _count(self, request: Message, context: CallContext) -> list[Item]:
        """What a call would reserve for its prompt; who may not make the call may not ask."""
        runtime = self._kit.runtime
        identity = await identify(self._kit, runtime, context)
        entry, shape = admit(runtime, identity, request)
        count = chat_pb2.TokenCount(input_tokens=shape.prompt_tokens, is_estimate=True)
        if entry.counting:
            counting = await counting_of(entry, request)
            count = chat_pb2.TokenCount(input_tokens=counting.prompt, is_estimate=not counting.is_exact)
        return [Head({"x-gateway-generation": str(runtime.generation)}), [count], Tail({})]


async def _refuse() -> AsyncGenerator[Item, None]:
    raise GatewayError(Kind.UNAVAILABLE, "This service is stopping.", code="draining", retry_after_s=1)
    yield Head({})  # makes this a generator


async def _given(make: Callable[[], Awaitable[list[Item]]]) -> AsyncGenerator[Item, None]:
    for item in await make():
        yield item
