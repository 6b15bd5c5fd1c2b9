"""The gRPC edge: ordinary RPCs of the services of `gateway.v1` onto the dispatch.

Rules:
    - The same calls, checks and failures as over the link; only the spelling differs: headers are initial
      metadata, trailers trailing metadata, failures a google.rpc.Status with details.
    - The shorthand `str` events of the link are whole messages here.
    - What is no message of its method, or text that is no UTF-8, is the caller's fault (INVALID_ARGUMENT), and is not
      logged as ours.
    - Cancelling an RPC closes the dispatch's generator, and with it the provider's connection; so does a reader
      that takes nothing for `stalled_for_s`.
Not here:
    - How stalled readers are found (watch).
    - The link (rpc.link_server); health and reflection (service.server).
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from gateway.core import freshness, hops
from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import INFERENCE, METHODS, ON_CUT, RESTART, CallContext, Caller, Head, Method, Tail, with_text
from gateway.rpc.status import to_status
from gateway.service.watch import Rpc, Watch
from gateway.wire.agreed import first_fault
from gateway.wire.citing import cite
from gateway.wire.counted import counted_in_extra
from gateway.wire.json import JsonInvalid
from gateway.wire.openai.disputes import first_dispute
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2

SERVICE = INFERENCE
Metadata = tuple[tuple[str, str], ...]
CallHeaders = Callable[[], tuple[str, ...]]

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
CALL_HEADER_MAX_CHARS = 256
TIMEOUT_MAX_MS = 2**32 - 1
DETAILS = "grpc-status-details-bin"
_OF_FRESHNESS = (freshness.HEADER, "cache-control")
_WITH_EXTRA = (chat_pb2.ChatRequest, completions_pb2.CompletionRequest, embeddings_pb2.EmbeddingRequest)
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def inference_handler(
    caller: Caller, watch: Watch | None = None, call_headers: CallHeaders = tuple, service: str = INFERENCE
) -> Any:
    """The generic handler of a service; `watch` ends its RPCs, `call_headers` is metadata for routing."""
    watch = watch or Watch(lambda: math.inf)
    methods = [method for method in METHODS.values() if method.service == service]
    handlers = {method.name: _handler(caller, method, watch, call_headers) for method in methods}
    return grpc.method_handlers_generic_handler(service, handlers)


def _handler(caller: Caller, method: Method, watch: Watch, call_headers: CallHeaders) -> Any:
    codec: dict[str, Any] = {"response_serializer": method.reply.SerializeToString}  # requests are read in `_messages`

    async def stream(request: bytes, context: Any) -> None:
        rpc, time, write = watch.enter(), asyncio.get_running_loop().time, context.write
        try:
            async with aclosing(_messages(caller, method, request, context, call_headers())) as messages:
                async for message in messages:
                    rpc.waits_since_s = time()
                    await write(message)
                    rpc.waits_since_s = math.inf
        except asyncio.CancelledError:
            await _say_why(context, rpc)
            raise
        finally:
            watch.leave(rpc)

    async def unary(request: bytes, context: Any) -> Message | None:
        reply, rpc = None, watch.enter()
        try:
            async with aclosing(_messages(caller, method, request, context, call_headers())) as messages:
                async for message in messages:
                    reply = message
        except asyncio.CancelledError:
            await _say_why(context, rpc)
            raise
        finally:
            watch.leave(rpc)
        return reply

    if method.is_stream:
        return grpc.unary_stream_rpc_method_handler(stream, **codec)
    return grpc.unary_unary_rpc_method_handler(unary, **codec)


async def _say_why(context: Any, rpc: Rpc) -> None:
    """Tell the client of an RPC that was ended here; one that left is told nothing."""
    if rpc.ended is not None:
        await _abort(context, rpc.ended)


async def _messages(
    caller: Caller, method: Method, data: bytes, context: Any, call_headers: tuple[str, ...]
) -> AsyncGenerator[Message, None]:
    """The reply messages of one RPC; metadata and failures go to `context`."""
    call = context_of(context, call_headers)
    template: Message | None = None
    told: Metadata = ()
    try:
        _check_metadata(context.invocation_metadata())
        _check_wish(call)
        request = _read(method, data)
        _check_extra(request)
        async with aclosing(caller(method, request, call)) as items:
            async for item in items:
                if isinstance(item, Head):
                    told = _metadata(item.headers, call)
                    await context.send_initial_metadata(told)
                elif isinstance(item, Tail):
                    context.set_trailing_metadata(tuple(item.trailers.items()))
                else:
                    for event in item:
                        if isinstance(event, str):
                            yield with_text(template, event)
                        elif isinstance(event, Message):  # a Raw is not asked for here
                            if isinstance(event, chat_pb2.ChatResponse | chat_pb2.ChatChunk):
                                cite(event)
                            template = event
                            yield event
    except GatewayError as error:
        if not told:
            told = _metadata(error.headers, call)
            await context.send_initial_metadata(told)
        await _abort(context, error, told)


def _metadata(headers: Mapping[str, str], call: CallContext) -> Metadata:
    """Initial metadata: the headers of a call, and its request id, which every answer has."""
    return tuple({**headers, "x-request-id": call.request_id}.items())


def _read(method: Method, data: bytes) -> Message:
    """The request of an RPC. Raises GatewayError INVALID_REQUEST; the message quotes nothing of what was sent."""
    try:
        request: Message = method.request.FromString(data)
    except DecodeError:
        name = method.request.DESCRIPTOR.full_name
        text = f"The request is no valid message `{name}`: its encoding is broken, or a text is not UTF-8."
        raise GatewayError(Kind.INVALID_REQUEST, text) from None
    return request


def _check_metadata(metadata: Metadata) -> None:
    """Refuse what HTTP refuses, too: control characters (gRPC leaves that to its clients), two credentials."""
    credentials = 0
    for name, value in metadata:
        credentials += name == "authorization"
        if isinstance(value, str) and not value.isprintable():
            shown = name[:64] if name.isprintable() else "..."
            raise GatewayError(Kind.INVALID_REQUEST, f"The metadata `{shown}` holds a control character.")
    if credentials > 1:
        raise GatewayError(Kind.INVALID_REQUEST, "Several `authorization` metadata were sent; send one.")


def _check_wish(call: CallContext) -> None:
    """Put what the caller says about kept answers into its one form. Raises GatewayError INVALID_REQUEST."""
    headers = call.headers
    if freshness.HEADER in headers or "cache-control" in headers:
        wish = freshness.wish(headers.pop(freshness.HEADER, ""), headers.get("cache-control", ""))
        if wish:
            headers[freshness.HEADER] = wish


def _check_extra(request: Message) -> None:
    """Refuse a request whose `extra` says something else than its fields: one would be checked, the other sent."""
    if not isinstance(request, _WITH_EXTRA):
        return
    try:
        path = counted_in_extra(request) or first_dispute(request)
    except JsonInvalid as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"`extra` is not the JSON text of an object: {error}") from error
    if path is not None:
        text = f"`{path}` is in `extra` with another value than in its own field: set one of them."
        raise GatewayError(Kind.INVALID_REQUEST, text, param=path)
    if isinstance(request, chat_pb2.ChatRequest) and request.dialect:
        _check_dialect(request)


def _check_dialect(request: chat_pb2.ChatRequest) -> None:
    """Refuse what a body of the request's dialect could not have said, by its path."""
    try:
        fault = first_fault(request)
    except JsonInvalid as error:
        name, _, why = str(error).partition(": ")
        text = f"`{name}` does not hold JSON: {why}"
        raise GatewayError(Kind.INVALID_REQUEST, text, param=name if name.endswith("_json") else None) from error
    if fault is not None:
        raise GatewayError(Kind.INVALID_REQUEST, fault.text, param=fault.path)


