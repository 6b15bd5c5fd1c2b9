"""A dialect without custom tools, for one request that offers some.

Rules:
    - It is the dialect itself in everything but the tools it sends and the calls it reads.
Not here:
    - How a custom tool becomes a function (wire.freeform); which dialects have them (config.catalogue).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.outgoing import not_json
from gateway.providers.upstream import Dialect, UpstreamRequest
from gateway.providers.wrapped import Answering, Wrapped
from gateway.rpc.contract import Method
from gateway.wire import freeform
from gateway.wire.json import JsonInvalid


def freed(dialect: Dialect, request: Message) -> Dialect:
    """The dialect for one request to a deployment without custom tools. Raises GatewayError INVALID_REQUEST."""
    if not freeform.is_used(request):
        return dialect
    asked: Any = request
    try:
        return FreeForm(dialect, freeform.names_of(asked))
    except JsonInvalid as error:
        raise not_json(error) from error


class FreeForm(Wrapped):
    """See `Dialect`."""

    __slots__ = ("_names",)

    def __init__(self, dialect: Dialect, names: frozenset[str]) -> None:
        super().__init__(dialect)
        self._names = names

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent."""
        asked: Any = request
        try:
            plain = freeform.as_functions(asked)
        except JsonInvalid as error:
            raise not_json(error) from error
        return self._dialect.encode(method, plain, deployment, model)

    def _change(self, reply: Any) -> None:
        freeform.answered(reply, self._names)

    def _answering(self) -> Answering:
        return freeform.Calls(self._names)
