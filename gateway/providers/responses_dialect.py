"""OpenAI's Responses format as providers speak it: chat, whole and streamed.

Rules:
    - The body sent equals that of a client of the same format but for what the configuration changes; requests of
      other formats are mapped (wire.responses).
    - A client of the same format gets events and answers as they came; others get chunks, and usage only if they asked.
    - A stream is complete only when it said `response.completed` or `response.incomplete`; `response.failed`, and an
      answer that failed, are failures.
Source: OpenAI API specification 2.3.0, `POST /v1/responses`.
Not here:
    - JSON to messages (wire.responses); answers kept to be continued (the frontend and the service); what an error
      means (openai_errors).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.openai_errors import classify, in_band_error
from gateway.providers.outgoing import chat_path, configured, headers_of, lacking, not_json, url_of
from gateway.providers.sse_stream import SseStream
from gateway.providers.upstream import UpstreamRequest, answered, unusable
from gateway.rpc.contract import CHAT, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.pb import chat_pb2, types_pb2
from gateway.wire.responses import DIALECT, incoming, reading
from gateway.wire.responses.request import encode_request
from gateway.wire.sse import SseEvent

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = DIALECT
PATH: Final = "/responses"
ENDED: Final = ("completed", "incomplete")


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, and UNSUPPORTED_PARAMETER for what is no chat.
    """
    if method not in (CHAT, STREAM_CHAT):
        raise lacking(deployment, "has chat only")
    unsupported: list[str] = []
    asked: Any = request
    try:
        body = encode_request(asked, unsupported)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    body["model"] = upstream_model = deployment.upstream_model or model
    if method.is_stream:
        body["stream"] = True
    elif body.get("stream"):
        body["stream"] = False
    return UpstreamRequest(
        url=url_of(deployment, chat_path(deployment, PATH), upstream_model),
        headers=headers_of(deployment, is_stream=method.is_stream),
        body=json.dumps(configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def decode_reply(method: Method, body: bytes) -> Message:  # noqa: ARG001  # an argument of every dialect
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    response = reading.decode_response(_answer(body))
    if not response.HasField("created"):
        response.created = int(time.time())
    return response


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:  # noqa: ARG001  # an argument of every dialect
    """The usage in a whole answer, which is checked as `decode_reply` does and otherwise left alone."""
    told = chat_pb2.ChatResponse()
    reading.read_usage(_answer(body), told)
    return told.usage if told.HasField("usage") else None


def _answer(body: bytes) -> dict[str, Any]:
    answer = answered(body)
    if answer.get("error"):
        raise in_band_error(answer["error"])
    if not isinstance(answer.get("output"), list):
        raise unusable("its answer has no list `output`")
    if (status := answer.get("status", "completed")) not in ENDED:
        raise unusable(f"its answer has status {status!s:.50}, which is none of an answer that ended")
    return answer


def stream_decoder(method: Method, request: Message, deployment: Deployment) -> ResponsesStreamDecoder:  # noqa: ARG001  # an argument of every dialect
    """A decoder for one stream."""
    asked: Any = request
    is_native = asked.dialect == DIALECT
    reader = incoming.EventReader(int(time.time()), is_native=is_native)
    is_usage_wanted = is_native or asked.stream_options.include_usage
    return ResponsesStreamDecoder(deployment.chunk_max_bytes, reader, is_usage_wanted=is_usage_wanted)


class ResponsesStreamDecoder(SseStream):
    """One stream; see `StreamDecoder`."""

    __slots__ = ("_is_native", "_is_usage_wanted", "_reader", "usage")

    def __init__(self, max_bytes: int, reader: incoming.EventReader, *, is_usage_wanted: bool) -> None:
        super().__init__(max_bytes)
        self._reader = reader
        self._is_native = reader.is_native
        self._is_usage_wanted = is_usage_wanted
        self.usage: types_pb2.Usage | None = None

    def _is_control(self, data: bytes) -> bool:
        return not data.strip() or data.startswith(b"[DONE]")

    def _event(self, frame: SseEvent) -> str | Sequence[Event]:
        reader = self._reader
        event = reader.read(frame.data, frame.event)
        if reader.type in incoming.FAILED:
            raise in_band_error(_failure(reader.event))
        self.chunks += 1
        if type(event) is str:
            self.output_chars += len(event)
            if event:
                self.has_content = True
            return event
        return () if event is None else self._seen(event)  # type: ignore[arg-type]  # a str was handled above

    def _seen(self, chunk: chat_pb2.ChatChunk) -> list[Event]:
        self._count(chunk)
        if self._reader.type not in incoming.COMPLETE:
            return [chunk]
        self.is_done = True
        if not chunk.HasField("usage"):
            return [chunk]
        self.usage = types_pb2.Usage()
        self.usage.CopyFrom(chunk.usage)
        if self._is_native:
            return [chunk]
        chunk.ClearField("usage")
        return [chunk, self._report(chunk)] if self._is_usage_wanted else [chunk]

    def _report(self, end: chat_pb2.ChatChunk) -> chat_pb2.ChatChunk:
        """The chunk with the usage, which comes after the one that ended the answer."""
        report = chat_pb2.ChatChunk()
        report.CopyFrom(end)
        report.ClearField("choices")
        report.usage.CopyFrom(self.usage or types_pb2.Usage())
        return report


def _failure(event: dict[str, Any]) -> Any:
    """The error object of an event that says a stream failed: its own, that of the answer it ends, or the event."""
    response = event.get("response")
    error = response.get("error") if isinstance(response, dict) else event.get("error")
    if isinstance(error, dict):
        return error
    return {name: event[name] for name in ("code", "message", "param") if name in event}
