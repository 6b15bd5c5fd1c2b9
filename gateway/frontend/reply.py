"""The answer to one request: when it is written, how fast its reader may be, what is told about it.

Rules:
    - A head is sent once: with the whole body, or with the first batch of a stream.
    - Only `end_stream` writes the end mark and the end of the chunked coding; a stream that fails lacks both, so that
      the cut is visible to a client that understands neither.
    - Everything an event batch holds goes out in one write; a slow reader holds up only its own reply.

Not here: what is in it (answer.py), who asks (edge.py), the clocks of slow readers (watch.py).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import HttpVersion11, web

from gateway.core.errors import GatewayError
from gateway.frontend import answer, new_api_errors, voice
from gateway.frontend.bodies import Bodies, Hold
from gateway.frontend.observer import Observation

if TYPE_CHECKING:
    from gateway.frontend.settings import Http, Profile
    from gateway.frontend.watch import Watch

_NO_HEADERS: Mapping[str, str] = {}
_NOTHING: deque[bytes] = deque(maxlen=0)  # of all requests whose body was read


class Reply:
    """One request and the answer being written; it is of no use after its request is handled.

    `voice` is the client's format, `headers` are what the call said in its head, `accepted_s` is when the request was
    understood, `outcome` is as in `Observation`.
    """

    __slots__ = (
        "_buffered_bytes",
        "_is_chunked",
        "_lines",
        "_watch",
        "accepted_s",
        "chunks",
        "error",
        "has_begun",
        "headers",
        "hold",
        "http",
        "is_stream",
        "keep_alive",
        "last_write_s",
        "outcome",
        "profile",
        "received_bytes",
        "request",
        "request_id",
        "route",
        "sent_bytes",
        "stalled_since_s",
        "started_s",
        "status",
        "task",
        "ttft_s",
        "voice",
    )

    def __init__(
        self,
        request: web.BaseRequest,
        request_id: str,
        http: Http,
        profile: Profile,
        watch: Watch,
        bodies: Bodies,
        task: asyncio.Task[None] | None,
        *,
        keep_alive: bool,
    ) -> None:
        self.started_s = self.accepted_s = time.perf_counter()
        self.request = request
        self.request_id = request_id
        self.http = http
        self.profile = profile
        self.keep_alive = keep_alive
        self.headers: Mapping[str, str] = {}
        self.voice = voice.OPENAI
        self.route = "unknown"
        self.status = 499
        self.outcome = "cancelled"
        self.error = ""
        self.is_stream = self.has_begun = False
        self.ttft_s: float | None = None
        self.chunks = self.received_bytes = self.sent_bytes = 0
        self.last_write_s = self.stalled_since_s = 0.0
        self.task = task
        self.hold = Hold(bodies, http.bodies_max_bytes)
        self._watch = watch
        self._is_chunked = False
        self._buffered_bytes = 0
        self._lines = f"x-request-id: {request_id}\r\n"
        if http.cors.allow_origins:
            self._lines += answer.cors_lines(http.cors, request.headers.get("origin"))
        if profile.request_id_header is not None:
            self._lines += f"{profile.request_id_header}: {request_id}\r\n"

    def speak(self, spoken: voice.Voice) -> None:
        """From here on, answer in the format of this voice."""
        self.voice = spoken
        if spoken.id_header:
            self._lines += f"{spoken.id_header}: {self.request_id}\r\n"

    def call_lines(self, more: Mapping[str, str] | None = None) -> str:
        """The header lines of what the call said, and `more`."""
        headers = self.voice.headers({**self.headers, **more} if more else self.headers, self.profile)
        return answer.header_lines(headers, self.profile)

    def elapsed_ms(self) -> float:
        """Milliseconds since the request's head was read."""
        return (time.perf_counter() - self.started_s) * 1000

    async def send(self, status: int, content_type: str, body: bytes, lines: str = "") -> None:
        """Write a whole answer and wait until its reader took enough of it; `lines` are further header lines."""
        self._begin(status)
        head = answer.head(status, content_type, len(body), lines + self._common_lines())
        self._write(head if self.request.method == "HEAD" else head + body)
        self.outcome = "complete" if status < 400 else "error"
        if self.is_paused():
            await self.drain()

    async def fail(self, error: GatewayError) -> None:
        """Say that the call failed: an error answer, or the event that cuts a stream which has begun."""
        self.error = error.kind.name
        if self.has_begun:
            self.keep_alive = False
            self.outcome = "error"
            if self.is_stream:
                data = self._error_voice().error_event(error, self.request_id)
                self._write(answer.chunk(data) if self._is_chunked else data)
            return
        status, body, lines = self._error_voice().failure(error, self.profile, self.request_id)
        lines += self.call_lines(error.headers)
        if self.http.has_server_timing and (stages := error.trailers.get("server-timing")):
            lines += answer.timing_line(stages)
        await self.send(status, answer.JSON, body, lines)

    def _error_voice(self) -> voice.Voice:
        return self.voice if self.profile.error_style == "openai" else new_api_errors.styled(self.voice)

    def write_events(self, data: bytes, count: int) -> None:
        """Write the frames of one batch of `count` events; the first batch carries the head of the answer."""
        self.chunks += count
        if self.has_begun:
            self._write(answer.chunk(data) if self._is_chunked else data)
        else:
            self._begin_stream(data)

    def end_stream(self, mark: bytes = answer.DONE) -> None:
        """Write the format's end mark and the end of the answer: the call is complete."""
        if not self.has_begun:
            self._begin_stream(b"")
        if self._is_chunked:
            self._write((answer.chunk(mark) if mark else b"") + b"0\r\n\r\n")
        elif mark:
            self._write(mark)
        self.outcome = "complete"

    def ping(self) -> None:
        """Write what says nothing, so that nothing between here and the reader takes the stream for dead."""
        ping = self.voice.ping
        self._write(answer.chunk(ping) if self._is_chunked else ping)

    def is_paused(self) -> bool:
        """Whether the reader is so far behind that the next write must wait."""
        return self.request.protocol.writing_paused

    async def drain(self) -> None:
        """Wait until the reader has caught up; the watch ends the connection if it does not."""
        self._watch.add(self)
        self.stalled_since_s = time.monotonic()
        self._buffered_bytes = self._transport().get_write_buffer_size()
        try:
            await self.request.writer.drain()
        finally:
            self.stalled_since_s = 0.0

    def is_stalled(self, now_s: float) -> bool:
        """Whether the reader took nothing for `stalled_for_s`; taking something since the last look starts it anew."""
        transport = self.request.transport
        if not self.stalled_since_s or transport is None:
            return False
        buffered_bytes = transport.get_write_buffer_size()
        if buffered_bytes < self._buffered_bytes:
            self._buffered_bytes = buffered_bytes
            self.stalled_since_s = now_s
        return now_s - self.stalled_since_s >= self.http.stalled_for_s

    def abort(self, outcome: str) -> None:
        """End the connection at once; the handler is cancelled by that."""
        self.outcome = outcome
        if self.request.transport is not None:
            self.request.transport.abort()

    def observation(self) -> Observation:
        """What is to be told about this request, once it is over."""
        return Observation(  # in order: names would double its price
            self.request_id,
            self.route,
            self.request.method,
            self.status,
            self.outcome,
            self.error,
            time.perf_counter() - self.started_s,
            self.is_stream,
            self.ttft_s,
            self.chunks,
            self.received_bytes,
            self.sent_bytes,
            _host(self.request.protocol.peername),
        )

    def _begin(self, status: int) -> None:
        self.has_begun = True
        self.hold.release()
        self.status = status
        content: Any = self.request.content
        if not content.is_eof():
            self.keep_alive = False  # the rest of the body is not worth reading
        elif self.is_stream:
            content._buffer = _NOTHING  # noqa: SLF001 - all of it was read; an empty queue is 0.7 KB

    def _begin_stream(self, data: bytes) -> None:
        self.is_stream = True
        self._begin(200)
        self.ttft_s = time.perf_counter() - self.started_s
        self._is_chunked = self.request.version >= HttpVersion11
        if not self._is_chunked:
            self.keep_alive = False
        lines = "cache-control: no-cache\r\nx-accel-buffering: no\r\n"
        lines += self.call_lines() + self._common_lines()
        self.headers = _NO_HEADERS  # they are said, and a stream may stay open for hours
        head = answer.stream_head(200, lines, is_chunked=self._is_chunked, content_type=self.voice.stream_type)
        high = self.http.stream_buffer_max_bytes
        self._transport().set_write_buffer_limits(high=high, low=high // 4)
        self._write(head + answer.chunk(data) if self._is_chunked and data else head + data)
        self._watch.add(self)

    def _common_lines(self) -> str:
        if not self.keep_alive:
            return f"{self._lines}connection: close\r\n"
        if self.request.version < HttpVersion11:
            return f"{self._lines}connection: keep-alive\r\n"
        return self._lines

    def _transport(self) -> asyncio.Transport:
        transport = self.request.protocol.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        return transport

    def _write(self, data: bytes) -> None:
        self._transport().write(data)
        self.sent_bytes += len(data)
        if self.is_stream:
            self.last_write_s = time.monotonic()


def _host(peername: object) -> str:
    """The address of a connection's other end, without its port; empty for a unix socket."""
    return str(peername[0]) if isinstance(peername, tuple) else str(peername or "")
