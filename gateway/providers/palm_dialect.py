"""Google's PaLM format as it is served to developers and on Vertex: chats and legacy completions, whole.

Rules:
    - A chat is `generateMessage`, a completion `generateText`; on Vertex (`base_url` has /publishers/) both `predict`.
    - Nothing is streamed: what asks for a stream is answered whole, and made a stream behind this file.
    - Answers count no tokens but on Vertex; the rest is estimated where it is settled.
Source: the Generative Language API v1beta2; Vertex AI's `predict` for chat-bison and text-bison.
Not here:
    - JSON to messages (wire.palm); what an error means (google_errors); whole answers as streams (pipeline.attempts).
"""

from __future__ import annotations

import time
from typing import Any, Final

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.google_errors import classify, in_band_error
from gateway.providers.outgoing import configured, headers_of, lacking, not_json, url_of
from gateway.providers.upstream import StreamDecoder, UpstreamRequest, answered, unusable
from gateway.rpc.contract import CHAT, COMPLETE, Method
from gateway.wire import json
from gateway.wire.palm import DIALECT, answers, request

__all__ = ["NAME", "classify", "decode_reply", "encode", "stream_decoder", "usage_of_reply"]

NAME: Final = DIALECT
PATHS: Final = {CHAT.name: "/models/{model}:generateMessage", COMPLETE.name: "/models/{model}:generateText"}
VERTEX_PATH: Final = "/models/{model}:predict"


def encode(method: Method, asked: Message, deployment: Deployment, model: str) -> UpstreamRequest:
    """The HTTP request for a call; `model` is the name the client sent.

    Raises GatewayError INVALID_REQUEST, and UNSUPPORTED_PARAMETER for what this format cannot do.
    """
    unsupported: list[str] = []
    is_vertex = "/publishers/" in deployment.base_url
    try:
        body = _body(method, asked, deployment, unsupported, is_vertex=is_vertex)
    except json.JsonInvalid as error:
        raise not_json(error) from error
    path = VERTEX_PATH if is_vertex else PATHS[method.name]
    return UpstreamRequest(
        url=url_of(deployment, path, deployment.upstream_model or model),
        headers=headers_of(deployment, is_stream=False),
        body=json.dumps(configured(body, deployment)),
        is_stream=False,
        unsupported=tuple(unsupported),
    )


def _body(
    method: Method, asked: Any, deployment: Deployment, unsupported: list[str], *, is_vertex: bool
) -> dict[str, Any]:
    if method is CHAT:
        return request.encode_request(asked, unsupported, is_vertex=is_vertex)
    if method is COMPLETE:
        return request.encode_completion(asked, unsupported, is_vertex=is_vertex)
    is_stream = method.is_stream
    what, param = ("has no streams", "stream") if is_stream else ("has chats and completions only", "model")
    raise lacking(deployment, what, param)


def decode_reply(method: Method, body: bytes) -> Message:
    """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
    candidates, answer = _answer(body)
    decode: Any = answers.decode_completion if method is COMPLETE else answers.decode_response
    response: Any = decode(candidates, answer)
    response.created = int(time.time())
    response.id = f"{'cmpl' if method is COMPLETE else 'chatcmpl'}-{time.time_ns():x}"
    return response  # type: ignore[no-any-return]  # one of the two


def usage_of_reply(method: Method, body: bytes) -> Any:
    """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
    reply: Any = decode_reply(method, body)
    return reply.usage if reply.HasField("usage") else None


def _answer(body: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    answer = answered(body)
    if answer.get("error"):
        raise in_band_error(answer["error"])
    candidates = answers.candidates_of(answer)
    if candidates is None:
        raise unusable("its answer has no list `candidates` or `predictions`")
    return candidates, answer


def stream_decoder(method: Method, asked: Message, deployment: Deployment) -> StreamDecoder:  # noqa: ARG001  # an argument of every dialect
    """None: raises GatewayError UNSUPPORTED_PARAMETER, as `encode` does for a stream."""
    raise lacking(deployment, "has no streams", "stream")
