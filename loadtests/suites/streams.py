"""Many streams at once, each with a chunk now and then: do all complete, what does one cost, does it all come back.

Rules:
    - Each stream has a connection of its own; the upstream is the canned one, so that two cores suffice.
    - A stream counts as complete only with status 200, its framing closed, every chunk and `[DONE]`.
    - Two cycles on the same processes: what the second adds to memory is a leak, what the first kept is not.
Not here:
    - The client (http1), the figures' origin (watching).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import uvloop

from loadtests.checks import at_least, at_most, equal
from loadtests.http1 import Address, Answer, Connection
from loadtests.procfs import Usage
from loadtests.stack import Gateway
from loadtests.suites.found import Found
from loadtests.suites.watching import OPEN, TASKS_EVERY_S, fds_are_back, gauges, processes, quiet, sample

FD_SLACK = 12
WORD = b" hello"


@dataclass(slots=True)
class Cycle:
    """One time of opening all, waiting, closing all."""

    outcomes: Counter[str] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    peak: dict[str, Usage] = field(default_factory=dict)
    after: dict[str, Usage] = field(default_factory=dict)
    quiet_s: float = 0.0


def run(parameters: Mapping[str, Any], gateway: Gateway, _upstream: str) -> Found:
    """Run the suite."""
    return uvloop.run(_Streams(parameters, gateway).run())


class _Streams:
    def __init__(self, parameters: Mapping[str, Any], gateway: Gateway) -> None:
        self._gateway = gateway
        self._streams = int(parameters["streams"])
        self._chunks = int(parameters["chunks"])
        self._pace_ms = int(parameters["pace_ms"])
        self._open_per_s = float(parameters["open_per_s"])
        self._rest_s = float(parameters.get("rest_s", 0))
        self._cycles = int(parameters.get("cycles", 2))
        self._limits = parameters["limits"]
        self._address = Address.of(gateway.base_url, gateway.key)
        self._open = 0
        self._started_s = time.monotonic()
        self._found = Found()

    async def run(self) -> Found:
        """Warm up, run the cycles, judge."""
        await asyncio.gather(*[self._stream(Cycle(), 0.0, "bench", 64) for _ in range(32)])
        before = await self._settled({})
        watching = asyncio.create_task(self._watch())
        cycles = [await self._cycle(before) for _ in range(self._cycles)]
        watching.cancel()
        self._judge(before, cycles)
        return self._found

    async def _settled(self, before: dict[str, Usage]) -> dict[str, Usage]:
        await quiet(self._gateway, 90.0, and_also=fds_are_back(self._gateway, before, FD_SLACK))
        return await asyncio.to_thread(processes, self._gateway)

    async def _cycle(self, before: dict[str, Usage]) -> Cycle:
        cycle = Cycle()
        model = f"bench-slow-{self._chunks}-{self._pace_ms}"
        jobs = [
            asyncio.create_task(self._stream(cycle, number / self._open_per_s, model, self._chunks))
            for number in range(self._streams)
        ]
        opening_s = self._streams / self._open_per_s
        lasting_s = self._chunks * self._pace_ms / 1000
        await asyncio.sleep(opening_s + max(0.5, (lasting_s - opening_s) / 2))
        cycle.peak = await asyncio.to_thread(processes, self._gateway)
        self._found.facts["streams open at the peak"] = self._open
        self._found.facts["gauges at the peak"] = await asyncio.to_thread(gauges, self._gateway)
        await asyncio.gather(*jobs)
        ended_s = time.monotonic()
        await self._settled(before)
        cycle.quiet_s = time.monotonic() - ended_s
        await asyncio.sleep(self._rest_s)
        cycle.after = await asyncio.to_thread(processes, self._gateway)
        return cycle

    async def _stream(self, cycle: Cycle, after_s: float, model: str, chunks: int) -> None:
        await asyncio.sleep(after_s)
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Tell me a long story."}]}
        connection = Connection(self._address)
        self._open += 1
        try:
            answer = await connection.ask(self._address.request("chat/completions", body))
        except OSError as error:
            cycle.outcomes[f"{type(error).__name__}"] += 1
            return
        finally:
            self._open -= 1
            connection.close()
        cycle.outcomes[_outcome(answer, chunks)] += 1
        cycle.late_s.append(answer.seconds - chunks * self._pace_ms / 1000)
        cycle.first_s.append((answer.first_s or answer.seconds) - self._pace_ms / 1000)

    async def _watch(self) -> None:
        while True:
            line = await asyncio.to_thread(sample, self._gateway, self._started_s, open=self._open)
            self._found.samples.append(line)
            await asyncio.sleep(2.0)

    def _judge(self, before: dict[str, Usage], cycles: list[Cycle]) -> None:
        found, limits, checks = self._found, self._limits, self._found.checks
        outcomes = sum((cycle.outcomes for cycle in cycles), Counter())
        late_s = sorted(value for cycle in cycles for value in cycle.late_s)
        first_s = sorted(value for cycle in cycles for value in cycle.first_s)
        found.facts["outcomes"] = dict(outcomes)
        found.facts["first content later than the upstream's, s (p50, p99, worst)"] = _spread(first_s)
        found.facts["end of stream later than the upstream's, s (p50, p99, worst)"] = _spread(late_s)
        checks.append(equal("streams complete", outcomes["complete"], self._streams * self._cycles))
        checks.append(at_most("worst stream ended later than the upstream's, s", late_s[-1], limits["late_s"]))
        checks += [equal(f"{name} after", value, 0) for name, value in gauges(self._gateway).items() if name in OPEN]
        if not before:
            return
        kb = {role: (cycles[0].peak[role].pss_kb - before[role].pss_kb) / self._streams for role in before}
        found.facts["KB per open stream"] = {role: round(value, 1) for role, value in kb.items()}
        checks.append(at_most("KB per open stream, all processes", sum(kb.values()), limits["kb_per_stream"]))
        for role, first in before.items():
            self._judge_process(role, first, cycles)
        found.facts["seconds until all was quiet"] = [round(cycle.quiet_s, 1) for cycle in cycles]
        found.facts["tasks counted every, s"] = TASKS_EVERY_S

    def _judge_process(self, role: str, before: Usage, cycles: list[Cycle]) -> None:
        found, limits, checks = self._found, self._limits, self._found.checks
        steps = [before, *[usage for cycle in cycles for usage in (cycle.peak[role], cycle.after[role])]]
        megabytes = [step.pss_kb / 1024 for step in steps]
        found.facts[f"{role}: PSS MB before, then peak and after of each cycle"] = [round(mb, 1) for mb in megabytes]
        found.facts[f"{role}: descriptors before, then peak and after of each cycle"] = [step.fds for step in steps]
        checks.append(at_least(f"{role} descriptors at the peak", steps[1].fds, self._streams))
        checks.append(at_most(f"{role} descriptors kept", steps[-1].fds - before.fds, FD_SLACK))
        checks.append(at_most(f"{role} MB kept after all", megabytes[-1] - megabytes[0], limits["kept_mb"]))
        checks.append(at_most(f"{role} MB kept by later cycles", megabytes[-1] - megabytes[2], limits["leaked_mb"]))


def _outcome(answer: Answer, chunks: int) -> str:
    if answer.status != 200:
        return f"status {answer.status}"
    if not answer.is_whole:
        return "cut"
    body = answer.body
    if b"data: [DONE]" not in body:
        return "no [DONE]"
    return "complete" if body.count(WORD) == chunks else "chunks missing"


def _spread(ordered: list[float]) -> list[float]:
    places = (len(ordered) // 2, int(len(ordered) * 0.99), len(ordered) - 1)
    return [round(ordered[place], 3) for place in places] if ordered else []
