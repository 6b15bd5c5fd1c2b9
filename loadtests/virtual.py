"""Simulations of routing in virtual time: the real planner, board and gate, with providers made of numbers.

Rules:
    - Nothing sleeps and nothing is sent: minutes of traffic take seconds, and the same seed gives the same figures.
    - What is decided is decided by the gateway's own code; only providers and callers are simulated.
Not here:
    - Real processes under load (loadtests.run); drawing (loadtests.plot_routing).
"""

from __future__ import annotations

import asyncio
import heapq
import random
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.config.catalogue import Catalogue, Entry
from gateway.config.schema import Config
from gateway.core.errors import GatewayError
from gateway.pipeline.gate import Door
from gateway.routing.board import Board, Verdict
from gateway.routing.facts import Facts
from gateway.routing.plan import make_plan


class _Jump(selectors.DefaultSelector):
    """A selector that waits in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now_s += timeout or 0.0
        return super().select(0)


def run_virtually(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on a loop whose clock jumps to the next timer."""
    selector = _Jump()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]  # a clock of our own is the point
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


def entry_of(routing: dict[str, Any], providers: int = 3) -> Entry:
    """A model with this `routing` section, served by `p0`, `p1`, ..."""
    names = [f"p{at}" for at in range(providers)]
    block = {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1", "auth": "none", "is_local": True}
    model = {"names": ("m",), "candidates": tuple({"provider": name} for name in names), "routing": routing}
    config = Config.model_validate({"providers": dict.fromkeys(names, block), "models": {"m": model}})
    found = Catalogue.of(config).find("m")
    if found is None:
        raise AssertionError("the model was just configured")
    return found


class Sent(NamedTuple):
    """One call of the latency simulation: when, and to which provider."""

    at_s: float
    provider: str


def slow_for_a_while(
    *, slow_from_s: float = 10.0, slow_until_s: float = 20.0, end_s: float = 40.0, calls_per_s: float = 100.0,
    normal_s: float = 0.2, slow_s: float = 2.0, seed: int = 1,
) -> list[Sent]:  # fmt: skip
    """Three equal providers under policy `latency`; `p0` answers ten times slower for a while."""
    entry, board, chance = entry_of({"policy": "latency"}), Board(), random.Random(seed)
    facts = Facts(is_stream=True)
    sent: list[Sent] = []
    ends: list[tuple[float, int, Any, float]] = []
    now_s = 1.0
    while now_s < end_s:
        now_s += chance.expovariate(calls_per_s)
        while ends and ends[0][0] <= now_s:
            done_s, _, deployment, took_s = heapq.heappop(ends)
            board.first_content(deployment, done_s, took_s)
            board.ended(deployment, done_s, Verdict.OK, took_s)
        chosen = make_plan(entry, facts, board, chance.random, now_s).candidates[0]
        board.began(chosen, now_s)
        is_slow = chosen.provider == "p0" and slow_from_s <= now_s < slow_until_s
        took_s = (slow_s if is_slow else normal_s) * chance.uniform(0.8, 1.2)
        heapq.heappush(ends, (now_s + took_s, len(sent), chosen, took_s))
        sent.append(Sent(now_s, chosen.provider))
    return sent


@dataclass(slots=True)
class Overload:
    """What callers saw: seconds from arrival to answer, by kind of call, and how many were shed."""

    took_s: dict[str, list[float]] = field(default_factory=lambda: {"interactive": [], "batch": []})
    shed: dict[str, int] = field(default_factory=lambda: {"interactive": 0, "batch": 0})
    upstream_s: list[float] = field(default_factory=list)
    limits: list[tuple[float, int]] = field(default_factory=list)

    def p99_s(self, kind: str) -> float:
        """Of the calls that were answered."""
        return percentile(self.took_s[kind], 99)


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def overloaded(
    *, factor: float, has_limit: bool = True, interactive_percent: float = 20.0, capacity: int = 20,
    service_s: float = 0.2, seconds: float = 60.0, measured_from_s: float = 20.0, seed: int = 1,
) -> Overload:  # fmt: skip
    """One provider that shares its speed among the calls above `capacity`, offered `factor` times what it can take."""
    chance, seen = random.Random(seed), Overload()
    deployment = entry_of({"concurrency": {"wait_max_s": 1.0, "queue_max": 100}}, providers=1).candidates[0]
    rules = deployment.concurrency
    if rules is None:
        raise AssertionError("the limit was just configured")
    running = 0

    async def one(door: Door, kind: str) -> None:
        nonlocal running
        loop = asyncio.get_running_loop()
        came_s = loop.time()
        if has_limit:
            try:
                await door.enter(came_s + 60.0, is_batch=kind == "batch")
            except GatewayError:
                seen.shed[kind] += came_s >= measured_from_s
                return
        began_s, running = loop.time(), running + 1
        await asyncio.sleep(service_s * max(1.0, running / capacity) * chance.uniform(0.9, 1.1))
        running -= 1
        took_s = loop.time() - began_s
        if has_limit:
            door.limit.took(loop.time(), took_s, is_stream=True)
            door.leave(took_s, Verdict.OK)
        if came_s >= measured_from_s:
            seen.took_s[kind].append(loop.time() - came_s)
            seen.upstream_s.append(took_s)

    async def all_calls() -> None:
        loop = asyncio.get_running_loop()
        door, rate = Door(deployment, rules, loop.time()), factor * capacity / service_s
        tasks = set()
        while loop.time() < seconds:
            await asyncio.sleep(chance.expovariate(rate))
            kind = "interactive" if chance.random() * 100 < interactive_percent else "batch"
            tasks.add(asyncio.create_task(one(door, kind)))
            tasks = {task for task in tasks if not task.done()} if len(tasks) > 2000 else tasks
            if not seen.limits or loop.time() - seen.limits[-1][0] >= 0.25:
                seen.limits.append((loop.time(), door.limit.calls))
        await asyncio.gather(*tasks)

    run_virtually(all_calls())
    return seen
