"""The listeners of a frontend: connections, their limits and clocks, and the end of their lives.

Rules:
    - What is not HTTP/1.1 is answered with the OpenAI error object and closed, never with a page of the framework.
    - A request head has `headers_timeout_s` to arrive and `headers_max_bytes` to fit; an idle connection `keepalive_s`.
    - Connections beyond `max_connections` are told 503; far beyond, or beyond `max_connections_per_peer`, closed at
      once.
    - Drain: stop accepting, close idle connections, let running requests finish within the bound, then cut the rest
      with an explicit error.

Not here: what a request means (edge.py).
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import StreamReader, http_exceptions, web

from gateway.core.errors import GatewayError, Kind
from gateway.core.few import Few
from gateway.frontend import answer
from gateway.frontend.edge import Edge, Written
from gateway.frontend.observer import Observation
from gateway.frontend.settings import DEFAULT_PROFILE, Http

LINGER_S = 1.0  # how long what a refused request still sends is read and dropped, so that it can read its answer
SURPLUS = 1.25  # connections beyond max_connections that still get an answer


class Refused(Written):
    """The answer to what could not be read: its reader gets a moment before the connection closes."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Wait for the client to close; a connection closed over unread bytes would take the answer with it."""
        await asyncio.sleep(LINGER_S)


