"""A dialect within another: what stands between a deployment and a request it does not take as it is.

Rules:
    - It is the dialect within, in everything that a subclass does not change.
    - A changed stream counts as the stream within does; a failure lets go of every event that came before it.
Not here:
    - What is changed (prompted, functions, freeform, structured); in which order (adapted).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError
from gateway.providers.upstream import Dialect, StreamDecoder, UpstreamRequest
from gateway.rpc.contract import Event, Method
from gateway.wire.pb import types_pb2


class Answering(Protocol):
    """What changes the events of one stream."""

    @property
    def is_holding(self) -> bool:
        """Whether events wait."""
        ...

    def events(self, event: Any) -> list[Any]:
        """What a client gets of an event."""
        ...

    def released(self) -> list[Any]:
        """What waits; nothing waits any more."""
        ...


class Wrapped:
    """See `Dialect`."""

    __slots__ = ("NAME", "_dialect")

    def __init__(self, dialect: Dialect) -> None:
        self.NAME = dialect.NAME
        self._dialect = dialect

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent."""
        return self._dialect.encode(method, request, deployment, model)

    def decode_reply(self, method: Method, body: bytes) -> Message:
        """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
        reply = self._dialect.decode_reply(method, body)
        self._change(reply)
        return reply

    def usage_of_reply(self, method: Method, body: bytes) -> types_pb2.Usage | None:
        """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
        return self._dialect.usage_of_reply(method, body)

    def stream_decoder(self, method: Method, request: Message, deployment: Deployment) -> StreamDecoder:
        """A decoder for one stream."""
        decoder = self._dialect.stream_decoder(method, request, deployment)
        answering = self._answering()
        return decoder if answering is None else cast("StreamDecoder", ChangedStream(decoder, answering))

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """What an answer that is not a success means."""
        return self._dialect.classify(status, headers, body)

    def _change(self, reply: Any) -> None:
        """Make a whole answer what its client asked for."""

    def _answering(self) -> Answering | None:
        """What makes one stream so; None = nothing has to."""
        return None


class ChangedStream:
    """One stream; see `StreamDecoder`, whose counts are those of the decoder within."""

    __slots__ = ("_answering", "_decoder")

    def __init__(self, decoder: StreamDecoder, answering: Answering) -> None:
        self._decoder = decoder
        self._answering = answering

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events they complete."""
        events = self._events(lambda: self._decoder.feed(data))
        return events + self._answering.released() if self._decoder.is_done else events

    def finish(self) -> list[Event]:
        """The stream ended. Raises GatewayError STREAM_CUT when it was not complete."""
        return self._events(self._decoder.finish) + self._answering.released()

    def _events(self, read: Callable[[], list[Event]]) -> list[Event]:
        made = self._answering.events
        try:
            return [event for each in read() for event in made(each)]
        except GatewayError as failure:
            failure.before = [event for each in failure.before for event in made(each)] + self._answering.released()
            raise

    @property
    def has_content(self) -> bool:
        """Whether content came."""
        return self._decoder.has_content and not self._answering.is_holding

    @property
    def is_done(self) -> bool:
        """Whether the stream announced its end."""
        return self._decoder.is_done

    @property
    def usage(self) -> types_pb2.Usage | None:
        """The last that was reported."""
        return self._decoder.usage

    @property
    def output_chars(self) -> int:
        """Characters of delivered text."""
        return self._decoder.output_chars

    @property
    def chunks(self) -> int:
        """Frames that were read."""
        return self._decoder.chunks
