"""Who brings the journal into the database: at the start what dead processes left, then every second what is new.

Rules:
    - A database that is away is said once, and tried again; the journal keeps everything meanwhile. No failure ends
      the keeping; a record that cannot be stored is said with all its members.
    - Balances are read only after what dead processes left was brought in (`is_adopted`).
    - `stop` brings in what there is, if the database is open and answers; the rest stays on disk for the next process.
Not here:
    - How (flush); the files (segments).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.accounts.journal.flush import adopt, flush
from gateway.accounts.journal.record import Row
from gateway.accounts.journal.segments import Journal
from gateway.core.errors import GatewayError
from gateway.store.sql.database import Database

EVERY_S = 1.0
AGAIN_S = 2.0

Say = Callable[[str, str], None]


class Keeper:
    """The journal of this process and its way into the database. `say` takes an event and its cause."""

    def __init__(self, root: Path, instance: str, database: Database, say: Say = lambda _event, _cause: None) -> None:
        self.journal = Journal(root, instance, self._trouble)
        self._root = root
        self._database = database
        self._say = say
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        self._bringing = asyncio.Lock()
        self.is_adopted = asyncio.Event()

    def start(self) -> None:
        """Begin; the database is opened only for something to bring."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """Bring in the rest and close the journal."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if self._database.is_open:  # opening it now would hold up the end; the next process brings it in
                await self.bring()
        self.journal.close()

    async def _keep(self) -> None:
        while not await self._adopt():  # noqa: ASYNC110 - a database sets no event
            await asyncio.sleep(AGAIN_S)
        self.is_adopted.set()
        while True:  # noqa: ASYNC110 - same
            await asyncio.sleep(EVERY_S if await self.bring() else AGAIN_S)

    async def _adopt(self) -> bool:
        try:
            count, lost = await adopt(self._root, self._database, self._left_out)
        except Exception as error:  # noqa: BLE001 - whatever it is, balances wait for it and the next try may do
            self._lost(error)
            return False
        if count:
            self._say("usage of an earlier process recovered", f"{count} calls, {lost} of them streams nobody settled")
        return True

    async def bring(self) -> bool:
        """Bring in what this process settled; whether the database took everything."""
        if not self.journal.has_lines:
            return True
        async with self._bringing:
            return await self._bring()

    async def _bring(self) -> bool:
        try:
            await flush(self.journal, self._database, self._left_out)
        except Exception as error:  # noqa: BLE001 - a keeper that ends would lose every record after this one
            self._lost(error)
            return False
        if self._is_away:
            self._is_away = False
            self._say("usage is brought into the database again", "")
        return True

    def _lost(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            self._say("usage waits for the database", _cause(error))

    def _left_out(self, row: Row, why: Exception) -> None:
        """Its line in the log is all that stays of it."""
        self._say("usage cannot be stored", f"{_cause(why)}: {row}")

    def _trouble(self, error: OSError) -> None:
        self._say("usage cannot be written to the journal", str(error))


def _cause(error: Exception) -> str:
    return (error.cause if isinstance(error, GatewayError) else "") or f"{type(error).__name__}: {error}"
