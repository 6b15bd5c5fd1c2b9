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
from gateway.core.errors import GatewayError, Kind
from gateway.providers.anthropic_errors import classify, in_band_error
from gateway.providers.outgoing import configured, headers_of, url_of
from gateway.providers.upstream import TEXT_MAX_CHARS, UpstreamRequest
from gateway.rpc.contract import CHAT, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.anthropic_complete import DIALECT, answers
from gateway.wire.anthropic_complete.request import MAX_TOKENS_DEFAULT, encode_request
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.sse import SseEvent, SseParser, SseTooLarge

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = DIALECT
VERSION: Final = "2023-06-01"
PATH: Final = "/complete"
OPENAI_PATH: Final = "/chat/completions"  # what `paths.chat` is when the configuration says nothing


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, and UNSUPPORTED_PARAMETER for what is no chat.
    """
    if method not in (CHAT, STREAM_CHAT):
        text = f"The provider `{deployment.provider}` speaks a format that has chat only."
        raise GatewayError(Kind.UNSUPPORTED_PARAMETER, text, param="model")
    unsupported: list[str] = []
    asked: Any = request
    try:
        body = encode_request(asked, unsupported, max_tokens=deployment.output_max_tokens or MAX_TOKENS_DEFAULT)
    except json.JsonInvalid as error:
        text = f"A member `..._json` of the request does not hold JSON: {error}"
        raise GatewayError(Kind.INVALID_REQUEST, text) from error
    body["model"] = upstream_model = deployment.upstream_model or model
    body["stream"] = method.is_stream
    path = deployment.paths["chat"]
    return UpstreamRequest(
        url=url_of(deployment, PATH if path == OPENAI_PATH else path, upstream_model),
        headers=headers_of(deployment, is_stream=method.is_stream, anthropic_version=VERSION),
        body=json.dumps(configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def decode_reply(method: Method, body: bytes) -> Message:  # noqa: ARG001  # an argument of every dialect
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    try:
        answer = json.loads(body)
    except json.JsonInvalid as error:
        raise _invalid(f"its answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise _invalid("its answer is not a JSON object")
    if answer.get("type") == "error":
        raise in_band_error(answer)
    if not isinstance(answer.get("completion"), str):
        raise _invalid("its answer has no text `completion`")
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


class CompleteStreamDecoder:
    """One stream; see `StreamDecoder`."""

    __slots__ = ("_reader", "_sse", "chunks", "has_content", "is_done", "output_chars", "usage")

    def __init__(self, max_bytes: int, reader: answers.EventReader) -> None:
        self._reader = reader
        self._sse = SseParser(max_bytes)
        self.has_content = False
        self.is_done = False
        self.usage: types_pb2.Usage | None = None
        self.output_chars = 0
        self.chunks = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events they complete."""
        try:
            return self._decode(self._sse.feed(data))
        except SseTooLarge as error:
            raise _invalid(f"{error} (chunk_max_bytes)") from error

    def finish(self) -> list[Event]:
        """The stream ended: complete, or STREAM_CUT."""
        last = self._sse.finish() if not self.is_done else []
        events = self._decode([] if self._sse.incomplete else last)
        if not self.is_done:
            raise GatewayError(Kind.STREAM_CUT, "The provider's stream ended before the answer was complete.")
        return events

    def _decode(self, frames: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        for frame in frames:
            if self.is_done:
                break
            if not frame.data.strip():
                continue
            try:
                events += self._event(frame)
            except GatewayError as failure:
                failure.before = events
                raise
        return events

    def _event(self, frame: SseEvent) -> list[Event]:
        reader = self._reader
        try:
            made = reader.read(frame.data, frame.event)
        except json.JsonInvalid as error:
            raise _invalid(f"an event of its stream is not JSON: {error}") from error
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


def _invalid(why: str) -> GatewayError:
    return GatewayError(Kind.PROVIDER_INVALID, f"The provider's answer cannot be used: {why}"[:TEXT_MAX_CHARS])
