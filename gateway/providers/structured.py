"""A dialect whose deployment gives structured answers in another way than its format's own.

Rules:
    - It is the dialect itself in everything but the request it sends and, where a tool stands in for the format, the
      answer it reads; a whole answer is then never passed on as bytes.
    - A client of the provider's own format is served as it asks, unless that format is OpenAI's, which many vendors
      speak without its structured answers.
Not here:
    - The other ways (wire.structured); which one a deployment takes (config.catalogue).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.providers.upstream import Dialect, UpstreamRequest
from gateway.providers.wrapped import Answering, Wrapped
from gateway.rpc.contract import Method
from gateway.wire import structured
from gateway.wire.foreign import OPENAI


def emulating(dialect: Dialect, deployment: Deployment, request: Message) -> Dialect:
    """The dialect for one request to a deployment that emulates structured answers (`Deployment.emulation`)."""
    if not structured.is_wanted(request):
        return dialect
    spoken = request.dialect  # type: ignore[attr-defined]  # of a chat
    if spoken == dialect.NAME and spoken not in OPENAI:
        return dialect
    return Emulating(dialect, deployment.emulation)


class Emulating(Wrapped):
    """See `Dialect`."""

    __slots__ = ("_way",)

    def __init__(self, dialect: Dialect, way: str) -> None:
        super().__init__(dialect)
        self._way = way

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent."""
        unsupported: list[str] = []
        asked: Any = request
        made = self._dialect.encode(method, structured.emulated(asked, self._way, unsupported), deployment, model)
        return made._replace(unsupported=(*made.unsupported, *unsupported))

    def _change(self, reply: Any) -> None:
        if self._way == "tool":
            structured.answered(reply)

    def _answering(self) -> Answering | None:
        return structured.Answering() if self._way == "tool" else None
