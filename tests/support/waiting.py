"""Waiting for a condition, bounded.

Rules: nothing here sleeps for a fixed time and hopes; a wait that fails says what was waited for and what it last saw.
Not here: timeouts of a whole test (pytest-timeout).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

_PORTS = (20_000, 31_999)


async def eventually(
    check: Callable[[], Any | Awaitable[Any]], what: str = "", *, within_s: float = 5.0, every_s: float = 0.01
) -> Any:
    """Call `check` (a function or a coroutine function) until its value is true, and return it.

    Raises AssertionError, with the last value, after `within_s`.
    """
    until_s = time.monotonic() + within_s
    while True:
        found = check()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        if time.monotonic() > until_s:
            raise AssertionError(
                f"not within {within_s:g} s: {what or inspect.getsource(check).strip()}; last: {value!r}"
            )
        await asyncio.sleep(every_s)


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on now, outside the range from which the system takes ports by itself."""
    for _ in range(100):
        port = random.randint(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
