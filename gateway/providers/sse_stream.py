"""One stream of server-sent events from a provider: what every dialect that speaks them does alike.

Rules:
    - The first failure ends the stream and carries the events that came whole before it.
    - After the end mark nothing is read; half a frame at the end of the body is no event, whatever it holds.
    - An event costs one call, `_event`, and what that does: this is the hot path of every stream.
Not here:
    - Bytes to frames (wire.sse); what a frame means (the dialects); Bedrock's frames, which are not these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from gateway.core.errors import GatewayError, Kind
from gateway.providers.upstream import unusable
from gateway.rpc.contract import Event
from gateway.wire.json import JsonInvalid
from gateway.wire.openai.chunks import is_content
from gateway.wire.pb import chat_pb2
from gateway.wire.sse import SseEvent, SseParser, SseTooLarge


class SseStream(ABC):
    """One stream; see `StreamDecoder`, whose `usage` each dialect has in its own way."""

    __slots__ = ("_sse", "_text_of", "chunks", "has_content", "is_done", "output_chars")

    def __init__(self, max_bytes: int, text_of: Callable[[bytes], str | None] | None = None) -> None:
        self._sse = SseParser(max_bytes)
        self._text_of = text_of  # knows at once the text of a frame without a name that is nothing else
        self.has_content = False
        self.is_done = False
        self.output_chars = 0
        self.chunks = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events they complete."""
        try:
            return self._decode(self._sse.feed(data))
        except SseTooLarge as error:
            raise _too_large(error) from error

    def finish(self) -> list[Event]:
        """The stream ended: complete, or STREAM_CUT."""
        try:
            last = self._sse.finish() if not self.is_done else []
        except SseTooLarge as error:
            raise _too_large(error) from error
        if self._sse.incomplete:  # only an end mark needs no blank line behind it
            last = [frame for frame in last if self._is_control(frame.data)]
        events = self._decode(last)
        if not self._is_whole():
            raise GatewayError(Kind.STREAM_CUT, "The provider's stream ended before the answer was complete.")
        return events

    @abstractmethod
    def _event(self, frame: SseEvent) -> str | Sequence[Event]:
        """What a frame says: a text, or the events it makes. Raises GatewayError, JsonInvalid, UnicodeDecodeError."""

    def _is_control(self, data: bytes) -> bool:
        """Whether data that is no JSON object is no event either, such as an end mark; notes what it says."""
        return not data.strip()

    def _is_whole(self) -> bool:
        """Whether a stream that ends here is complete."""
        return self.is_done

    def _decode(self, frames: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        text_of = self._text_of
        for frame in frames:
            if self.is_done:
                break
            name, data, _, _ = frame
            if text_of is not None and name is None and (text := text_of(data)) is not None:
                self.chunks += 1
                if text:
                    self.output_chars += len(text)
                    self.has_content = True
                events.append(text)
                continue
            if data[:1] != b"{" and self._is_control(data):
                continue
            try:
                event = self._event(frame)
            except GatewayError as failure:
                failure.before = events
                raise
            except (JsonInvalid, UnicodeDecodeError) as error:
                broken = unusable(f"an event of its stream is not JSON: {error}")
                broken.before = events
                raise broken from error
            if type(event) is str:
                events.append(event)
            else:
                events += event
        return events

    def _count(self, chunk: chat_pb2.ChatChunk) -> None:
        """Count what a chunk delivers."""
        self.output_chars += sum(
            len(block.text) + len(block.tool.arguments) for choice in chunk.choices for block in choice.delta.blocks
        )
        self.has_content = self.has_content or is_content(chunk)


def _too_large(error: SseTooLarge) -> GatewayError:
    return unusable(f"{error} (chunk_max_bytes)")
