"""The supervisor's loop: one thread that sleeps until a signal or the next restart.

Rules:
    - A child that dies is started again, the first time within 0.1 s; exit code 78 (configuration), or
      `starts_max` failed starts of a child that never ran well, stop everything with an error.
    - SIGTERM and SIGINT: frontends first, when they are gone the service, then the rest; each child with a
      `notice` is given it at once. What is left after `drain_s` is killed, and a second signal kills at once.
      SIGHUP goes to every child.
    - A second signal within `repeat_s` is the same wish: launchers tell a process and its group.
    - No zombies (also of grandchildren when it is process 1), no children left behind.
    - One JSON line on stderr for each start, exit and signal.
Not here:
    - A single child (children), tying children to the supervisor's life (wrap).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from gateway.supervisor.children import EXIT_CONFIGURATION, Child, ChildSpec, Policy

STOP_ORDER = ("frontend", "service", "simulator")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Log = Callable[[dict[str, object]], None]
OnExit = Callable[[ChildSpec, int, int], None]


def to_stderr(line: dict[str, object]) -> None:
    """Print a line of the log."""
    sys.stderr.write(json.dumps({"time": time.time(), "logger": "gateway.supervisor", **line}) + "\n")
    sys.stderr.flush()


def run(
    specs: Sequence[ChildSpec],
    policy: Policy | None = None,
    *,
    on_exit: OnExit | None = None,
    log: Log = to_stderr,
) -> int:
    """Run children until SIGTERM or SIGINT (returns 0) or until one is hopeless (its exit code, at least 1).

    Blocks; must be called on the main thread. `on_exit(spec, pid, code)` runs after each exit, code
    negative for a signal.
    """
    supervisor = _Supervisor(specs, policy or Policy(), on_exit, log)
    with _signals() as wait:
        return supervisor.run(wait)


class _Supervisor:
    def __init__(self, specs: Sequence[ChildSpec], policy: Policy, on_exit: OnExit | None, log: Log) -> None:
        self._children = [Child(spec, policy) for spec in specs]
        self._policy = policy
        self._on_exit = on_exit
        self._log = log
        self._exit_code = 0
        self._drain_until_s: float | None = None
        self._told_at_s: float | None = None

    def run(self, wait: Callable[[float | None], list[int]]) -> int:
        while not self._is_over():
            self._start_due()
            self._stop_next()
            for number in wait(self._sleep_s()):
                self._take(number)
            self._reap()
        return self._exit_code

    def _is_over(self) -> bool:
        return self._drain_until_s is not None and not self._running()

    def _running(self) -> list[Child]:
        return [child for child in self._children if child.pid is not None]

    def _sleep_s(self) -> float | None:
        """Until the next restart, or the end of the drain; None: until a signal."""
        if self._drain_until_s is not None:
            instants = [self._drain_until_s]
        else:
            instants = [child.restart_at_s for child in self._children if child.restart_at_s is not None]
        return max(0.0, min(instants) - time.monotonic()) if instants else None

    def _start_due(self) -> None:
        now_s = time.monotonic()
        for child in self._children:
            if self._drain_until_s is not None or child.restart_at_s is None or child.restart_at_s > now_s:
                continue
            try:
                pid = child.start(now_s)
            except OSError as error:
                self._exited(child, 0, 1, f"cannot start: {error}")
            else:
                self._say("child started", child, pid=pid, start=child.failed_starts + 1)

    def _take(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop(signal.Signals(number).name)
        elif number == signal.SIGHUP:
            self._log({"level": "info", "event": "reloading"})
            for child in self._running():
                child.signal(signal.SIGHUP)

    def _stop(self, name: str) -> None:
        now_s = time.monotonic()
        if self._told_at_s is not None and now_s - self._told_at_s < self._policy.repeat_s:
            return
        self._told_at_s = now_s
        self._log({"level": "info", "event": "stopping", "signal": name})
        self._drain(0.0 if self._drain_until_s is not None else self._policy.drain_s)

    def _drain(self, drain_s: float) -> None:
        is_first = self._drain_until_s is None
        self._drain_until_s = time.monotonic() + drain_s
        for child in self._running() if is_first else ():
            if child.spec.notice is not None:
                child.signal(child.spec.notice)

    def _stop_next(self) -> None:
        """While draining: tell the first role that still runs to finish; kill everything when time is up."""
        if self._drain_until_s is None:
            return
        running = self._running()
        if time.monotonic() >= self._drain_until_s:
            for child in running:
                self._say("child killed: still running after the drain", child, level="warning", pid=child.pid)
                child.signal(signal.SIGKILL)
            self._drain_until_s += self._policy.drain_s or 1.0
            return
        stopping = min((STOP_ORDER.index(child.spec.role) for child in running), default=None)
        for child in running:
            if STOP_ORDER.index(child.spec.role) == stopping and not child.is_told:
                child.is_told = True
                child.signal(signal.SIGTERM)

    def _reap(self) -> None:
        """Collect every process that ended, known or inherited."""
        by_pid = {child.pid: child for child in self._running()}
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid in by_pid:
                    self._exited(by_pid[pid], pid, os.waitstatus_to_exitcode(status))

    def _exited(self, child: Child, pid: int, code: int, why: str = "") -> None:
        lived_s = child.exited(code, time.monotonic())
        is_expected = self._drain_until_s is not None
        level = "info" if is_expected else "error"
        self._say("child exited", child, level=level, pid=pid, code=code, lived_s=round(lived_s, 3), why=why)
        if self._on_exit is not None:
            self._on_exit(child.spec, pid, code)
        if not is_expected and (code == EXIT_CONFIGURATION or child.is_hopeless):
            self._give_up(child, code)

    def _give_up(self, child: Child, code: int) -> None:
        why = "its configuration is wrong" if code == EXIT_CONFIGURATION else "it cannot be started"
        self._say(f"giving up: {why}; see its messages above", child, level="critical", code=code)
        self._exit_code = code if code > 0 else 1
        self._drain(self._policy.drain_s)

    def _say(self, event: str, child: Child, *, level: str = "info", **more: object) -> None:
        told = {name: value for name, value in more.items() if value != ""}
        self._log({"level": level, "event": event, "child": child.spec.name, **told})


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[float | None], list[int]]]:
    """A function that sleeps up to so many seconds (None: for ever) and returns the signals that came."""
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # whoever became this process may have held them back

    def wait(timeout_s: float | None) -> list[int]:
        ready, _, _ = select.select([receiver], [], [], timeout_s)
        return list(receiver.recv(4096)) if ready else []

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        receiver.close()
        sender.close()
