"""The client for programs without an event loop; safe to share between threads.

Rules: as for the async client (aio.py); the call is cancelled when its stream is closed or dropped, and when
    an exception (KeyboardInterrupt among them) leaves the caller.
Not here: the async twin (aio.py), what both share (call.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Mapping
from types import TracebackType
from typing import Generic, Self, TypeVar, Unpack

import betterproto2
import grpc

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


class Stream(Generic[Event]):
    """A running stream: `for chunk in stream`, or `with` to be sure it is closed; see `AsyncStream`."""

    def __init__(self, source: Generator[Event, None, None], state: calls.CallState) -> None:
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

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._source)

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Client:
    """A gateway, over gRPC, without an event loop. Arguments and errors as for `AsyncClient`.

    with Client("127.0.0.1:50051", key="gw-...") as client:
        print(text_of(client.chat(model="gpt-4o-mini", messages="hi")))
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
        self._lock = threading.Lock()
        self._open_channel: grpc.Channel | None = None
        self._is_closed = False

    @property
    def address(self) -> str:
        return self._options.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; running calls of other threads end with `CallCancelledError`."""
        with self._lock:
            self._is_closed = True
            channel, self._open_channel = self._open_channel, None
        if channel is not None:
            channel.close()

    # --- methods -------------------------------------------------------------------------------------------------

    def chat(
        self,
        request: ChatRequest | None = None,
        *,
        model: str | None = None,
        messages: str | MessageLike | Iterable[MessageLike] | None = None,
        **keywords: Unpack[requests.ChatKeywords],
    ) -> ChatResponse:
        """One whole answer; see `AsyncClient.chat`."""
        fields, options = requests.split(keywords)
        made = requests.chat_request(request, model, messages, fields)
        return self._unary(calls.CHAT, made, calls.CallState(self._options, **options))

    def stream_chat(
        self,
        request: ChatRequest | None = None,
        *,
        model: str | None = None,
        messages: str | MessageLike | Iterable[MessageLike] | None = None,
        **keywords: Unpack[requests.ChatKeywords],
    ) -> Stream[ChatChunk]:
        """A streamed answer; see `AsyncClient.stream_chat`."""
        fields, options = requests.split(keywords)
        made = requests.chat_request(request, model, messages, fields)
        return self._stream(calls.STREAM_CHAT, made, calls.CallState(self._options, **options))

    def complete(
        self,
        request: CompletionRequest | None = None,
        *,
        model: str | None = None,
        prompt: requests.TextLike | None = None,
        **keywords: Unpack[requests.CompletionKeywords],
    ) -> CompletionResponse:
        """A legacy text completion; see `AsyncClient.complete`."""
        fields, options = requests.split(keywords)
        made = requests.completion_request(request, model, prompt, fields)
        return self._unary(calls.COMPLETE, made, calls.CallState(self._options, **options))

    def stream_complete(
        self,
        request: CompletionRequest | None = None,
        *,
        model: str | None = None,
        prompt: requests.TextLike | None = None,
        **keywords: Unpack[requests.CompletionKeywords],
    ) -> Stream[CompletionResponse]:
        """A streamed completion; see `AsyncClient.stream_complete`."""
        fields, options = requests.split(keywords)
        made = requests.completion_request(request, model, prompt, fields)
        return self._stream(calls.STREAM_COMPLETE, made, calls.CallState(self._options, **options))

    def embed(
        self,
        request: EmbeddingRequest | None = None,
        *,
        model: str | None = None,
        input: requests.TextLike | None = None,
        **keywords: Unpack[requests.EmbeddingKeywords],
    ) -> EmbeddingResponse:
        """Vectors for the inputs; see `AsyncClient.embed`."""
        fields, options = requests.split(keywords)
        made = requests.embedding_request(request, model, input, fields)
        return self._unary(calls.EMBED, made, calls.CallState(self._options, **options))

    def list_models(self, **options: Unpack[requests.CallFields]) -> list[Model]:
        """The models this key may use, in the order of the gateway's configuration."""
        return self._unary(calls.LIST_MODELS, ListModelsRequest(), calls.CallState(self._options, **options)).models

    def get_model(self, id: str, **options: Unpack[requests.CallFields]) -> Model:
        """One model; `NotFoundError` when there is none of this name for this key."""
        return self._unary(calls.GET_MODEL, GetModelRequest(id=id), calls.CallState(self._options, **options))

    def call(
        self, method: calls.Method[Request, Reply], request: Request, **options: Unpack[requests.CallFields]
    ) -> Reply:
        """Any RPC by its row; see `AsyncClient.call`."""
        if method.has_effect:
            options.setdefault("max_retries", 0)
        return self._unary(method, request, calls.CallState(self._options, **options))

    # --- calls ---------------------------------------------------------------------------------------------------

    def _channel(self) -> grpc.Channel:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("this client is closed")
            if self._open_channel is None:
                options = self._options
                arguments = options.channel_arguments()
                if options.tls is None:
                    self._open_channel = grpc.insecure_channel(options.address, arguments)
                else:
                    self._open_channel = grpc.secure_channel(options.address, options.tls.credentials(), arguments)
            return self._open_channel

    def _unary(self, method: calls.Method[Request, Reply], request: Request, state: calls.CallState) -> Reply:
        payload = calls.encoded(request)
        while True:
            start = self._channel().unary_unary(method.path, bytes, method.reply.FromString)
            rpc = start.future(payload, timeout=state.time_left_s(), metadata=state.metadata)
            try:
                return rpc.result()  # type: ignore[no-any-return]  # the stubs know no deserializer
            except grpc.FutureCancelledError:
                raise self._closed(state) from None
            except grpc.RpcError as failure:
                error = self._error(failure, state)
            finally:
                rpc.cancel()
            time.sleep(state.retry_after_s(error))

    def _stream(self, method: calls.Method[Request, Event], request: Request, state: calls.CallState) -> Stream[Event]:
        return Stream(self._events(method, calls.encoded(request), state), state)

    def _events(
        self, method: calls.Method[Request, Event], payload: bytes, state: calls.CallState
    ) -> Generator[Event, None, None]:
        whole = calls.Completeness()
        while True:
            start = self._channel().unary_stream(method.path, bytes, method.reply.FromString)
            rpc = start(payload, timeout=state.time_left_s(), metadata=state.metadata)
            try:
                for event in rpc:
                    if not whole.has_events:
                        state.headers = calls.headers_from(rpc.initial_metadata())
                    whole.see(event)
                    yield event
                state.trailers = calls.headers_from(rpc.trailing_metadata())
                whole.check(state.request_id)
                return
            except grpc.RpcError as failure:
                error = self._error(failure, state)
            finally:
                rpc.cancel()
            if whole.has_events:
                raise error
            time.sleep(state.retry_after_s(error))

    def _error(self, failure: grpc.RpcError, state: calls.CallState) -> errors.GatewayError:
        assert isinstance(failure, grpc.Call)  # noqa: S101 - grpc raises the call itself
        return errors.from_rpc(
            failure.code(),
            failure.details() or "",
            failure.trailing_metadata(),
            request_id=state.request_id,
            address=self.address,
        )

    def _closed(self, state: calls.CallState) -> errors.CallCancelledError:
        return errors.CallCancelledError(
            "the client was closed during the call", status=grpc.StatusCode.CANCELLED, request_id=state.request_id
        )
