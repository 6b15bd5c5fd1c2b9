"""The configuration in force: one immutable snapshot, swapped as a whole.

Rules:
    - A bad file keeps the last good snapshot; the same mistakes are news only once.
    - Equal values are no change: the generation counts real changes, from 1.
    - `get` is one attribute read. `read` blocks on files and may run in a thread; `take` swaps, and belongs to the
      thread that serves calls.

Not here: noticing changes (watch.py); reading files (load.py).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.config.diff import changes
from gateway.config.load import Loaded
from gateway.config.problems import ConfigErrors, Problem
from gateway.config.schema import Config


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One good configuration. `generation` counts from 1 in this process; `fingerprint` is equal on all machines."""

    config: Config
    generation: int
    fingerprint: str
    loaded_at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did.

    `kept` means the files are bad and the last good snapshot stays; `is_news` is False when that was said before.
    `restart_needed` are changed keys that only a restart applies.
    """

    outcome: Literal["changed", "unchanged", "kept"]
    snapshot: Snapshot
    problems: tuple[Problem, ...] = ()
    is_news: bool = True
    restart_needed: tuple[str, ...] = ()


class Current:
    """The snapshot in force. `adapt` finishes a tree with what is known only at run time (simulator address)."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        *,
        adapt: Callable[[Config], Config] = lambda config: config,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Loads once. Raises ConfigErrors when there is no good configuration to begin with."""
        self._load = load
        self._adapt = adapt
        self._clock = clock
        self.reloading = asyncio.Lock()
        self._said: tuple[Problem, ...] = ()
        self._loaded = load()
        self._snapshot = Snapshot(adapt(self._loaded.config), 1, self._loaded.fingerprint, clock())

    def __repr__(self) -> str:
        return f"<Current generation={self._snapshot.generation} fingerprint={self._snapshot.fingerprint[:12]}>"

    @property
    def loaded(self) -> Loaded:
        """The last good load, with provenance."""
        return self._loaded

    def get(self) -> Snapshot:
        """The snapshot in force. A call keeps the one it got."""
        return self._snapshot

    def reload(self) -> Reloaded:
        """Read and take in one step. Blocks for the reading (about 0.1 s)."""
        return self.take(self.read())

    def read(self) -> Loaded | ConfigErrors:
        """Read the files; never raises for what stands in them."""
        try:
            return self._load()
        except ConfigErrors as errors:
            return errors

    def take(self, result: Loaded | ConfigErrors) -> Reloaded:
        """Put a result in force, or keep the last good snapshot."""
        if isinstance(result, ConfigErrors):
            is_news = result.problems != self._said
            self._said = result.problems
            return Reloaded("kept", self._snapshot, result.problems, is_news)
        self._said = ()
        if result.fingerprint == self._loaded.fingerprint:
            self._loaded = result
            return Reloaded("unchanged", self._snapshot)
        return self._swap(result)

    def refresh(self) -> Snapshot:
        """Run `adapt` again on the last good tree (the simulator moved). Not a new generation."""
        old = self._snapshot
        self._snapshot = Snapshot(self._adapt(self._loaded.config), old.generation, old.fingerprint, old.loaded_at)
        return self._snapshot

    def _swap(self, result: Loaded) -> Reloaded:
        restart = tuple(c.key for c in changes(self._loaded.written, result.written) if not c.is_reloaded)
        generation = self._snapshot.generation + 1
        self._loaded = result
        self._snapshot = Snapshot(self._adapt(result.config), generation, result.fingerprint, self._clock())
        return Reloaded("changed", self._snapshot, restart_needed=restart)
