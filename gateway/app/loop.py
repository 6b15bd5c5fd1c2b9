"""Running one role on an event loop: which loop, which signals, which exit code.

Rules:
    - SIGTERM and SIGINT ask for a stop once; the second one ends the process at once.
    - Exit codes: 0 stopped as asked, 78 configuration or address cannot be used, 1 anything else.
Not here:
    - What a role does between start and stop (service, frontend, single).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from gateway.observe.log import Log

EXIT_CONFIGURATION = 78


def run(main: Callable[[], Coroutine[Any, Any, int]], event_loop: str = "auto") -> int:
    """Run a role to its end; `event_loop` is auto, asyncio or uvloop."""
    gc.set_threshold(50_000, 20, 20)  # the hot path makes much short-lived garbage and hardly a cycle
    sys.setswitchinterval(0.001)  # gRPC's polling thread waits for the loop's: 5 ms (the default) is added p99
    try:
        with asyncio.Runner(loop_factory=_factory(event_loop)) as runner:
            return runner.run(_unlisted(main))
    except KeyboardInterrupt:
        return 0


async def _unlisted(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run `main` on a loop that keeps no list of generators: nobody leaves one open (`aclosing`), and a list of those
    of every call costs 2 us of each. One that is forgotten after all is still closed when it is collected.
    """
    sys.set_asyncgen_hooks(firstiter=None)
    return await main()


def _factory(event_loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if event_loop == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if event_loop == "uvloop":
            raise
        return None
    return uvloop.new_event_loop


@contextlib.asynccontextmanager
async def signals(
    on_reload: Callable[[], None] | None = None, on_notice: Callable[[], None] | None = None
) -> AsyncGenerator[asyncio.Event, None]:
    """An event that SIGTERM or SIGINT sets; SIGHUP calls `on_reload`, SIGUSR1 (a stop is near) `on_notice`."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            sys.exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    loop.add_signal_handler(signal.SIGHUP, on_reload or (lambda: None))
    loop.add_signal_handler(signal.SIGUSR1, on_notice or (lambda: None))
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            loop.remove_signal_handler(number)


class _LogHandler(logging.Handler):
    """Records of the standard library's loggers, as records of ours."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a record that cannot be formatted is written as it stands."""
        level = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "error", "DEBUG": "debug"}.get(
            record.levelname, "info"
        )
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        extra: dict[str, object] = {
            name: record.__dict__[name] for name in ("request_id", "peer") if name in record.__dict__
        }
        if record.exc_info:
            extra["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._log.write(level, record.name, message=message, **extra)


def adopt_logging(log: Log) -> None:
    """Send what libraries log (warnings and worse) through `log`."""
    root = logging.getLogger()
    root.handlers[:] = [_LogHandler(log)]
    root.setLevel(logging.WARNING)