async def _abort(context: Any, error: GatewayError, told: Metadata = ()) -> None:
    """End an RPC with a failure.

    What was said in initial metadata is said again: a client that learns of the failure before it read them
    (grpc.aio does) would show none.
    """
    status = to_status(error)
    trailers = ((DETAILS, status.SerializeToString()), *dict((*told, *error.trailers.items())).items())
    await context.abort(_CODES[status.code], status.message, trailers)


def context_of(context: Any, call_headers: tuple[str, ...] = ()) -> CallContext:
    """The call's context from an RPC's metadata (of `call_headers` too), peer and deadline."""
    metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    call = CallContext(
        credential=_credential(metadata),
        request_id=_request_id(metadata),
        traceparent=_traceparent(metadata),
        peer=context.peer(),
        profile="default",
        dialect="openai",
        protocol="grpc",
    )
    if passed := hops.taken([metadata.get(hops.HEADER, "")]):
        call.headers[hops.HEADER] = passed
    if metadata.get(ON_CUT) == RESTART:
        call.headers[ON_CUT] = RESTART
    for name in call_headers:
        if name in metadata:
            call.headers[name] = metadata[name][:CALL_HEADER_MAX_CHARS]
    for name in _OF_FRESHNESS:
        if name in metadata:
            call.headers[name] = metadata[name]
    remaining_s = context.time_remaining()
    if remaining_s is not None:
        call.timeout_ms = max(0, min(int(remaining_s * 1000), TIMEOUT_MAX_MS))
    return call


def _credential(metadata: Mapping[str, str]) -> str:
    scheme, _, key = metadata.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _traceparent(metadata: Mapping[str, str]) -> str:
    given = metadata.get("traceparent", "")
    return given if TRACEPARENT.fullmatch(given) else ""


def _request_id(metadata: Mapping[str, str]) -> str:
    given = metadata.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}"
