"""The sixteen faults of FailoverBench over four ways of calling, and how a gateway comes through: the engine.

Rules:
    - A provider's fault is asked for by the model's name; every call has counters of its own at the simulator.
    - Baseline of all: two retries, one fallback, a 30 s deadline. `scale` shortens every clock alike, but where clocks
      are short only SILENT faults meet them: a machine that stands still would be taken for the fault.
    - A call passes when its caller got the whole answer exactly once (S13: a clean refusal); it is safe when it failed
      within the deadline with an explicit error and what it delivered is the beginning of the answer; else it failed.
    - The accounting is part of the verdict: one settled call and one log record each, the provider that answered named
      in it, nothing reserved or open afterwards.
Not here: what is asserted (test_failover), the table (scripts/faults).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.core.errors import TABLE, Kind
from gateway.simulator.answer import Question, answer
from gateway.simulator.behaviour import FAILOVER_BENCH, Behaviour
from gateway.simulator.server import Running, serve
from tests.chaos.callers import WAYS, Callers, Ending, callers
from tests.chaos.settled import settled
from tests.support.place import Layer
from tests.support.simulated import unique
from tests.support.single import InProcess, single
from tests.unit.pipeline.kits import KeptLog

TOKENS = 60
WORDS = "tell me everything about it"
EXPECTED = answer(Question(WORDS, 5), Behaviour(chunks=TOKENS)).text
OUTAGE_CALLS = 20
PACE_MS = 2
DEADLINE_S = 30.0
MODES = {"rescue": ["continue", "splice"], "error": ["error"]}
CUT = ("s08", "s09", "s10", "s14")
"""Faults that come after the first content of a stream."""
SILENT = ("s06", "s07", "s09")
"""Faults that only a clock can see."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The clocks of a run. `percent` is the simulator's share of the real durations, `clock_s` of SILENT faults."""

    percent: int
    clock_s: float
    other_clock_s: float
    deadline_s: float
    backoff_s: float

    @property
    def retry_after_max_s(self) -> float:
        """S01 asks for two seconds."""
        return max(0.2, 5.0 * self.percent / 100)


REAL = Timing(100, 8.0, 8.0, DEADLINE_S, 0.2)
SHORT = Timing(5, 0.5, 60.0, DEADLINE_S, 0.01)


@dataclass(slots=True)
class Cell:
    """One fault over one way: verdicts, and what the upstreams saw."""

    verdicts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    attempts: int = 0
    primary_attempts: int = 0
    slowest_s: float = 0.0

    @property
    def verdict(self) -> str:
        """The worst of its calls."""
        return next((name for name in ("fail", "safe") if self.verdicts[name]), "pass")

    @property
    def calls(self) -> int:
        """How many calls."""
        return sum(self.verdicts.values())


def layer_of(simulator: Running, timing: Timing) -> Layer:
    """A model for each mode, with and without a fallback that refuses prefills, and one for each way of the outage."""
    provider = {"dialect": "openai", "base_url": f"{simulator.url}/v1", "auth": "none", "is_local": True}

    def waiting(clock_s: float) -> dict[str, Any]:
        names = ("connect_s", "headers_s", "first_token_s", "idle_s")
        return {**provider, "timeouts": {**dict.fromkeys(names, clock_s), "total_s": 120}}

    providers = {name: waiting(timing.other_clock_s) for name in ("primary", "spare")}
    providers["hasty"] = waiting(timing.clock_s)
    models: dict[str, Any] = {}
    for mode, means in MODES.items():
        for suffix, spare in (("", f"sim-chunks-{TOKENS}"), ("-noprefill", f"sim-chunks-{TOKENS}-noprefill")):
            models[f"{mode}{suffix}"] = _model(f"{mode}{suffix}", "primary", spare, means)
        models[f"{mode}-silent"] = _model(f"{mode}-silent", "hasty", f"sim-chunks-{TOKENS}", means)
        for way in WAYS:
            providers[f"{mode}-{way}"] = waiting(timing.other_clock_s)
            outage = _model(f"{mode}-outage-{way}", f"{mode}-{way}", f"sim-chunks-{TOKENS}", means)
            models[f"{mode}-outage-{way}"] = {**outage, "routing": {"breaker": {"is_enabled": True}}}
    retry = {"attempts_max": 3, "backoff_base_s": timing.backoff_s, "backoff_max_s": timing.backoff_s * 10}
    retry |= {"retry_after_max_s": timing.retry_after_max_s}
    return {
        "observe": {"log_level": "info"},
        "simulator": {"enabled": "off"},
        "policies": {
            "breaker": {"is_enabled": False},  # every call is to meet its fault; the outage has a breaker
            "retry": {**retry, "budget_percent": 1000},
        },
        "providers": providers,
        "models": models,
    }


def _model(name: str, primary: str, spare: str, means: list[str]) -> dict[str, Any]:
    first = {"provider": primary, "context_window_tokens": 4096, "accepts_prefill": True}
    second = {
        "provider": "spare", "upstream_model": spare, "context_window_tokens": 128_000, "accepts_prefill": True
    }  # fmt: skip
    return {"names": [f"{name}/*"], "candidates": [first, second], "rescue": means}


