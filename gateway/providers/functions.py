"""A dialect without OpenAI's deprecated functions, for one request that has some.

Rules:
    - The request is changed before any dialect sees it, so that all of them see tools; this one reads their calls.
Not here:
    - How a function becomes a tool (wire.functions); which dialects have functions (config.catalogue).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.providers.upstream import Dialect
from gateway.providers.wrapped import Answering, Wrapped
from gateway.wire import functions
from gateway.wire.json import JsonInvalid


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


class Calling(Wrapped):
    """See `Dialect`."""

    __slots__ = ("_names",)

    def __init__(self, dialect: Dialect, names: frozenset[str]) -> None:
        super().__init__(dialect)
        self._names = names

    def _change(self, reply: Any) -> None:
        functions.answered(reply, self._names)

    def _answering(self) -> Answering:
        return functions.Calls(self._names)
