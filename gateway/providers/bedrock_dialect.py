"""Amazon Bedrock's formats as providers speak them: chat by Converse, whole and streamed; embeddings by InvokeModel.

Rules:
    - Requests of every client format are mapped (wire.bedrock); Anthropic clients get their events, others chunks.
    - With `aws` keys each request is signed after its body is complete; without, it carries `api_key` like others.
    - A stream is complete when it said its end (`messageStop`) and the body ended between messages.
    - An answer is classified by status, an event by the name of its exception, never by a message.
Source: Amazon Bedrock Runtime API.
Not here:
    - JSON to messages (wire.bedrock); what is tried after an error (pipeline.attempts).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.aws_signature import signature_headers
from gateway.providers.outgoing import configured, headers_of, lacking, not_json, url_of
from gateway.providers.refusals import refusal
from gateway.providers.upstream import UpstreamRequest, answered, embedded, sendable, unusable
from gateway.rpc.contract import CHAT, EMBED, STREAM_CHAT, Event, Method
from gateway.wire import json
from gateway.wire.anthropic import DIALECT as ANTHROPIC
from gateway.wire.anthropic import chat
from gateway.wire.anthropic.canonical import Canonical, UsageSum, without_json_tool
from gateway.wire.anthropic.events import EventDecoder
from gateway.wire.anthropic.mapping import MAX_TOKENS_DEFAULT
from gateway.wire.bedrock import DIALECT, embeddings
from gateway.wire.bedrock.answers import anthropic_answer
from gateway.wire.bedrock.errors import HEADER_STATUSES, STATUSES, error_name, read_error
from gateway.wire.bedrock.events import EventTranslator
from gateway.wire.bedrock.eventstream import MEDIA_TYPE, EventMessage, EventStreamBroken, EventStreamParser
from gateway.wire.bedrock.request import encode_request
from gateway.wire.openai.chunks import is_content
from gateway.wire.pb import types_pb2

NAME: Final = DIALECT
PATHS: Final = {
    CHAT.name: "/model/{model}/converse",
    STREAM_CHAT.name: "/model/{model}/converse-stream",
    EMBED.name: "/model/{model}/invoke",
}
ONE_TEXT: Final = "Amazon's Titan embeds one text in a request: `input` must be one text, or a list of one."


def encode(method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, UNSUPPORTED_PARAMETER for what the model or the format cannot do, and
    UNIMPLEMENTED when a request is to be signed and the extra for that is not installed.
    """
    unsupported: list[str] = []
    upstream_model = deployment.upstream_model or model
    try:
        body = _body(method, request, deployment, upstream_model, unsupported)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    url = url_of(deployment, PATHS[method.name], upstream_model)
    data = json.dumps(configured(body, deployment))
    headers = headers_of(deployment, is_stream=method.is_stream)
    if method.is_stream:
        headers["accept"] = MEDIA_TYPE
    if deployment.aws is not None:
        headers |= signature_headers(url, headers, data, deployment.aws)
    return UpstreamRequest(url, headers, data, method.is_stream, tuple(unsupported))


def _body(method: Method, request: Any, deployment: Deployment, model: str, unsupported: list[str]) -> dict[str, Any]:
    if method is EMBED:
        return _embedding_body(request, deployment, model, unsupported)
    if method not in (CHAT, STREAM_CHAT):
        raise lacking(deployment, "has chat and embeddings only")
    return encode_request(
        request,
        unsupported,
        max_tokens=deployment.output_max_tokens or MAX_TOKENS_DEFAULT,
        is_schema_native=deployment.is_schema_native,
        has_anthropic_fields=deployment.has_anthropic_fields,
    )


def _embedding_body(request: Any, deployment: Deployment, model: str, unsupported: list[str]) -> dict[str, Any]:
    vendor = embeddings.vendor_of(model)
    if vendor is None:
        raise lacking(
            deployment, "has chat only, but for the embeddings of Amazon's Titan texts and of Cohere's models"
        )
    if vendor != embeddings.COHERE and not embeddings.is_one_text(request):
        raise GatewayError(Kind.UNSUPPORTED_PARAMETER, ONE_TEXT, param="input")
    return embeddings.encode_request(request, vendor, unsupported)


