"""One child process: how it is started, and what its exits mean for the next start.

Rules:
    - A child has its own process group and no stdin: Ctrl-C in a terminal reaches the supervisor only.
    - The delay before a restart doubles with each early exit and is forgotten after a healthy life.
Not here:
    - Signals, order of stopping, the loop (run).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

EXIT_CONFIGURATION = 78  # sysexits.h EX_CONFIG: a restart would end the same way
WRAP = Path(__file__).with_name("wrap.py")

Role = Literal["frontend", "service", "simulator"]


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running. `env` is added to the supervisor's own; `argv[0]` is looked up on PATH.

    `notice` is a signal that tells it, when everything begins to stop, that its own turn will come.
    """

    name: str
    argv: Sequence[str]
    role: Role
    env: Mapping[str, str] = field(default_factory=dict)
    notice: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """When to restart, when to give up, how long to drain; seconds."""

    drain_s: float = 30.0  # from SIGTERM until what is left is killed
    repeat_s: float = 0.5  # a second SIGTERM within it is taken for the first
    backoff_first_s: float = 0.1
    backoff_max_s: float = 10.0
    healthy_after_s: float = 5.0  # a life so long was not a failed start
    starts_max: int = 5  # failed starts in a row, of a child that was never healthy


class Child:
    """The processes of one spec, one after the other. `restart_at_s` is an instant of the monotonic clock."""

    def __init__(self, spec: ChildSpec, policy: Policy) -> None:
        self.spec = spec
        self.restart_at_s: float | None = 0.0
        self.failed_starts = 0
        self.was_healthy = False
        self.is_told = False  # to stop
        self._policy = policy
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at_s = 0.0

    @property
    def pid(self) -> int | None:
        """Of the running process; None when there is none."""
        return None if self._process is None else self._process.pid

    def start(self, now_s: float) -> int:
        """Start it; the pid. Raises OSError when this machine cannot start a process."""
        wrapped = [sys.executable, "-I", "-S", str(WRAP), str(os.getpid()), *self.spec.argv]
        environment = {**os.environ, **self.spec.env}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # the child inherits it; see wrap
        try:
            self._process = subprocess.Popen(wrapped, env=environment, stdin=subprocess.DEVNULL, process_group=0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._started_at_s = now_s
        self.restart_at_s = None
        return self._process.pid

    def exited(self, code: int, now_s: float) -> float:
        """The process is gone: plan the next start. Returns how long it lived, in seconds."""
        if self._process is not None:
            self._process.returncode = code  # reaped by the supervisor, not by Popen
            self._process = None
        lived_s = now_s - self._started_at_s
        if lived_s >= self._policy.healthy_after_s:
            self.was_healthy, self.failed_starts = True, 0
        self.restart_at_s = now_s + self._delay_s()
        self.failed_starts += 1
        return lived_s

    @property
    def is_hopeless(self) -> bool:
        """Whether starting it again makes no sense."""
        return not self.was_healthy and self.failed_starts >= self._policy.starts_max

    def signal(self, number: int) -> None:
        """Send a signal to the process, if there is one."""
        if self._process is not None:
            os.kill(self._process.pid, number)  # not reaped yet, so the pid is still its own

    def _delay_s(self) -> float:
        delay_s: float = self._policy.backoff_first_s * 2 ** min(self.failed_starts, 16)
        return min(self._policy.backoff_max_s, delay_s)
