"""A dialect without custom tools, for one request that offers some.

Rules:
    - It is the dialect itself in everything but the tools it sends and the calls it reads.
Not here:
    - How a custom tool becomes a function (wire.freeform); which dialects have them (config.catalogue).
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
from gateway.wire import freeform
from gateway.wire.json import JsonInvalid
from gateway.wire.pb import types_pb2


def freed(dialect: Dialect, request: Message) -> Dialect:
    """The dialect for one request to a deployment without custom tools. Raises GatewayError INVALID_REQUEST."""
    if not freeform.is_used(request):
        return dialect
    asked: Any = request
    try:
        return FreeForm(dialect, freeform.names_of(asked))
    except JsonInvalid as error:
        raise _not_json(error) from error


def _not_json(error: JsonInvalid) -> GatewayError:
    text = f"A member `..._json` of the request does not hold JSON: {error}"
    return GatewayError(Kind.INVALID_REQUEST, text)


class FreeForm:
    """See `Dialect`."""

    __slots__ = ("NAME", "_dialect", "_names")

    def __init__(self, dialect: Dialect, names: frozenset[str]) -> None:
        self.NAME = dialect.NAME
        self._dialect = dialect
        self._names = names

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent."""
        asked: Any = request
        try:
            plain = freeform.as_functions(asked)
        except JsonInvalid as error:
            raise _not_json(error) from error
        return self._dialect.encode(method, plain, deployment, model)

    def decode_reply(self, method: Method, body: bytes) -> Message:
        """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
        reply: Any = self._dialect.decode_reply(method, body)
        freeform.answered(reply, self._names)
        return reply  # type: ignore[no-any-return]  # a ChatResponse

    def usage_of_reply(self, method: Method, body: bytes) -> types_pb2.Usage | None:
        """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
        return self._dialect.usage_of_reply(method, body)

    def stream_decoder(self, method: Method, request: Message, deployment: Deployment) -> StreamDecoder:
        """A decoder for one stream."""
        decoder = self._dialect.stream_decoder(method, request, deployment)
        return cast("StreamDecoder", ChangedStream(decoder, freeform.Calls(self._names)))

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """What an answer that is not a success means."""
        return self._dialect.classify(status, headers, body)
