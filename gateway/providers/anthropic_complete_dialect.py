"""Anthropic's text completions, which came before Messages: chats as one prompt, whole and streamed.

Rules:
    - Requests of every client format become a prompt (wire.anthropic_complete); answers count no tokens.
    - A stream is complete only when an event had a `stop_reason`.
Source: `POST /v1/complete`, Anthropic API version 2023-06-01.
Not here:
    - JSON to messages (wire.anthropic_complete); what an error means (anthropic_errors).
"""

from __future__ import annotations

import time
from typing import Any, Final

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.anthropic_errors import classify, in_band_error
from gateway.providers.outgoing import chat_path, configured, headers_of, lacking, not_json, url_of
from gateway.providers.sse_stream import SseStream
from gateway.providers.upstream import UpstreamRequest, answered, unusable
from gateway.rpc.contract import CHAT, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.anthropic_complete import DIALECT, answers
from gateway.wire.anthropic_complete.request import MAX_TOKENS_DEFAULT, encode_request
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.sse import SseEvent

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = DIALECT
VERSION: Final = "2023-06-01"
PATH: Final = "/complete"


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, and UNSUPPORTED_PARAMETER for what is no chat.
    """
    if method not in (CHAT, STREAM_CHAT):
        raise lacking(deployment, "has chat only")
    unsupported: list[str] = []
    asked: Any = request
    try:
        body = encode_request(asked, unsupported, max_tokens=deployment.output_max_tokens or MAX_TOKENS_DEFAULT)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    body["model"] = upstream_model = deployment.upstream_model or model
    body["stream"] = method.is_stream
    return UpstreamRequest(
        url=url_of(deployment, chat_path(deployment, PATH), upstream_model),
        headers=headers_of(deployment, is_stream=method.is_stream, anthropic_version=VERSION),
        body=json.dumps(configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def decode_reply(method: Method, body: bytes) -> Message:  # noqa: ARG001  # an argument of every dialect
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    answer = answered(body)
    if answer.get("type") == "error":
        raise in_band_error(answer)
    if not isinstance(answer.get("completion"), str):
        raise unusable("its answer has no text `completion`")
    response = answers.decode_response(answer)
    response.created = int(time.time())
    return response


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:
    """None: the format counts nothing. Raises as `decode_reply` does."""
    decode_reply(method, body)
    return None


def stream_decoder(method: Method, request: Message, deployment: Deployment) -> CompleteStreamDecoder:  # noqa: ARG001  # an argument of every dialect
    """A decoder for one stream."""
    return CompleteStreamDecoder(deployment.chunk_max_bytes, answers.EventReader(int(time.time())))


class CompleteStreamDecoder(SseStream):
    """One stream; see `StreamDecoder`."""

    __slots__ = ("_reader", "usage")

    def __init__(self, max_bytes: int, reader: answers.EventReader) -> None:
        super().__init__(max_bytes)
        self._reader = reader
        self.usage: types_pb2.Usage | None = None

    def _event(self, frame: SseEvent) -> list[Event]:
        reader = self._reader
        made = reader.read(frame.data, frame.event)
        if reader.type == "error":
            raise in_band_error(reader.event)
        self.chunks += 1
        for event in made:
            words = event if isinstance(event, str) else _words_of(event)
            self.output_chars += len(words)
            self.has_content = self.has_content or bool(words)
        self.is_done = reader.event.get("stop_reason") is not None
        return [*made]


def _words_of(chunk: chat_pb2.ChatChunk) -> str:
    return "".join([block.text for choice in chunk.choices for block in choice.delta.blocks])
