"""What the simulator saw, asked over HTTP: counters and the requests themselves.

Rules: tests share a simulator, so nothing is reset: a test makes its model's name its own with `unique`, and asks
    about that name.
Not here: what a model name means (gateway.simulator.behaviour); an upstream with scripted bytes (recorder).
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.waiting import PATIENCE_S, eventually

_serial = itertools.count(1)
_run = secrets.token_hex(3)


def unique(model: str = "sim") -> str:
    """`model` under a name nobody else uses: same behaviour, counters of its own."""
    return f"{model}-tag-{_run}x{next(_serial)}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters of one model name, as the simulator keeps them."""

    requests: int = 0
    attempts: int = 0
    completed: int = 0
    faulted: int = 0
    aborted: int = 0
    streams_open: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulator that listens at `url` (no path)."""

    url: str

    async def stats(self) -> dict[str, Any]:
        """Totals: requests, completed, faulted, aborted, streams_open, connections_open, by_model..."""
        return await self._get("/_sim/stats?last=0")

    async def counts(self, model: str) -> Counts:
        """Counters of one model; zeros when it was never asked for."""
        return Counts(**(await self.stats())["by_model"].get(model, {}))

    async def requests(self, model: str) -> list[dict[str, Any]]:
        """The last requests for a model, oldest first: method, path, headers (lower case), body (parsed), outcome."""
        return await self._get("/_sim/requests", model=model, last="500")

    async def last(self, model: str) -> dict[str, Any]:
        """The last request for a model; waits for it."""
        return (await eventually(lambda: self.requests(model), f"a request for {model}"))[-1]

    async def until(self, model: str, *, within_s: float = PATIENCE_S, **wanted: int) -> Counts:
        """Wait until these counters of the model are exactly so: `until(m, aborted=1, streams_open=0)`."""

        async def met() -> Counts | None:
            counts = await self.counts(model)
            seen.append(counts)
            return counts if all(getattr(counts, name) == value for name, value in wanted.items()) else None

        seen: list[Counts] = []
        try:
            return await eventually(met, f"{wanted} of {model}", within_s=within_s)
        except AssertionError:
            raise AssertionError(f"{model}: wanted {wanted}, saw {seen[-1]}") from None

    async def _get(self, path: str, **query: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path, params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()