class EdgeServer(web.Server):
    """Makes a protocol for each connection and times the request heads."""

    def __init__(self, edge: Edge, http: Http, profile: str, siblings: list[EdgeServer] | None = None) -> None:
        self.siblings = [] if siblings is None else siblings  # all listeners of this frontend
        self.siblings.append(self)
        self.peers: Counter[str] = Counter() if siblings is None else self.siblings[0].peers  # connections by address
        line_max_bytes = min(http.headers_max_bytes, 65_536)
        self.edge = edge
        self.http = http
        self._unread: dict[EdgeProtocol, float] = {}  # connections that owe a request head, since when
        self._timer: asyncio.TimerHandle | None = None
        self._closing: dict[asyncio.Transport, int] = {}  # closing over unsent bytes, how many at the last look
        self._sweeper: asyncio.TimerHandle | None = None
        super().__init__(
            partial(edge, profile=profile) if profile != "default" else edge,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=http.keepalive_s,
            auto_decompress=False,
            lingering_time=LINGER_S,
            max_line_size=line_max_bytes,
            max_field_size=line_max_bytes,
        )

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        return EdgeProtocol(self, loop=self._loop, **self._kwargs)

    @property
    def connection_count(self) -> int:
        """Connections now open."""
        return len(self._connections)

    @property
    def frontend_connection_count(self) -> int:
        """Connections now open at all listeners together."""
        return sum(each.connection_count for each in self.siblings)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count the connection in, and look after it until it is gone."""
        super().connection_made(handler, transport)
        if self._sweeper is None:
            self._sweep()

    def _sweep(self) -> None:
        """Abort what has been closing for `stalled_for_s` without sending a byte: nothing else would end it."""
        self._sweeper = None
        now = {
            transport: transport.get_write_buffer_size()
            for transport in self._connections.values()
            if transport.is_closing()
        }
        for transport, unsent_bytes in now.items():
            if self._closing.get(transport) == unsent_bytes:
                transport.abort()
        self._closing = now
        if self._connections:
            self._sweeper = self._loop.call_later(self.edge.settings().http.stalled_for_s, self._sweep)

    def await_head(self, protocol: EdgeProtocol) -> None:
        """Start the clock of a request head."""
        if protocol not in self._unread:
            self._unread[protocol] = time.monotonic()
            if self._timer is None:
                self._start_timer()

    def has_head(self, protocol: EdgeProtocol) -> None:
        """Stop the clock of a request head."""
        self._unread.pop(protocol, None)

    def _start_timer(self) -> None:
        period_s = max(0.05, min(1.0, self.edge.settings().http.headers_timeout_s / 4))
        self._timer = self._loop.call_later(period_s, self._look)

    def _look(self) -> None:
        self._timer = None
        oldest_s = time.monotonic() - self.edge.settings().http.headers_timeout_s
        for protocol, since_s in list(self._unread.items()):
            if since_s > oldest_s:
                break  # the dictionary is in order of time
            del self._unread[protocol]
            protocol.head_is_late()
        if self._unread:
            self._start_timer()


class EdgeProtocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_address", "_body", "_edge_server", "_head_bytes", "_was_held", "is_surplus")

    def __init__(self, server: EdgeServer, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        queue: Any = Few()  # of requests that wait for the answer of an earlier one
        self._messages = queue
        self._max_msg_queue_size -= 1  # the parser, which stops at as many, may count one taken before it was whole
        self._edge_server = server
        self._head_bytes = 0
        self._body: StreamReader | None = None  # of the last request, until its last byte came
        self._was_held = False  # reading was paused once: somebody read a body more slowly than it came
        self.is_surplus = False
        self._address = ""  # once it counts for its share

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are far too many."""
        server = self._edge_server
        self.is_surplus = server.frontend_connection_count >= server.http.max_connections
        super().connection_made(transport)
        if server.frontend_connection_count > server.http.max_connections * SURPLUS + 1 or self._is_of_a_crowd():
            self.force_close()
            return
        server.await_head(self)

    def _is_of_a_crowd(self) -> bool:
        """Count the connection under its address; whether that has more than its share."""
        share = self._edge_server.http.max_connections_per_peer
        if share is None or not isinstance(self.peername, tuple):
            return False
        self._address = str(self.peername[0])
        self._edge_server.peers[self._address] += 1
        return self._edge_server.peers[self._address] > share

    def _leave_crowd(self) -> None:
        peers, address = self._edge_server.peers, self._address
        self._address = ""
        if address:
            peers[address] -= 1
            if not peers[address]:
                del peers[address]

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection; a running request is cancelled by the base."""
        self._edge_server.has_head(self)
        self._leave_crowd()
        super().connection_lost(exc)
        self._body = None  # a half-read body knows this connection: the cycle would wait for a full collection

    def data_received(self, data: bytes) -> None:
        """Take bytes; what neither completes a request head nor belongs to a body is counted and timed."""
        if self._close or self._force_close:
            return
        before, is_body = self._request_count, self._body is not None
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]
        if self._body is not None and self._body.is_eof():
            self._body = None
        if self._request_count != before:
            self._head_bytes = 0
            self._edge_server.has_head(self)
            if self._request_in_progress or len(self._messages) > 1:
                self._break_unfinished_body()
        elif not self._request_in_progress and not self._messages and not is_body and data:
            self._head_bytes += len(data)
            self._edge_server.await_head(self)
            if self._head_bytes > self._edge_server.http.headers_max_bytes:
                self._refuse(_HEAD_TOO_LARGE, 431)
                self._close_later()

    def pause_reading(self) -> None:
        """Let the client wait until the reader of its body has caught up."""
        self._was_held = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # the base has it so
        """Go on: every body asks for it when it is read and when it ends.

        Not only while reading is paused: a body may end before the parser took note of the pause, which then stops
        within the next one.
        """
        if self._was_held:
            super().resume_reading(resume_parser)

    def _break_unfinished_body(self) -> None:
        """When a message follows a body that has not ended, it is a parse error: whoever reads that body must know."""
        if len(self._messages) > 1:
            payload = self._messages[-2][1]
        elif self._current_request is not None:
            payload = self._current_request.content
        else:
            return
        if not payload.is_eof():
            payload.set_exception(web.RequestPayloadError("the body is malformed"))

    def head_is_late(self) -> None:
        """The clock of the request head ran out."""
        if self._head_bytes:
            self._refuse(GatewayError(Kind.REQUEST_TIMEOUT, "The request head did not arrive in time."))
            self._close_later()
        else:
            self.force_close()

    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return not (self._request_in_progress or self._messages or self._body or self._head_bytes)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as a request; aiohttp calls this in place of the handler."""
        if isinstance(exc, http_exceptions.LineTooLong):
            self._refuse(_HEAD_TOO_LARGE, 431)
        elif isinstance(exc, http_exceptions.HttpProcessingError):
            self._refuse(_NOT_HTTP, 400)
        else:
            self.log_exception("the edge failed", exc_info=exc)
            self._refuse(GatewayError(Kind.INTERNAL, "The gateway failed."))
        return Refused(keep_alive=False)

    def _refuse(self, error: GatewayError, status: int = 0) -> None:
        """Write an error answer outside of any request, and the end; what still comes is read and dropped."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        table_status, body, lines = answer.failure(error, DEFAULT_PROFILE)
        head = answer.head(status or table_status, answer.JSON, len(body), f"{lines}connection: close\r\n")
        transport.write(head + body)
        self._edge_server.edge.observer(_unread_request(error, status or table_status, len(head) + len(body)))
        self.close()
        if transport.can_write_eof():
            transport.write_eof()

    def _close_later(self) -> None:
        self._loop.call_later(LINGER_S, self.force_close)


_HEAD_TOO_LARGE = GatewayError(
    Kind.INVALID_REQUEST,
    "The request head is larger than the limit (http.headers_max_bytes).",
    code="headers_too_large",
)
_NOT_HTTP = GatewayError(Kind.INVALID_REQUEST, "The request is not valid HTTP/1.1.", code="invalid_http")


def _unread_request(error: GatewayError, status: int, sent_bytes: int) -> Observation:
    return Observation(
        request_id="",
        route="unknown",
        method="",
        status=status,
        outcome="error",
        error=error.kind.name,
        seconds=0.0,
        is_stream=False,
        ttft_s=None,
        chunks=0,
        received_bytes=0,
        sent_bytes=sent_bytes,
        peer="",
    )


@dataclass(frozen=True, slots=True)
class Running:
    """Listeners that accept connections: the main one at `url`, further ones by name in `urls`."""

    edge: Edge
    port: int
    url: str
    urls: Mapping[str, str]
    _open: tuple[tuple[asyncio.Server, EdgeServer], ...]

    @property
    def connection_count(self) -> int:
        """Connections now open."""
        return sum(server.connection_count for _, server in self._open)

    async def drain(self, timeout_s: float, announce_s: float = 0.0) -> None:
        """Say not ready for `announce_s`; then take no new connection, and cut what runs after `timeout_s` more.

        Both in seconds.
        """
        self.edge.begin_drain()
        await asyncio.sleep(announce_s)
        for listening, _ in self._open:
            listening.close()
        deadline_s = time.monotonic() + timeout_s
        while self.connection_count and time.monotonic() < deadline_s:
            self._close_idle()
            await asyncio.sleep(min(0.05, max(0.0, deadline_s - time.monotonic())))
        self.edge.cut_all()
        await asyncio.sleep(0)
        await asyncio.gather(*(server.shutdown(1.0) for _, server in self._open))

    def _close_idle(self) -> None:
        for _, server in self._open:
            for protocol in server.connections:
                if isinstance(protocol, EdgeProtocol) and protocol.is_idle():
                    protocol.force_close()


async def serve(
    edge: Edge,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    reuse_port: bool = False,
    listener: socket.socket | None = None,
) -> Running:
    """Listen on `host:port` (0: any free port) or on `listener`, a bound socket, and on `http.listeners`.

    OSError when one of them cannot be had; then none is open.
    """
    http = edge.settings().http
    main = EdgeServer(edge, http, http.profile)
    opened: list[tuple[asyncio.Server, EdgeServer]] = []
    loop = edge.loop = asyncio.get_running_loop()
    try:
        if listener is not None:
            opened.append((await loop.create_server(main, sock=listener, backlog=http.backlog), main))
        else:
            opened.append((await _listen(main, host, port, reuse_port=reuse_port), main))
        urls = {}
        for name, given in http.listeners.items():
            server = EdgeServer(edge, http, str(given["profile"]), main.siblings)
            opened.append((await _listen(server, given["host"], given["port"], reuse_port=reuse_port), server))
            urls[name] = _url(given["host"], opened[-1][0])
    except OSError:
        for listening, _ in opened:
            listening.close()
        raise
    url = _url(host, opened[0][0])
    return Running(edge, _port(opened[0][0]), url, urls, tuple(opened))


async def _listen(server: EdgeServer, host: str, port: int, *, reuse_port: bool) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        server, host, port, backlog=server.http.backlog, reuse_port=reuse_port or None, reuse_address=True
    )


def _port(listening: asyncio.Server) -> int:
    bound = listening.sockets[0].getsockname()
    return bound[1] if isinstance(bound, tuple) else 0


def _url(host: str, listening: asyncio.Server) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{_port(listening)}"
