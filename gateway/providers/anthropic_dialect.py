"""The Anthropic Messages format as providers speak it: chat, whole and streamed.

Rules:
    - The body sent equals that of a client of the same format but for what the configuration changes; requests of
      other formats are mapped (wire.anthropic).
    - What a client of the same format opts into (`anthropic-beta`) is passed on.
    - A client of the same format gets the events as they came; others get chunks, and usage only if they asked.
    - A stream is complete only when it said `message_stop`.
Source: Anthropic API version 2023-06-01.
Not here:
    - JSON to messages (wire.anthropic); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, cast

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.anthropic_errors import classify, in_band_error
from gateway.providers.outgoing import chat_path, configured, headers_of, lacking, not_json, url_of
from gateway.providers.sse_stream import SseStream
from gateway.providers.upstream import UpstreamRequest, answered, unusable
from gateway.rpc.contract import CHAT, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.anthropic import DIALECT, chat
from gateway.wire.anthropic.betas import HEADER as BETAS
from gateway.wire.anthropic.betas import taken_betas
from gateway.wire.anthropic.canonical import Canonical, UsageSum, without_json_tool
from gateway.wire.anthropic.events import EventDecoder, type_of
from gateway.wire.anthropic.mapping import MAX_TOKENS_DEFAULT
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.sse import SseEvent

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = DIALECT
VERSION: Final = "2023-06-01"
PATH: Final = "/messages"


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent."""
    if method not in (CHAT, STREAM_CHAT):
        raise lacking(deployment, "has chat only")
    unsupported: list[str] = []
    try:
        asked = cast("chat_pb2.ChatRequest", request)
        body = chat.encode_request(
            asked,
            unsupported,
            max_tokens=deployment.output_max_tokens or MAX_TOKENS_DEFAULT,
            is_schema_native=deployment.is_schema_native,
        )
    except json.JsonInvalid as error:
        raise not_json(error) from error
    body["model"] = upstream_model = deployment.upstream_model or model
    if method.is_stream:
        body["stream"] = True
    elif body.get("stream"):
        body["stream"] = False
    headers = headers_of(deployment, is_stream=method.is_stream, anthropic_version=VERSION)
    if opted := taken_betas(body, headers.get(BETAS, "")):
        headers[BETAS] = opted
    return UpstreamRequest(
        url=url_of(deployment, chat_path(deployment, PATH), upstream_model),
        headers=headers,
        body=json.dumps(configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def decode_reply(method: Method, body: bytes) -> Message:  # noqa: ARG001  # an argument of every dialect
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    response = chat.decode_response(_answer(body))
    response.object, response.created = "chat.completion", int(time.time())
    without_json_tool(response)
    return response


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:  # noqa: ARG001  # an argument of every dialect
    """The usage in a whole answer, which is checked as `decode_reply` does and otherwise left alone."""
    response = chat.decode_response({"usage": _answer(body).get("usage")})
    return response.usage if response.HasField("usage") else None


def _answer(body: bytes) -> dict[str, Any]:
    answer = answered(body)
    if answer.get("type") == "error":
        raise in_band_error(answer)
    if not isinstance(answer.get("content"), list):
        raise unusable("its answer has no list `content`")
    return answer


def stream_decoder(
    method: Method,  # noqa: ARG001  # an argument of every dialect
    request: Message,
    deployment: Deployment,
) -> AnthropicStreamDecoder:
    """A decoder for one stream."""
    asked = cast("chat_pb2.ChatRequest", request)
    canonical = None
    if asked.dialect != DIALECT:
        canonical = Canonical(int(time.time()), is_usage_wanted=asked.stream_options.include_usage)
    return AnthropicStreamDecoder(deployment.chunk_max_bytes, canonical)


class AnthropicStreamDecoder(SseStream):
    """One stream; see `StreamDecoder`. Without `canonical`, its events are of this dialect."""

    __slots__ = ("_canonical", "_codec", "_usage")

    def __init__(self, max_bytes: int, canonical: Canonical | None) -> None:
        super().__init__(max_bytes)
        self._codec = EventDecoder()
        self._canonical = canonical
        self._usage = UsageSum()

    @property
    def usage(self) -> types_pb2.Usage | None:
        """What was reported so far, as one."""
        return self._usage.usage

    def _event(self, frame: SseEvent) -> str | Sequence[Event]:
        canonical = self._canonical
        event = self._codec.decode(frame.data, frame.event if canonical is None else "")
        self.chunks += 1
        if type(event) is str:  # the hot path of every stream
            self.output_chars += len(event)
            if event:
                self.has_content = True
            return event if canonical is None or canonical.passes else ()
        self._look(event)  # type: ignore[arg-type]  # a str was handled above
        return [event] if canonical is None else canonical.chunks(event)

    def _look(self, chunk: chat_pb2.ChatChunk) -> None:
        if chunk.extra:
            type_ = type_of(chunk)
            if type_ == "error":
                raise in_band_error(json.loads(chunk.extra.encode()))
            self.is_done = type_ == "message_stop"
        if chunk.HasField("usage"):
            self._usage.add(chunk.usage)
        self._count(chunk)
