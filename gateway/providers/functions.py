"""A dialect without OpenAI's deprecated functions, for one request that has some.

Rules:
    - The request is changed before any dialect sees it, so that all of them see tools; this one reads their calls.
Not here:
    - How a function becomes a tool (wire.functions); which dialects have functions (config.catalogue).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.providers.structured import ChangedStream
from gateway.providers.upstream import Dialect, StreamDecoder, UpstreamRequest
from gateway.rpc.contract import Method
from gateway.wire import functions
from gateway.wire.json import JsonInvalid
from gateway.wire.pb import types_pb2


def with_tools(request: Message) -> Message:
    """The request with tools for functions; itself where it has none. Raises GatewayError INVALID_REQUEST."""
    if not functions.is_used(request):
        return request
    asked: Any = request
    try:
        return functions.as_tools(asked)
    except JsonInvalid as error:
        raise GatewayError(Kind.INVALID_REQUEST, f"The request's functions cannot be used: {error}.") from error


def calling(dialect: Dialect, request: Message) -> Dialect:
    """The dialect for one request that `with_tools` changed; `request` is what it was before."""
    asked: Any = request
    return Calling(dialect, functions.names_of(asked))


class Calling:
    """See `Dialect`."""

    __slots__ = ("NAME", "_dialect", "_names")

    def __init__(self, dialect: Dialect, names: frozenset[str]) -> None:
        self.NAME = dialect.NAME
        self._dialect = dialect
        self._names = names

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent."""
        return self._dialect.encode(method, request, deployment, model)

    def decode_reply(self, method: Method, body: bytes) -> Message:
        """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
        reply: Any = self._dialect.decode_reply(method, body)
        functions.answered(reply, self._names)
        return reply  # type: ignore[no-any-return]  # a ChatResponse

    def usage_of_reply(self, method: Method, body: bytes) -> types_pb2.Usage | None:
        """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
        return self._dialect.usage_of_reply(method, body)

    def stream_decoder(self, method: Method, request: Message, deployment: Deployment) -> StreamDecoder:
        """A decoder for one stream."""
        decoder = self._dialect.stream_decoder(method, request, deployment)
        return cast("StreamDecoder", ChangedStream(decoder, functions.Calls(self._names)))

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """What an answer that is not a success means."""
        return self._dialect.classify(status, headers, body)
