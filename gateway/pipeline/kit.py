"""What a call works with: the snapshot that admitted it, and the long-lived parts it shares.

Rules:
    - A `Runtime` is one configuration snapshot compiled for calls; it never changes, and a call keeps the
      one it began with.
    - The `Kit` holds the few objects that do change; app.py makes the only one of a process.
Not here:
    - The stages of a call (beside this file).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.accounts.book import Accounts
from gateway.accounts.journal.segments import Journal
from gateway.accounts.keys import Keyring
from gateway.cache.answers import Answers
from gateway.config.catalogue import Catalogue
from gateway.config.schema import Config
from gateway.core.clock import Clock, SystemClock
from gateway.core.hops import new_id
from gateway.observe.log import Log
from gateway.observe.metrics import CallMetrics
from gateway.pipeline.explain import Calls
from gateway.pipeline.gate import Gate
from gateway.providers.transport import Transport
from gateway.quota.reservation import Quota
from gateway.routing.board import Board
from gateway.routing.budget import HEDGE_BURST, RetryBudget


class PerCall(NamedTuple):
    """What every call reads of the configuration: an attribute of a settings model costs ten times as much."""

    deadline_default_s: float
    deadline_max_s: float
    retry_budget_percent: float
    has_access_log: bool
    explain_calls_max: int


@dataclass(frozen=True, slots=True, eq=False)
class Runtime:
    """One snapshot, compiled."""

    config: Config
    generation: int
    catalogue: Catalogue
    keyring: Keyring
    per_call: PerCall

    @classmethod
    def of(cls, config: Config, generation: int, pepper: bytes) -> Runtime:
        """Compile a checked configuration."""
        policies, observe = config.policies, config.observe
        per_call = PerCall(
            policies.deadline_default_s,
            policies.deadline_max_s,
            policies.retry.budget_percent,
            observe.has_access_log,
            observe.explain_calls_max,
        )
        return cls(config, generation, Catalogue.of(config), Keyring.of(config, pepper), per_call)


@dataclass(slots=True, eq=False)
class Kit:
    """Everything a call needs. `runtime` is replaced as a whole on reload; `instance` is this service's id in hops."""

    runtime: Runtime
    quota: Quota
    transport: Transport
    metrics: CallMetrics
    log: Log
    clock: Clock = field(default_factory=SystemClock)
    draw: Callable[[], float] = random.random
    budget: RetryBudget = field(default_factory=RetryBudget)
    hedges: RetryBudget = field(default_factory=lambda: RetryBudget(HEDGE_BURST))
    answers: Answers = field(default_factory=Answers)
    board: Board = field(default_factory=Board)
    gate: Gate = field(default_factory=Gate)
    accounts: Accounts | None = None  # None: only keys of the configuration
    journal: Journal | None = None  # None: usage is in logs and metrics only
    instance: str = field(default_factory=new_id)
    calls: Calls = field(default_factory=Calls)
    in_flight: int = 0
    mirrors: int = 0  # copies of calls that run
    background: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end although its call is over; `stop` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def stop(self) -> None:
        """Cancel what runs in the background, and wait for it."""
        tasks = list(self.background)
        await asyncio.sleep(0)  # each has begun then: one cancelled before its first step would settle nothing
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
