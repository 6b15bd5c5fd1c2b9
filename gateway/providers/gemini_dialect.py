"""The Gemini wire format as Google serves it, on AI Studio and on Vertex: chat and embeddings.

Rules:
    - The body sent to a Gemini model is the client's where the client speaks Gemini, and mapped where not
      (wire.gemini); what cannot be mapped is refused with its name, unless the deployment drops it.
    - `drop`, `rename` and `force` apply to the body; `generationConfig.NAME` reaches into that object.
    - A stream is complete when every candidate it showed has a finish reason and the body ended between
      frames. Gemini says no end.
    - A client of another dialect gets chunks without Gemini's own members, and the usage once, at the end, if it asked.
Source: the Gemini API reference (v1beta), google/rpc/error_details.proto.
Not here:
    - JSON to messages (wire.gemini); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.google_errors import classify, in_band_error
from gateway.providers.outgoing import headers_of, not_json
from gateway.providers.sse_stream import SseStream
from gateway.providers.upstream import UpstreamRequest, answered, unusable
from gateway.rpc.contract import CHAT, EMBED, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.foreign import kept_signature, stripped
from gateway.wire.gemini import chat, embeddings
from gateway.wire.gemini.chunks import Template, template_of, text_of
from gateway.wire.gemini.outcome import usage_of
from gateway.wire.links import of_gemini
from gateway.wire.openai.chunks import is_content
from gateway.wire.pb import chat_pb2, embeddings_pb2, types_pb2
from gateway.wire.sse import SseEvent

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = "gemini"
PATHS: Final = {
    CHAT.name: "/models/{model}:generateContent",
    STREAM_CHAT.name: "/models/{model}:streamGenerateContent",
    EMBED.name: "/models/{model}:batchEmbedContents",
}
_CONFIG = "generationConfig"


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, and UNIMPLEMENTED for legacy completions.
    """
    upstream_model = deployment.upstream_model or model
    unsupported: list[str] = []
    try:
        body = _body(method, request, upstream_model, unsupported)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    return UpstreamRequest(
        url=_url(deployment, method, upstream_model, is_single=_is_single(request)),
        headers=headers_of(deployment, is_stream=method.is_stream),
        body=json.dumps(_configured(body, deployment)),
        is_stream=method.is_stream,
        unsupported=tuple(unsupported),
    )


def _body(method: Method, request: Any, model: str, unsupported: list[str]) -> dict[str, Any]:
    if method is EMBED:
        return embeddings.encode_request(request, model, unsupported)
    if method in (CHAT, STREAM_CHAT):
        return chat.encode_request(request, unsupported)
    raise _no_completions()


def _is_single(request: Message) -> bool:
    return isinstance(request, embeddings_pb2.EmbeddingRequest) and embeddings.is_single(request)


def _no_completions() -> GatewayError:
    return GatewayError(Kind.UNIMPLEMENTED, "Gemini has no legacy completions. Send a chat.")


def _configured(body: dict[str, Any], deployment: Deployment) -> dict[str, Any]:
    """The body with the configuration's drops, renames and forced members applied, in that order."""
    for path in deployment.drop:
        holder, name = _place(body, path)
        holder.pop(name, None)
    for old, new in deployment.rename.items():
        holder, name = _place(body, old)
        if name in holder:
            holder[_place(body, new)[1]] = holder.pop(name)
    for path, value in deployment.force.items():
        holder, name = _place(body, path, is_made=True)
        is_merged = isinstance(value, dict) and isinstance(holder.get(name), dict)
        holder[name] = {**holder[name], **value} if is_merged else value
    return body


def _place(body: dict[str, Any], path: str, *, is_made: bool = False) -> tuple[dict[str, Any], str]:
    """The object a member of the configuration stands in, and its name there."""
    outer, dot, name = path.partition(".")
    if not dot or outer != _CONFIG:
        return body, path
    holder = body.setdefault(_CONFIG, {}) if is_made else body.get(_CONFIG)
    return (holder if isinstance(holder, dict) else {}), name


