"""One POST with a small body, without what aiohttp's session does for requests in general.

Rules:
    - Pool, TLS and parser are aiohttp's; left out are cookies, redirects, proxies, middlewares, traces, merging of
      headers, the task that writes a body, and its response: head and body leave in one write.
    - A body over `SMALL_BODY_BYTES` is left to the session, which minds that an answer may come before it was sent.
    - No line break passes from a header into the head.
    - A connection is free again the moment its response is whole, before anybody read it.
    - On any failure, and on cancel, the connection is closed.
Why: the session's part of a request is 17 of 56 us in a hot loop, one tenth of a call's CPU time (docs/performance.md).
Not here:
    - What the failures mean, clocks (transport).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol

import aiohttp
from aiohttp.helpers import TimerNoop
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

SMALL_BODY_BYTES = 65_536
READ_BUFFER_BYTES = 65_536
SWITCHED = 101  # the one informational status that is final

_OWN_HEADERS = ("host", "authorization")  # what the URL itself says, unless the configuration says otherwise
_NO_TIMER: Final = TimerNoop()


class Held(Protocol):
    """What an answer comes over."""

    def release(self) -> Any:
        """The answer was read to its end. The second call does nothing."""
        ...

    def close(self) -> None:
        """Close the connection, unless it was released."""
        ...


class Answer(NamedTuple):
    """A response whose head has arrived. Whoever gets it releases or closes `connection`."""

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    connection: Held


class _Where(aiohttp.ClientRequest):
    """Never sent: tells the connector where to connect, which is the same for every call."""

    @cached_property
    def connection_key(self) -> Any:
        """The key of the pool, made once."""
        return super().connection_key


class Target:
    """A URL to post to: where to connect, and the beginning of every head. Belongs to the running loop.

    ValueError when the text is no URL.
    """

    __slots__ = ("_headers", "_lines", "_own", "_request", "_start", "url")

    def __init__(self, text: str) -> None:
        self.url = URL(text, encoded=True)
        self._request = _Where("POST", self.url, loop=asyncio.get_running_loop())
        own = self._request.headers
        self._own = tuple((name, own[name]) for name in _OWN_HEADERS if name in own)
        self._start = f"POST {self.url.raw_path_qs} HTTP/1.1\r\n"
        self._headers: dict[str, str] | None = None  # of the call before
        self._lines = ""

    async def post(
        self, connector: aiohttp.BaseConnector, headers: Mapping[str, str], body: bytes, timeout: aiohttp.ClientTimeout
    ) -> Answer:
        """Send and wait for the response's head.

        Raises TimeoutError when no connection was made in time; aiohttp.ClientError, OSError and ValueError as a
        session does.
        """
        if headers != self._headers:
            self._lines = self._written(headers)
            self._headers = dict(headers)
        head = f"{self._start}{self._lines}content-length: {len(body)}\r\n\r\n".encode()
        connection = await connector.connect(self._request, [], timeout)
        protocol = connection.protocol
        transport = None if protocol is None else protocol.transport
        if protocol is None or transport is None:  # it broke the moment it was taken
            connection.close()
            raise aiohttp.ServerDisconnectedError
        try:
            protocol.set_response_params(timer=_NO_TIMER, read_until_eof=True, read_bufsize=READ_BUFFER_BYTES)
            transport.write(head + body)
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != SWITCHED:  # informational: another one follows
                message, content = await protocol.read()
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                self._request.request_info, (), status=error.code, message=error.message, headers=error.headers
            ) from error
        except BaseException:
            connection.close()
            raise
        content.on_eof(connection.release)
        return Answer(message.code, message.headers, content, connection)

    def _written(self, headers: Mapping[str, str]) -> str:
        """The lines of these headers. ValueError for what would be two lines."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
            raise ValueError("a header of the provider's configuration holds a line break or a NUL")
        return "".join([f"{name}: {value}\r\n" for name, value in self._own if name not in headers]) + lines
