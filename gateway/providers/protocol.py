"""aiohttp's client connection, mended: readers hear of every failure, and nobody gets the answer of another.

Rules:
    - A body whose coding breaks (a malformed chunk) fails at once. aiohttp 3.14 keeps that error to itself: a reader
      that waits for bytes would wait until a clock runs out, a later one would see a RuntimeError.
    - A connection on which an answer came that nobody asked for is not used again: the next caller would get that
      answer, and everybody after him the one of another.
Not here:
    - What a failure means, clocks, pools (transport).
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from gateway.core.few import Few


class Connection(ResponseHandler):
    """One connection to a provider."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        queue: Any = Few()  # of responses that nobody took yet
        self._buffer = queue

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The connection failed: so did the body that is being read, unless it is whole or knows already."""
        body: Any = self._payload
        super().set_exception(exc, *cause)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError(f"{type(exc).__name__}: {exc}"))

    def is_connected(self) -> bool:
        """Whether it may be used; the pool asks before it gives an idle one away, and closes it if not."""
        return not self._buffer and super().is_connected()


class Connector(aiohttp.TCPConnector):
    """A pool of such connections; the arguments are TCPConnector's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        factory: Any = functools.partial(Connection, loop=self._loop)
        self._factory = factory
