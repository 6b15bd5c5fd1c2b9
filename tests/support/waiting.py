"""Waiting for a condition, bounded.

Rules: nothing here sleeps for a fixed time and hopes; a wait that fails says what was waited for and what it last saw.
Not here: timeouts of a whole test (pytest-timeout).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

PATIENCE_S = 30.0
"""How long a test waits for what must come: shared machines stand still for seconds. It costs nothing where nothing is
wrong, and is less than any time limit of the product's own that would end the wait by itself (60 s and more)."""

_PORTS = (20_000, 32_000)
_WORKERS = 8


async def eventually(
    check: Callable[[], Any | Awaitable[Any]], what: str = "", *, within_s: float = PATIENCE_S, every_s: float = 0.01
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
    """A port of 127.0.0.1 nobody listens on now, outside the range from which the system takes ports by itself.

    Never the same twice in one process, and never one that another process of this test run may be given.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def _own_ports() -> Iterator[int]:
    """The ports of this worker of pytest-xdist, from a random place on: the run before may still hold some."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    own = range(_PORTS[0] + worker, _PORTS[1], _WORKERS)
    start = random.SystemRandom().randrange(len(own))
    yield from own[start:]
    yield from own[:start]


_ports = _own_ports()