def decode_reply(method: Method, body: bytes) -> Message:
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    answer = answered(body)
    if method is EMBED:
        return embedded(answer, embeddings.decode_response)
    if not isinstance(answer.get("output"), dict):
        raise unusable("its answer has no object `output`")
    response = chat.decode_response(anthropic_answer(answer, id_=_new_id(), model=""))
    response.object, response.created = "chat.completion", int(time.time())
    without_json_tool(response)
    return response


def usage_of_reply(method: Method, body: bytes) -> types_pb2.Usage | None:
    """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
    reply: Any = decode_reply(method, body)
    return reply.usage if reply.HasField("usage") else None


def _new_id() -> str:
    return f"msg_bdrk_{time.time_ns():x}"  # Converse says none


def stream_decoder(method: Method, request: Message, deployment: Deployment) -> BedrockStreamDecoder:  # noqa: ARG001  # an argument of every dialect
    """A decoder for one stream."""
    asked: Any = request
    canonical = None
    if asked.dialect != ANTHROPIC:
        canonical = Canonical(int(time.time()), is_usage_wanted=asked.stream_options.include_usage)
    translator = EventTranslator(
        id_=_new_id(), model=deployment.upstream_model or asked.model, is_native=canonical is None
    )
    return BedrockStreamDecoder(deployment.chunk_max_bytes, translator, canonical)


class BedrockStreamDecoder:
    """One stream; see `StreamDecoder`. Without `canonical`, its events are of Anthropic's dialect."""

    __slots__ = (
        "_canonical", "_codec", "_messages", "_translator", "_usage", "chunks", "has_content", "output_chars",
    )  # fmt: skip

    def __init__(self, max_bytes: int, translator: EventTranslator, canonical: Canonical | None) -> None:
        self._codec = EventDecoder()
        self._messages = EventStreamParser(max_bytes)
        self._translator = translator
        self._canonical = canonical
        self._usage = UsageSum()
        self.has_content = False
        self.output_chars = 0
        self.chunks = 0

    @property
    def is_done(self) -> bool:
        """Whether the stream said its end and its counts."""
        return self._translator.is_done

    @property
    def usage(self) -> types_pb2.Usage | None:
        """What was reported so far, as one."""
        return self._usage.usage

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events they complete."""
        if self.is_done:
            return []
        try:
            return self._read(self._messages.feed(data))
        except EventStreamBroken as error:
            failure = unusable(str(error))
            failure.before = self._read(error.before)
            raise failure from error

    def _read(self, messages: list[EventMessage]) -> list[Event]:
        events: list[Event] = []
        for message in messages:
            try:
                events += self._message(message)
            except GatewayError as failure:
                failure.before = events
                raise
        return events

    def finish(self) -> list[Event]:
        """The stream ended: complete, or STREAM_CUT."""
        if self.is_done:
            return []
        if not self._translator.has_ended or self._messages.is_incomplete:
            raise GatewayError(Kind.STREAM_CUT, "The provider's stream ended before the answer was complete.")
        return [event for said in self._translator.end() for event in self._event(said)]

    def _message(self, message: EventMessage) -> list[Event]:
        headers = message.headers
        if headers.get(":message-type") != "event":
            name = headers.get(":exception-type") or headers.get(":error-code") or ""
            raise classify(STATUSES.get(name, 500), {}, message.payload)
        self.chunks += 1
        try:
            obj = json.loads(message.payload)
        except json.JsonInvalid as error:
            raise unusable(f"an event of its stream is not JSON: {error}") from error
        if not isinstance(obj, dict):
            raise unusable("an event of its stream is not a JSON object")
        said = self._translator.events(headers.get(":event-type", ""), obj)
        return [event for each in said for event in self._event(each)]

    def _event(self, obj: dict[str, Any]) -> list[Event]:
        event = self._codec.decode(json.dumps(obj))
        if isinstance(event, str):
            self.output_chars += len(event)
            self.has_content = self.has_content or bool(event)
        else:
            if event.HasField("usage") and self._translator.has_counts:
                self._usage.add(event.usage)
            self.output_chars += sum(
                len(block.text) + len(block.tool.arguments) for c in event.choices for block in c.delta.blocks
            )
            self.has_content = self.has_content or is_content(event)
        return [event] if self._canonical is None else list(self._canonical.chunks(event))


def classify(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer that is not a success means."""
    name = error_name(headers.get("x-amzn-errortype", ""))
    meant = HEADER_STATUSES.get(name, status) if status < 500 else status
    return refusal(meant, headers, words=read_error(body), cause=sendable(f"HTTP {status} {name}".rstrip(), 200))
