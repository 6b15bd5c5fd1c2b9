"""The Cohere v2 format as providers speak it: chat, whole and streamed, and embeddings.

Rules:
    - Requests of every client format are mapped (wire.cohere); clients get chunks, and usage only if they asked.
    - A stream is complete only when it said `message-end`; one whose end says that it failed is a failure.
    - An answer is classified by its status, never by its message.
Source: Cohere API v2.
Not here:
    - JSON to messages (wire.cohere); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.outgoing import configured, headers_of, lacking, not_json, url_of
from gateway.providers.refusals import refusal
from gateway.providers.sse_stream import SseStream
from gateway.providers.upstream import UpstreamRequest, answered, embedded, unusable
from gateway.rpc.contract import CHAT, EMBED, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.cohere import DIALECT, answers, embeddings
from gateway.wire.cohere import request as chat_request
from gateway.wire.cohere.errors import message_of, read_error
from gateway.wire.cohere.events import END, EventDecoder
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.sse import SseEvent

NAME: Final = DIALECT
INVALID_TOKEN: Final = 498
"""Cohere's own status for a key that is not valid."""
# What a path is when the configuration says nothing -> Cohere's.
PATHS: Final = {"/chat/completions": "/chat", "/embeddings": "/embed"}


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, and UNSUPPORTED_PARAMETER for what is neither chat nor embeddings.
    """
    unsupported: list[str] = []
    try:
        body = _body(method, request, deployment, unsupported)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    body["model"] = upstream_model = deployment.upstream_model or model
    path = deployment.paths["embeddings" if method is EMBED else "chat"]
    return UpstreamRequest(
        url=url_of(deployment, PATHS.get(path, path), upstream_model),
        headers=headers_of(deployment, is_stream=method.is_stream),
        body=json.dumps(configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def _body(method: Method, request: Any, deployment: Deployment, unsupported: list[str]) -> dict[str, Any]:
    if method is EMBED:
        return embeddings.encode_request(request, unsupported)
    if method in (CHAT, STREAM_CHAT):
        return {**chat_request.encode_request(request, unsupported), "stream": method.is_stream}
    raise lacking(deployment, "has chat and embeddings only")


def decode_reply(method: Method, body: bytes) -> Message:
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    answer = answered(body)
    if method is EMBED:
        return embedded(answer, embeddings.decode_response)
    if answer.get("finish_reason") in ("ERROR", "TIMEOUT"):
        raise classify(answers.FAILURES[answer["finish_reason"]], {}, body)
    if not isinstance(answer.get("message"), dict):
        raise unusable("its answer has no object `message`")
    response = answers.decode_response(answer)
    response.object, response.created = "chat.completion", int(time.time())
    return response


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:
    """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
    reply: Any = decode_reply(method, body)
    return reply.usage if reply.HasField("usage") else None


def stream_decoder(method: Method, request: Message, deployment: Deployment) -> CohereStreamDecoder:  # noqa: ARG001  # an argument of every dialect
    """A decoder for one stream."""
    asked: Any = request
    events = EventDecoder(
        int(time.time()), id_=f"chatcmpl-{time.time_ns():x}", model=deployment.upstream_model or asked.model
    )
    return CohereStreamDecoder(deployment.chunk_max_bytes, events, is_usage_wanted=asked.stream_options.include_usage)


class CohereStreamDecoder(SseStream):
    """One stream; see `StreamDecoder`."""

    __slots__ = ("_codec", "_is_usage_wanted", "usage")

    def __init__(self, max_bytes: int, codec: EventDecoder, *, is_usage_wanted: bool) -> None:
        super().__init__(max_bytes)
        self._codec = codec
        self._is_usage_wanted = is_usage_wanted
        self.usage: types_pb2.Usage | None = None

    def _event(self, frame: SseEvent) -> str | list[Event]:
        data = frame.data
        event = self._codec.decode(data)
        self.chunks += 1
        if isinstance(event, str):
            self.output_chars += len(event)
            return event
        if event is None:
            if not self._codec.type and message_of(json.loads(data)):
                raise classify(500, {}, data)
            return []
        return self._seen(event, data)

    def _seen(self, chunk: chat_pb2.ChatChunk, data: bytes) -> list[Event]:
        self._count(chunk)
        if self._codec.type != END:
            return [chunk]
        if (status := answers.FAILURES.get(self._codec.reason)) is not None:
            raise classify(status, {}, data)
        self.is_done = True
        if not chunk.HasField("usage"):
            return [chunk]
        self.usage = types_pb2.Usage()
        self.usage.CopyFrom(chunk.usage)
        chunk.ClearField("usage")
        return [chunk, self._codec.usage_chunk(self.usage)] if self._is_usage_wanted else [chunk]


def classify(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    kind = Kind.PROVIDER_AUTH if status == INVALID_TOKEN else None
    return refusal(status, headers, words=read_error(body), kind=kind)
