"""A child process on a pseudo-terminal, typed at and read like a person would."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence

from tests.support.waiting import PATIENCE_S

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")

# The child makes the terminal its own, so that Ctrl-C becomes a signal, and one that is heard (below a shell that runs
# the tests in the background it would be ignored), and then becomes the program: no code of ours runs between fork and
# exec, which gRPC's threads would not survive.
_ADOPT = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """What the child printed so far, without colours and cursor movements, and a keyboard."""

    def __init__(self, descriptor: int, process: asyncio.subprocess.Process) -> None:
        self._descriptor = descriptor
        self._raw = b""
        self._seen = 0
        self._news = asyncio.Event()
        self.process = process
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the child is gone
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._raw += data
        self._news.set()

    @property
    def raw(self) -> str:
        return self._raw.decode(errors="replace")

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self.raw)

    def send(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    async def answer_prompt(self, keys: str) -> None:
        """Wait for the next `> ` and type: keys sent earlier meet a terminal in another mode."""
        await self.expect("> ")
        self.send(keys)

    async def interrupt_prompt(self, wanted: str) -> None:
        """Press Ctrl-C at a prompt until `wanted` comes.

        Python's readline looks for signals only when its wait for a key is interrupted: a Ctrl-C in the instant
        between two waits is noticed with the next key.
        """
        for _ in range(5):
            self.send("\x03")
            with contextlib.suppress(AssertionError):
                return await self.expect(wanted, timeout_s=5.0)
        return await self.expect(wanted, timeout_s=5.0)

    async def expect(self, wanted: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until `wanted` appears after what was expected before."""
        try:
            async with asyncio.timeout(timeout_s):
                while (found := self.text.find(wanted, self._seen)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted!r} never came after:\n{self.text[self._seen :]}") from None
        self._seen = found + len(wanted)

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)


@contextlib.asynccontextmanager
async def terminal(
    arguments: Sequence[str], env: Mapping[str, str], *, lines: int = 24, columns: int = 80
) -> AsyncIterator[Terminal]:
    """Run a Python program on a terminal of this size; killed and closed at the end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ADOPT,
        *arguments,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm-256color"} | dict(env),
        start_new_session=True,
    )
    os.close(slave)
    screen = Terminal(master, process)
    try:
        yield screen
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
