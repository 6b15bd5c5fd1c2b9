"""The client for programs with an event loop.

Rules:
    - One channel per client, opened at the first call, closed by `aclose()` or `async with`.
    - Cancelling the task, closing the stream or dropping it cancels the call at the gateway.
    - A stream that ends without an error is complete; a cut one raises `StreamCutError`.
Not here: what is retried (retry.py), errors (errors.py), the sync twin (sync.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import TracebackType
from typing import Generic, Self, TypeVar, Unpack

import betterproto2
import grpc
import grpc.aio

from gateway.client import call as calls
from gateway.client import errors, requests
from gateway.client.content import MessageLike
from gateway.client.generated.gateway.v1 import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    CompletionRequest,
    CompletionResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    GetModelRequest,
    ListModelsRequest,
    Model,
)

Event = TypeVar("Event", bound=betterproto2.Message)
Reply = TypeVar("Reply", bound=betterproto2.Message)
Request = TypeVar("Request", bound=betterproto2.Message)


class AsyncStream(Generic[Event]):
    """A running stream: `async for chunk in stream`, or `async with` to be sure it is closed.

    `request_id` is known at once; `headers` (of the gateway's first metadata) with the first chunk,
    `trailers` at the end. `aclose()` cancels the call; closing twice is fine.
    """

    def __init__(self, source: AsyncGenerator[Event, None], state: calls.CallState) -> None:
        self._source = source
        self._state = state

    @property
    def request_id(self) -> str:
        return self._state.request_id

    @property
    def headers(self) -> Mapping[str, str]:
        return self._state.headers

    @property
    def trailers(self) -> Mapping[str, str]:
        return self._state.trailers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await self._source.__anext__()

    async def aclose(self) -> None:
        await self._source.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncClient:
    """A gateway, over gRPC.

        async with AsyncClient("127.0.0.1:50051", key="gw-...") as client:
            reply = await client.chat(model="gpt-4o-mini", messages=[("user", "hi")])

    Args:
        address: `host:port`, `unix:/path`, or with a scheme (`grpcs://` and `https://` turn TLS on);
            default GATEWAY_GRPC_ADDRESS, then 127.0.0.1:50051.
        key: sent as `authorization: Bearer`; default GATEWAY_API_KEY, then none.
        tls: True trusts the system's authorities; `Tls(...)` says more. False is plain text.
        timeout_s: seconds for each whole call, retries included; None = no deadline.
        max_retries: tries after the first, on UNAVAILABLE before anything arrived; 0 = none.
        headers: metadata for every call.
        channel_options: grpc channel arguments, over ours.

    Every method raises a subclass of `GatewayError`; a wrong argument is a TypeError or ValueError.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        key: str | None = None,
        tls: calls.Tls | bool = False,
        timeout_s: float | None = 600.0,
        max_retries: int = 2,
        headers: Mapping[str, str] | None = None,
        channel_options: Mapping[str, str | int] | None = None,
    ) -> None:
        self._options = calls.make_options(
            address,
            key,
            tls=tls,
            timeout_s=timeout_s,
            max_retries=max_retries,
            headers=headers,
            channel_options=channel_options,
        )
        self._open_channel: grpc.aio.Channel | None = None
        self._is_closed = False

    @property
    def address(self) -> str:
        return self._options.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; running calls end with `CallCancelledError`. Closing twice is fine."""
        self._is_closed = True
        channel, self._open_channel = self._open_channel, None
        if channel is not None:
            await channel.close(grace=None)

    # --- methods -------------------------------------------------------------------------------------------------

    async def chat(
        self,
        request: ChatRequest | None = None,
        *,
        model: str | None = None,
        messages: str | MessageLike | Iterable[MessageLike] | None = None,
        **keywords: Unpack[requests.ChatKeywords],
    ) -> ChatResponse:
        """One whole answer. Give a `ChatRequest`, or `model`, `messages` and any of `ChatKeywords`, or both."""
        fields, options = requests.split(keywords)
        made = requests.chat_request(request, model, messages, fields)
        return await self._unary(calls.CHAT, made, calls.CallState(self._options, **options))

    def stream_chat(
        self,
        request: ChatRequest | None = None,
        *,
        model: str | None = None,
        messages: str | MessageLike | Iterable[MessageLike] | None = None,
        **keywords: Unpack[requests.ChatKeywords],
    ) -> AsyncStream[ChatChunk]:
        """A streamed answer; the call starts with the first chunk asked for. Arguments as for `chat`."""
        fields, options = requests.split(keywords)
        made = requests.chat_request(request, model, messages, fields)
        return self._stream(calls.STREAM_CHAT, made, calls.CallState(self._options, **options))

    async def complete(
        self,
        request: CompletionRequest | None = None,
        *,
        model: str | None = None,
        prompt: requests.TextLike | None = None,
        **keywords: Unpack[requests.CompletionKeywords],
    ) -> CompletionResponse:
        """A legacy text completion; `prompt` is a text, texts, token ids or lists of token ids."""
        fields, options = requests.split(keywords)
        made = requests.completion_request(request, model, prompt, fields)
        return await self._unary(calls.COMPLETE, made, calls.CallState(self._options, **options))

    def stream_complete(
        self,
        request: CompletionRequest | None = None,
        *,
        model: str | None = None,
        prompt: requests.TextLike | None = None,
        **keywords: Unpack[requests.CompletionKeywords],
    ) -> AsyncStream[CompletionResponse]:
        """A streamed completion: each chunk is a `CompletionResponse` with the added text."""
        fields, options = requests.split(keywords)
        made = requests.completion_request(request, model, prompt, fields)
        return self._stream(calls.STREAM_COMPLETE, made, calls.CallState(self._options, **options))

    async def embed(
        self,
        request: EmbeddingRequest | None = None,
        *,
        model: str | None = None,
        input: requests.TextLike | None = None,
        **keywords: Unpack[requests.EmbeddingKeywords],
    ) -> EmbeddingResponse:
        """Vectors for the inputs; `vectors_of(reply)` gives them as lists of floats."""
        fields, options = requests.split(keywords)
        made = requests.embedding_request(request, model, input, fields)
        return await self._unary(calls.EMBED, made, calls.CallState(self._options, **options))

    async def list_models(self, **options: Unpack[requests.CallFields]) -> list[Model]:
        """The models this key may use, in the order of the gateway's configuration."""
        state = calls.CallState(self._options, **options)
        return (await self._unary(calls.LIST_MODELS, ListModelsRequest(), state)).models

    async def get_model(self, id: str, **options: Unpack[requests.CallFields]) -> Model:
        """One model; `NotFoundError` when there is none of this name for this key."""
        return await self._unary(calls.GET_MODEL, GetModelRequest(id=id), calls.CallState(self._options, **options))

    async def call(
        self, method: calls.Method[Request, Reply], request: Request, **options: Unpack[requests.CallFields]
    ) -> Reply:
        """Any RPC by its row: `gateway.client.accounts` has those of the accounts.

        One that changes something is tried once, unless `max_retries` says otherwise.
        """
        if method.has_effect:
            options.setdefault("max_retries", 0)
        return await self._unary(method, request, calls.CallState(self._options, **options))

    # --- calls ---------------------------------------------------------------------------------------------------

    def _channel(self) -> grpc.aio.Channel:
        if self._is_closed:
            raise RuntimeError("this client is closed")
        if self._open_channel is None:
            options = self._options
            arguments = options.channel_arguments()
            if options.tls is None:
                self._open_channel = grpc.aio.insecure_channel(options.address, arguments)
            else:
                self._open_channel = grpc.aio.secure_channel(options.address, options.tls.credentials(), arguments)
        return self._open_channel

    async def _unary(self, method: calls.Method[Request, Reply], request: Request, state: calls.CallState) -> Reply:
        payload = calls.encoded(request)
        while True:
            start = self._channel().unary_unary(method.path, bytes, method.reply.FromString)
            rpc = start(payload, timeout=state.time_left_s(), metadata=state.metadata)
            try:
                return await rpc  # type: ignore[no-any-return]  # the stubs know no deserializer
            except grpc.aio.AioRpcError as failure:
                error = self._error(failure, state)
            except asyncio.CancelledError:
                self._raise_if_closed(state)
                raise
            finally:
                rpc.cancel()
            await asyncio.sleep(state.retry_after_s(error))

    def _stream(
        self, method: calls.Method[Request, Event], request: Request, state: calls.CallState
    ) -> AsyncStream[Event]:
        return AsyncStream(self._events(method, calls.encoded(request), state), state)

    async def _events(
        self, method: calls.Method[Request, Event], payload: bytes, state: calls.CallState
    ) -> AsyncGenerator[Event, None]:
        whole = calls.Completeness()
        while True:
            start = self._channel().unary_stream(method.path, bytes, method.reply.FromString)
            rpc = start(payload, timeout=state.time_left_s(), metadata=state.metadata)
            try:
                async for event in rpc:
                    if not whole.has_events:
                        state.headers = calls.headers_from(await rpc.initial_metadata())
                    whole.see(event)
                    yield event
                state.trailers = calls.headers_from(await rpc.trailing_metadata())
                whole.check(state.request_id)
                return
            except grpc.aio.AioRpcError as failure:
                error = self._error(failure, state)
            except asyncio.CancelledError:
                self._raise_if_closed(state)
                raise
            finally:
                rpc.cancel()
            if whole.has_events:
                raise error
            await asyncio.sleep(state.retry_after_s(error))

    def _error(self, failure: grpc.aio.AioRpcError, state: calls.CallState) -> errors.GatewayError:
        return errors.from_rpc(
            failure.code(),
            failure.details() or "",
            failure.trailing_metadata(),
            request_id=state.request_id,
            address=self.address,
        )

    def _raise_if_closed(self, state: calls.CallState) -> None:
        """A call that `aclose()` ended looks cancelled, but nobody cancelled the task that waits for it."""
        task = asyncio.current_task()
        if self._is_closed and not (task and task.cancelling()):
            raise errors.CallCancelledError(
                "the client was closed during the call", status=grpc.StatusCode.CANCELLED, request_id=state.request_id
            ) from None