def decode_reply(method: Method, body: bytes) -> Message:
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    answer = _answer(method, body)
    if method is EMBED:
        try:
            return embeddings.decode_response(answer)
        except (ValueError, OverflowError) as error:
            raise unusable(str(error)) from error
    reply = chat.decode_response(answer)
    reply.created = int(time.time())
    if not reply.HasField("id"):
        reply.id = f"chatcmpl-{time.time_ns():x}"
        reply.nulls.append("responseId")  # ours, not to be written as theirs
    return reply


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:
    """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
    reply: Any = decode_reply(method, body)
    return reply.usage if reply.HasField("usage") else None


def _answer(method: Method, body: bytes) -> dict[str, Any]:
    answer = answered(body)
    if answer.get("error"):
        raise in_band_error(answer["error"])
    required = ("embeddings", "embedding") if method is EMBED else ("candidates", "promptFeedback")
    if not any(isinstance(answer.get(name), list | dict) for name in required):
        raise unusable(f"its answer has neither `{required[0]}` nor `{required[1]}`")
    return answer


def stream_decoder(method: Method, request: Message, deployment: Deployment) -> GeminiStreamDecoder:
    """A decoder for one stream. Raises GatewayError UNIMPLEMENTED for legacy completions."""
    if method is not STREAM_CHAT:
        raise _no_completions()
    asked: Any = request
    is_native = asked.dialect == NAME
    return GeminiStreamDecoder(
        deployment.chunk_max_bytes,
        is_native=is_native,
        is_usage_wanted=is_native or bool(asked.stream_options.include_usage),
        model=deployment.upstream_model or asked.model,
    )


class GeminiStreamDecoder(SseStream):
    """One stream; see `StreamDecoder`. A client of Gemini's dialect (`is_native`) gets each frame as it is."""

    __slots__ = (
        "_codec", "_created", "_finished", "_id", "_is_native", "_is_usage_wanted", "_model", "_seen", "_template",
        "_usage_json",
    )  # fmt: skip

    def __init__(self, max_bytes: int, *, is_native: bool, is_usage_wanted: bool, model: str) -> None:
        super().__init__(max_bytes)
        self._codec = chat.ChunkDecoder()
        self._is_native = is_native
        self._is_usage_wanted = is_usage_wanted
        self._model = model
        self._created = int(time.time())
        self._id = f"chatcmpl-{time.time_ns():x}"  # until the provider says its own
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._template: Template | None = None
        self._usage_json: Any = None

    def finish(self) -> list[Event]:
        """The stream ended: complete, or STREAM_CUT."""
        events = super().finish()
        self.is_done = True
        if not self._is_native and self._is_usage_wanted and (usage := self.usage) is not None:
            events.append(self._headed(chat_pb2.ChatChunk(usage=usage)))
        return events

    def _is_whole(self) -> bool:
        return bool(self._seen) and self._seen <= self._finished and not self._sse.incomplete

    def _event(self, frame: SseEvent) -> str | Sequence[Event]:
        obj = json.loads(frame.data)
        if type(obj) is not dict:
            raise unusable("an event of its stream is not a JSON object")
        if obj.get("error"):
            raise in_band_error(obj["error"])
        self.chunks += 1
        if self._template is not None and (text := text_of(obj, self._template)) is not None:
            self._usage_json = obj.get("usageMetadata", self._usage_json)
            self.output_chars += 0 if self._template.is_thought else len(text)
            self.has_content = self.has_content or bool(text)
            return text or ()
        return self._whole(obj)

    def _whole(self, obj: dict[str, Any]) -> list[Event]:
        chunk = self._codec.read(obj)
        for choice in chunk.choices:
            self._seen.add(choice.index)
            if choice.finish_reason:
                self._finished.add(choice.index)
            self.output_chars += sum(len(block.text) + len(block.tool.arguments) for block in choice.delta.blocks)
        self.has_content = self.has_content or is_content(chunk)
        self._usage_json = obj.get("usageMetadata", self._usage_json)
        if self._is_native:
            return [chunk]
        plain = self._plain(chunk)
        if plain is None:
            return []
        self._template = template_of(chunk)
        return [plain]

    @property
    def usage(self) -> types_pb2.Usage | None:
        """What the last frame that reported usage said; None when none did."""
        return usage_of(self._usage_json) if isinstance(self._usage_json, dict) else None

    def _plain(self, chunk: chat_pb2.ChatChunk) -> chat_pb2.ChatChunk | None:
        """The chunk without Gemini's own members and without usage; None when nothing is left to say."""
        if chunk.id:
            self._id = chunk.id
        plain = stripped(chunk)
        plain.ClearField("usage")
        for choice, was in zip(plain.choices, chunk.choices, strict=True):
            choice.ClearField("native_finish_reason")
            for addition, signed in zip(choice.delta.blocks, was.delta.blocks, strict=True):
                if addition.HasField("tool"):
                    addition.tool.type = "function"
                    addition.extra = kept_signature(signed.extra)
            if "Metadata" in was.extra:
                links = of_gemini(json.loads(was.extra.encode()))
                choice.delta.blocks.extend(chat_pb2.BlockDelta(citation_json=json.text(each)) for each in links)
        is_said = any(c.finish_reason or c.delta.role or c.delta.blocks for c in plain.choices)
        return self._headed(plain) if is_said else None

    def _headed(self, chunk: chat_pb2.ChatChunk) -> chat_pb2.ChatChunk:
        chunk.id = self._id
        chunk.created = self._created
        if not chunk.model:
            chunk.model = self._model
        self._model = chunk.model
        return chunk


def _url(deployment: Deployment, method: Method, model: str, *, is_single: bool) -> str:
    """The URL of a method; a configured path counts when it names `{model}`, as all of Gemini's do."""
    configured = deployment.paths.get("embeddings" if method is EMBED else "chat", "")
    path = configured if "{model}" in configured else PATHS[method.name]
    query = dict(deployment.query)
    if method.is_stream:
        path = path.replace(":generateContent", ":streamGenerateContent")
        query["alt"] = "sse"
    if is_single:
        path = path.replace(":batchEmbedContents", ":embedContent")
    path = path.replace("{model}", quote(model, safe=""))
    return deployment.base_url + path + ("?" + urlencode(query) if query else "")
