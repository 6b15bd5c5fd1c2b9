"""What a day's limits had counted before this process: read from the usage records, in the background.

Rules:
    - Asked once for each key, user or group with a limit per day, when its first call comes; that call does not wait.
    - Only calls that ended before this process began are counted here: later ones are counted as they come.
    - A database that is away is asked again; until then the day begins with this process.
Not here:
    - Limits per minute, which a restart forgets, and those of models and sessions, whose calls no record tells apart.
    - Limits in a shared store, which outlives the process (quota.shared).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.core.clock import Clock
from gateway.core.errors import GatewayError
from gateway.core.limits import DAY_S
from gateway.store.sql.database import Database
from gateway.store.sql.file import Work

AGAIN_S = 2.0
SUBJECTS_MAX = 10_000
_QUESTIONS = {"": "day_of_key", "user": "day_of_user", "group": "day_of_group"}


class Spent(NamedTuple):
    """What a subject used within ten minutes that began so long ago."""

    age_s: float
    requests: int
    input_tokens: int
    output_tokens: int


class History:
    """Gives `recalled` what each subject named by `ask` used in the last day."""

    def __init__(self, database: Database, clock: Clock, recalled: Callable[[str, Sequence[Spent]], None]) -> None:
        self._database = database
        self._clock = clock
        self._recalled = recalled
        self._began_ms = int(clock.wall_s() * 1000)
        self._asked: dict[str, None] = {}
        self._has_asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, is_adopted: asyncio.Event) -> None:
        """Begin, once what dead processes left is in the database."""
        self._task = asyncio.get_running_loop().create_task(self._answer(is_adopted))

    async def stop(self) -> None:
        """End it; what was not answered is forgotten."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def ask(self, subject: str) -> None:
        """A subject with a limit per day is counted for the first time."""
        if subject.rpartition(":")[0] not in _QUESTIONS:
            return
        if len(self._asked) < SUBJECTS_MAX:
            self._asked[subject] = None
            self._has_asked.set()

    async def _answer(self, is_adopted: asyncio.Event) -> None:
        await is_adopted.wait()
        while True:
            await self._has_asked.wait()
            if not self._asked:
                self._has_asked.clear()
                continue
            subject = next(iter(self._asked))
            try:
                self._recalled(subject, await self._day(subject))
            except GatewayError:
                await asyncio.sleep(AGAIN_S)
                continue
            del self._asked[subject]

    async def _day(self, subject: str) -> list[Spent]:
        """Raises GatewayError UNAVAILABLE."""
        if not (self._database.is_open or self._database.has_data):
            return []
        now_ms = int(self._clock.wall_s() * 1000)
        kind, _, name = subject.rpartition(":")
        rows = await self._database.run(
            lambda prepared: prepared.rows(
                _QUESTIONS[kind], subject=name, from_ms=now_ms - DAY_S * 1000, until_ms=self._began_ms
            ),
            Work.LONG,
        )
        return [
            Spent((now_ms - row.grain_ms) / 1000, row.requests, int(row.input_tokens), int(row.output_tokens))
            for row in rows
        ]
