"""Waiting for a condition, bounded.

Rules: nothing here sleeps for a fixed time and hopes; a wait that fails says what was waited for and what it last saw.
Not here: timeouts of a whole test (pytest-timeout).
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any


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
    """A port of 127.0.0.1 nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
