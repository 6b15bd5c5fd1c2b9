"""Where log lines leave the process: a file descriptor that is never waited for.

Rules:
    - A pipe or a socket whose reader is behind takes what it can; the rest is given back. Files and terminals are
      written as ever.
    - The mode of the descriptor itself is not changed: other processes and the shell share it.
Not here:
    - What is written, and what becomes of the rest (log.py).
"""

from __future__ import annotations

import os
import select
import socket
import stat


class Sink:
    """One descriptor."""

    __slots__ = ("_fd", "_own_fd", "_socket")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own_fd: int | None = None
        self._socket: socket.socket | None = None
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISSOCK(mode):
                self._socket = socket.socket(fileno=os.dup(fd))
            elif stat.S_ISFIFO(mode):  # opened once more: a description of its own, so a mode of its own
                self._own_fd = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return  # not there, or no such files: written as it is

    def write(self, data: bytes) -> bytes:
        """Write; give back what was not taken. A closed output takes everything and loses it."""
        try:
            while data:
                data = data[self._some(data) :]
        except BlockingIOError:
            return data
        except OSError:
            return b""
        return b""

    def wait(self, seconds: float) -> None:
        """Wait until something can be taken, at most that long; for the end of a process."""
        fd = self._own_fd if self._own_fd is not None else self._fd
        try:
            select.select([], [fd], [], seconds)
        except (OSError, ValueError):
            return

    def close(self) -> None:
        """Close what this opened; the descriptor itself stays."""
        if self._own_fd is not None:
            os.close(self._own_fd)
            self._own_fd = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __del__(self) -> None:
        self.close()

    def _some(self, data: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        return os.write(self._fd if self._own_fd is None else self._own_fd, data)
