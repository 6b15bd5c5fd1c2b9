"""What a dialect is made of: the shapes every upstream wire format fills in.

Rules:
    - A dialect is a module with `NAME`, `encode`, `decode_reply`, `usage_of_reply`, `stream_decoder` and `classify`:
      pure functions and one pure object; registry.py lists them.
    - A decoder gives events as they come and says at the end whether the stream was complete.
Not here:
    - Sockets and clocks (transport); deciding what to try next (pipeline.attempts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.rpc.contract import Event, Method
from gateway.wire import json
from gateway.wire.pb import types_pb2

STREAM_MEDIA_TYPES = frozenset(("text/event-stream", "application/vnd.amazon.eventstream"))
ERROR_BODY_MAX_BYTES = 65_536
TEXT_MAX_CHARS = 500
WAIT_MAX_S = 1e9  # a third of a century: beyond it a provider means nothing


class UpstreamRequest(NamedTuple):
    """One HTTP request to a provider. Headers are lower case, and a dictionary of this request alone.

    `unsupported` are paths of what the client sent and the provider's format has no place for; the body lacks it.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    is_stream: bool
    unsupported: tuple[str, ...] = ()


class StreamDecoder(Protocol):
    """One stream of a provider, from bytes to events.

    `has_content` turns true with the first content; `usage` is the last that was reported;
    `output_chars` counts delivered text; `is_done` says that the stream announced its end.
    """

    has_content: bool
    is_done: bool
    usage: types_pb2.Usage | None
    output_chars: int
    chunks: int

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events they complete.

        Raises GatewayError on an error in the stream; its `before` holds the events that came whole before it.
        """
        ...

    def finish(self) -> list[Event]:
        """The stream ended. Raises GatewayError STREAM_CUT when it was not complete."""
        ...


class Dialect(Protocol):
    """One upstream wire format."""

    NAME: str

    def encode(self, method: Method, request: Message, deployment: Deployment, model: str) -> UpstreamRequest:
        """The HTTP request for a call; `model` is the name the client sent."""
        ...

    def decode_reply(self, method: Method, body: bytes) -> Message:
        """A whole answer. Raises GatewayError PROVIDER_INVALID when it is not of the format."""
        ...

    def usage_of_reply(self, method: Method, body: bytes) -> types_pb2.Usage | None:
        """The usage in a whole answer that its reader gets as it is. Raises as `decode_reply` does."""
        ...

    def stream_decoder(self, method: Method, request: Message, deployment: Deployment) -> StreamDecoder:
        """A decoder for one stream."""
        ...

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """What an answer that is not a success means."""
        ...


def retry_after_s(headers: Mapping[str, str], now_unix_s: float) -> float | None:
    """Seconds a provider asks to wait: `retry-after-ms`, then seconds, then an HTTP date. None = it does not say."""
    if (millis := _number(headers.get("retry-after-ms"))) is not None:
        return millis / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        wait_s = parsedate_to_datetime(value or "").timestamp() - now_unix_s
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait_s) if wait_s < WAIT_MAX_S else None


def answered(body: bytes) -> dict[str, Any]:
    """The JSON object of a whole answer. Raises GatewayError PROVIDER_INVALID."""
    try:
        answer = json.loads(body)
    except json.JsonInvalid as error:
        raise unusable(f"its answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise unusable("its answer is not a JSON object")
    return answer


def embedded(answer: dict[str, Any], decode: Callable[[dict[str, Any]], Message]) -> Message:
    """The embeddings of an answer. Raises GatewayError PROVIDER_INVALID where `decode` finds them wrong."""
    try:
        return decode(answer)
    except (ValueError, OverflowError) as error:
        raise unusable(str(error)) from error


def unusable(why: str) -> GatewayError:
    """PROVIDER_INVALID: an answer that is not of its format."""
    return GatewayError(Kind.PROVIDER_INVALID, f"The provider's answer cannot be used: {why}"[:TEXT_MAX_CHARS])


def sendable(text: str, chars_max: int) -> str:
    """A provider's words as every log and client can take them: cut, and half a surrogate pair becomes `?`."""
    return text[:chars_max].encode("utf-8", "replace").decode()


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < WAIT_MAX_S else None  # also refuses nan and inf