@dataclass(slots=True)
class Bench:
    """A gateway in front of a simulator."""

    gateway: InProcess
    callers: Callers
    simulator: Running
    timing: Timing
    log: KeptLog

    async def run(self, fault: str, mode: str, repeats: int) -> dict[str, Cell]:
        """All ways of one fault; their calls run together, those of the outage one after the other in each way."""
        self.simulator.observed.reset()  # it counts a bounded number of names
        seen = len(self.log.records())
        if fault == "s15":
            cells = dict(zip(WAYS, await asyncio.gather(*[self._outage(mode, way) for way in WAYS]), strict=True))
        else:
            cells = {way: Cell() for way in WAYS}
            await asyncio.gather(*[self._call(cells[way], fault, mode, way) for way in WAYS for _ in range(repeats)])
        await settled(self.gateway)
        self._account(cells, fault, mode, seen)
        return cells

    async def _outage(self, mode: str, way: str) -> Cell:
        cell = Cell()
        model = f"{mode}-outage-{way}/{unique(f'sim-chunks-{TOKENS}-s15-scale-{self.timing.percent}')}"
        for _ in range(OUTAGE_CALLS):
            await self._judged(cell, "s15", way, model)
        return cell

    async def _call(self, cell: Cell, fault: str, mode: str, way: str) -> None:
        prefix = f"{mode}-silent" if fault in SILENT else f"{mode}-noprefill" if fault == "s14" else mode
        pace_ms = PACE_MS * 100 // self.timing.percent  # also of the short clocks: content comes before its fault
        name = f"sim-chunks-{TOKENS}-{fault}-pace-{pace_ms}-scale-{self.timing.percent}"
        await self._judged(cell, fault, way, f"{prefix}/{unique(name)}")

    async def _judged(self, cell: Cell, fault: str, way: str, model: str) -> None:
        before_s = time.monotonic()
        async with asyncio.timeout(self.timing.deadline_s + 30):
            ending = await self.callers.ask(way, model, WORDS, timeout_s=self.timing.deadline_s)
        seconds = time.monotonic() - before_s
        cell.slowest_s = max(cell.slowest_s, seconds)
        verdict = _verdict(ending, fault, seconds <= self.timing.deadline_s + 1)
        cell.verdicts[verdict] += 1
        if verdict == "fail" and len(cell.notes) < 3:
            cell.notes.append(f"{way} {fault}: {ending.state} {ending.kind} {ending.faults} {''.join(ending.texts)!r}")

    def _account(self, cells: dict[str, Cell], fault: str, mode: str, seen: int) -> None:
        """One record for each call; the provider that answered is named; attempts are counted from them."""
        records = self.log.records()[seen:]
        if len(records) != sum(cell.calls for cell in cells.values()):
            _blame(cells, f"{fault}: {len(records)} records of {sum(cell.calls for cell in cells.values())} calls")
        for record in records:
            way = _way_of(record)
            tries = record.get("tries") or [{"deployment": f"{record['provider']}/"}]
            cell = cells[way]
            cell.attempts += len(tries)
            cell.primary_attempts += sum(not attempt["deployment"].startswith("spare/") for attempt in tries)
            if record["outcome"] == "complete":
                answered = tries[-1]["deployment"].split("/")[0]
                if record["provider"] != answered or not TOKENS - 10 <= record["completion_tokens"] <= TOKENS * 2:
                    _blame({way: cell}, f"{way} {fault}: accounted {record}")
            if fault in ("s04", "s16") and record["provider"] != "spare":
                _blame({way: cell}, f"{way} {fault}: the record names {record['provider']}, not the fallback")


def _blame(cells: dict[str, Cell], note: str) -> None:
    for cell in cells.values():
        cell.verdicts["fail"] += 1
        cell.notes.append(note)


def _way_of(record: dict[str, Any]) -> str:
    is_stream = record["method"] == "StreamChat"
    if record["protocol"] == "http":
        return "sse" if is_stream else "json"
    return "stream" if is_stream else "unary"


def _verdict(ending: Ending, fault: str, is_in_time: bool) -> str:
    text = "".join(ending.texts)
    if ending.faults or not ending.has_details or not is_in_time:
        return "fail"
    if fault == "s13":
        filtered = (Kind.CONTENT_FILTERED.name, TABLE[Kind.CONTENT_FILTERED].openai_code)
        return "pass" if ending.state == "error" and ending.kind in filtered and not text else "fail"
    if ending.is_complete:
        return "pass" if text == EXPECTED else "fail"
    is_clean = ending.state == "error" and bool(ending.kind) and EXPECTED.startswith(text)
    return "safe" if is_clean else "fail"


def expected_verdict(fault: str, mode: str, way: str) -> str:
    """What a cell must come to: a pass, but a broken stream without a rescue is safe."""
    return "safe" if mode == "error" and fault in CUT and way in ("sse", "stream") else "pass"


@asynccontextmanager
async def bench(timing: Timing) -> AsyncIterator[Bench]:
    """A gateway, its simulator and its callers until the block ends."""
    simulator = await serve()
    log = KeptLog()
    try:
        async with single(layer_of(simulator, timing)) as gateway, callers(gateway) as made:
            gateway.half.kit.log = log
            yield Bench(gateway, made, simulator, timing, log)
    finally:
        log.close()
        await simulator.stop()


FAULTS = tuple(FAILOVER_BENCH)
