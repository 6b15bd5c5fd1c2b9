"""OpenAI's wire format as every dialect with its bodies speaks it: chat, legacy completions, embeddings.

Rules:
    - The body sent equals the client's but for what the configuration changes: model name, forced,
      dropped and renamed parameters, and usage asked of streams.
    - Usage the client did not ask for is taken out of what it gets.
    - A whole answer for a client of this very format may pass as it is (`usage_of_reply`): same bytes, same checks.
    - A stream is complete when it said `[DONE]`, or when every choice it showed has a finish reason and
      it ended between frames.
Source: OpenAI API specification 2.3.0; DeepSeek and vLLM for `reasoning_content`.
Not here:
    - JSON to messages (wire.openai); what an error means (openai_errors); what is tried after it (pipeline.attempts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.openai_errors import error_object, in_band_error
from gateway.providers.outgoing import configured, headers_of, not_json, url_of
from gateway.providers.sse_stream import SseStream
from gateway.providers.upstream import UpstreamRequest, answered, unusable
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, STREAM_CHAT, STREAM_COMPLETE, Event, Method
from gateway.wire import json
from gateway.wire.foreign import plain_embedding
from gateway.wire.openai import chat, chunks, completions, embeddings
from gateway.wire.openai.usage import USAGE
from gateway.wire.pb import completions_pb2, types_pb2
from gateway.wire.sse import SseEvent

PATHS: Final = {
    "Chat": "chat",
    "StreamChat": "chat",
    "Complete": "completions",
    "StreamComplete": "completions",
    "Embed": "embeddings",
}
"""Method -> its member of `paths`."""
_ENCODE: dict[str, Callable[[Any], dict[str, Any]]] = {
    COMPLETE.name: completions.encode_request,
    STREAM_COMPLETE.name: completions.encode_request,
    EMBED.name: embeddings.encode_request,
}
_DECODE = {
    CHAT.name: chat.decode_response,
    COMPLETE.name: completions.decode_response,
    EMBED.name: embeddings.decode_response,
}
_REQUIRED = {CHAT.name: "choices", COMPLETE.name: "choices", EMBED.name: "data"}


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent."""
    unsupported: list[str] = []
    body = body_of(method, request, deployment, unsupported)
    body["model"] = upstream_model = deployment.upstream_model or model
    return UpstreamRequest(
        url_of(deployment, deployment.paths[PATHS[method.name]], upstream_model),
        headers_of(deployment, is_stream=method.is_stream),
        json.dumps(configured(body, deployment)),
        method.is_stream,
        tuple(unsupported),
    )


def body_of(method: Method, request: Message, deployment: Deployment, unsupported: list[str]) -> dict[str, Any]:
    """The body as the client wrote it, but for what makes it a stream or not; of another format, mapped."""
    try:
        body = _body(method, request, unsupported)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    if method.is_stream:
        body["stream"] = True
        if deployment.is_usage_in_stream_asked:
            options = body.get("stream_options")
            body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    elif body.get("stream"):
        body["stream"] = False
    return body


def _body(method: Method, request: Any, unsupported: list[str]) -> dict[str, Any]:
    """The body as the client wrote it; of a chat in another format, mapped."""
    if method is CHAT or method is STREAM_CHAT:
        return chat.encode_request(request, unsupported)
    if method is EMBED:
        request = plain_embedding(request, unsupported)
    return _ENCODE[method.name](request)


def decode_reply(method: Method, body: bytes) -> Message:
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    reply: Message = _DECODE[method.name](_answer(method, body))
    return reply


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:
    """The usage in a whole answer, which is checked as `decode_reply` does and otherwise left alone."""
    usage = _answer(method, body).get("usage")
    return USAGE.made(usage) if type(usage) is dict else None


def _answer(method: Method, body: bytes) -> dict[str, Any]:
    answer = answered(body)
    if answer.get("error") and not answer.get(_REQUIRED[method.name]):
        raise in_band_error(answer["error"])
    if not isinstance(answer.get(_REQUIRED[method.name]), list):
        raise unusable(f"its answer has no list `{_REQUIRED[method.name]}`")
    return answer


def stream_decoder(method: Method, request: Message, deployment: Deployment) -> OpenAIStreamDecoder:
    """A decoder for one stream."""
    is_usage_wanted = bool(request.stream_options.include_usage)  # type: ignore[attr-defined]  # both requests have it
    codec = chunks.ChunkDecoder() if method is STREAM_CHAT else completions.CompletionChunkDecoder()
    return OpenAIStreamDecoder(codec, deployment.chunk_max_bytes, is_usage_wanted=is_usage_wanted)


class OpenAIStreamDecoder(SseStream):
    """One stream; see `StreamDecoder`."""

    __slots__ = ("_codec", "_finished", "_is_usage_wanted", "_seen", "usage")

    def __init__(
        self, codec: chunks.ChunkDecoder | completions.CompletionChunkDecoder, max_bytes: int, *, is_usage_wanted: bool
    ) -> None:
        super().__init__(max_bytes, codec.text_of)
        self._codec = codec
        self._is_usage_wanted = is_usage_wanted
        self._seen: set[int] = set()
        self._finished: set[int] | None = None  # an empty set is 0.2 KB of every open stream
        self.usage: types_pb2.Usage | None = None

    def _is_control(self, data: bytes) -> bool:
        text = data.strip()
        if text.startswith(b"[DONE]"):
            self.is_done = True
            return True
        return not text

    def _is_whole(self) -> bool:
        is_finished = self._finished is not None and self._seen <= self._finished
        return self.is_done or (is_finished and not self._sse.incomplete)

    def _event(self, frame: SseEvent) -> str | Sequence[Event]:
        data = frame.data
        if frame.event == "error":
            raise in_band_error(error_object(data))
        event = self._codec.decode(data)
        self.chunks += 1
        if type(event) is str:
            self.output_chars += len(event)
            if event:
                self.has_content = True
            return event
        return self._message(event, data)

    def _message(self, message: Any, data: bytes) -> Sequence[Event]:
        if message.object == "error" and not message.choices:  # vLLM's, without an `error` around it
            raise in_band_error(error_object(data))
        if message.extra and "error" in message.extra:
            error = json.loads(message.extra.encode()).get("error")
            if error:
                raise in_band_error(error)
        for choice in message.choices:
            self._seen.add(choice.index)
            if choice.finish_reason:
                self._finished = self._finished or set()
                self._finished.add(choice.index)
        self.output_chars += _output_chars(message)
        self.has_content = self.has_content or chunks.is_content(message)
        return self._usage(message)

    def _usage(self, message: Any) -> Sequence[Event]:
        """Keep what was reported; take it out again unless the client asked."""
        if message.HasField("usage"):
            self.usage = types_pb2.Usage()
            self.usage.CopyFrom(message.usage)
            if not self._is_usage_wanted:
                if not message.choices:
                    return ()
                message.ClearField("usage")
        elif not self._is_usage_wanted and "usage" in message.nulls:
            message.nulls.remove("usage")
        return (message,)


def _output_chars(message: Any) -> int:
    """Characters of answer text in a chunk, of either kind."""
    if isinstance(message, completions_pb2.CompletionResponse):
        return sum(len(choice.text) for choice in message.choices)
    return sum(len(block.text) + len(block.tool.arguments) for c in message.choices for block in c.delta.blocks)
