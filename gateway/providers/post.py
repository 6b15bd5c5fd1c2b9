"""One POST with a small body, without what aiohttp's session does for requests in general.

Rules:
    - Pool, TLS, parser and response are aiohttp's; left out are cookies, redirects, proxies, middlewares, traces,
      merging of headers, and the task that writes a body: head and body leave in one write.
    - A body over `SMALL_BODY_BYTES` is left to the session, which minds that an answer may come before it was sent.
    - No line break passes from a header into the head.
    - On any failure, and on cancel, the connection is closed.
Why: the session's part of a request is 17 of 56 us in a hot loop, one tenth of a call's CPU time (docs/performance.md).
Not here:
    - What the failures mean, clocks (transport).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import aiohttp
from aiohttp.helpers import TimerNoop
from yarl import URL

SMALL_BODY_BYTES = 65_536
READ_BUFFER_BYTES = 65_536

_OWN_HEADERS = ("host", "authorization")  # what the URL itself says, unless the configuration says otherwise
_NO_TIMER: Final = TimerNoop()


class _Sent:
    """What aiohttp asks of the writer of a request that is sent already."""

    output_size = 0


_SENT: Any = _Sent()


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

    __slots__ = ("_info", "_loop", "_own_headers", "_request", "_start", "url")

    def __init__(self, text: str) -> None:
        self.url = URL(text, encoded=True)
        self._loop = asyncio.get_running_loop()
        self._request = _Where("POST", self.url, loop=self._loop)
        self._info = self._request.request_info
        own = {name: self._request.headers[name] for name in _OWN_HEADERS if name in self._request.headers}
        self._start = f"POST {self.url.raw_path_qs} HTTP/1.1\r\n"
        self._own_headers = {name: f"{name}: {value}\r\n" for name, value in own.items()}

    async def post(
        self, connector: aiohttp.BaseConnector, headers: Mapping[str, str], body: bytes, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Send and wait for the response's head. The caller releases or closes the response.

        Raises TimeoutError when no connection was made in time; aiohttp.ClientError, OSError and ValueError as a
        session does.
        """
        head = self._head(headers, len(body))
        connection = await connector.connect(self._request, [], timeout)
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:  # it broke the moment it was taken
            connection.close()
            raise aiohttp.ServerDisconnectedError
        try:
            protocol.set_response_params(timer=_NO_TIMER, read_until_eof=True, read_bufsize=READ_BUFFER_BYTES)
            transport.write(head + body)
            response = aiohttp.ClientResponse(
                "POST",
                self.url,
                writer=None,
                continue100=None,
                timer=_NO_TIMER,
                request_info=self._info,
                traces=[],
                loop=self._loop,
                session=None,  # type: ignore[arg-type]  # asked only for guessing a text's charset
                stream_writer=_SENT,
            )
            return await response.start(connection)
        except BaseException:
            connection.close()
            raise

    def _head(self, headers: Mapping[str, str], body_bytes: int) -> bytes:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
            raise ValueError("a header of the provider's configuration holds a line break or a NUL")
        own = "".join([line for name, line in self._own_headers.items() if name not in headers])
        return f"{self._start}{own}{lines}content-length: {body_bytes}\r\n\r\n".encode()
