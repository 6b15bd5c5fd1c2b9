"""The measurements: each drives one target and returns the figures it found.

Rules:
    - CPU is user + system time of the target's whole process tree, by role; nothing of the driver counts.
    - An answer that is not 200, not whole, or misses its `[DONE]` is an error and is counted as one.
    - Latency is taken well below capacity: callers think between requests.
Not here:
    - Which targets, how often, medians, verdicts (report, run).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from loadtests import procfs
from loadtests.http1 import Address, Answer, Connection

CALLERS = 32
LATENCY_CALLERS = 16
THINK_S = 0.05
SETTLE_S = 2.5  # until what follows the first calls, such as writing their usage, was done once
CHUNKS_PER_BURST = 64 + 2  # what carries content or role, as the upstream sends them
WORDS = ("You are concise. " * 12, "Hello there, please answer. " * 30)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything; `paced_streams` streams of `paced_chunks` chunks, one each `paced_ms`."""

    requests: int = 4000
    bursts: int = 800
    latency_s: float = 6.0
    paced_streams: int = 200
    paced_chunks: int = 100
    paced_ms: int = 50
    open_streams: int = 1000


QUICK = Size(requests=600, bursts=120, latency_s=2.0, paced_chunks=30, open_streams=400)


@dataclass(slots=True)
class Target:
    """One thing in front of the upstream. `pid` 0: its CPU and memory are unknown."""

    name: str
    base_url: str
    key: str
    model: str
    pid: int
    is_ours: bool = False
    """It has models whose provider speaks another format (`anthropic/`)."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """CPU by measurement and role."""
    connections: list[Connection] = field(default_factory=list)

    def add(self, **found: float) -> None:
        """Keep figures of one round."""
        for name, value in found.items():
            self.figures.setdefault(name, []).append(value)

    @property
    def address(self) -> Address:
        """Where to ask."""
        return Address.of(self.base_url, self.key)

    def request(self, suffix: str = "", *, is_stream: bool = False, prefix: str = "") -> bytes:
        """A chat request; `suffix` chooses pace, `prefix` the provider's format."""
        messages = [{"role": role, "content": text} for role, text in zip(("system", "user"), WORDS, strict=True)]
        body: dict[str, Any] = {"model": prefix + self.model + suffix, "temperature": 0.5, "messages": messages}
        if is_stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return self.address.request("chat/completions", body)

    def take(self, count: int) -> list[Connection]:
        """So many connections, kept from one measurement to the next."""
        while len(self.connections) < count:
            self.connections.append(Connection(self.address))
        return self.connections[:count]

    def hang_up(self, keep: int = CALLERS) -> None:
        """Close all but `keep` connections."""
        for connection in self.connections[keep:]:
            connection.close()
        del self.connections[keep:]


class CpuMeter:
    """CPU of a target by role between `start` and `stop`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = procfs.cpu_by_role(target.pid)

    def stop(self, measurement: str, units: int) -> float:
        """Microseconds per unit; kept by role with the target."""
        after = procfs.cpu_by_role(self._target.pid)
        roles = self._target.cpu_us.setdefault(measurement, {})
        total = 0.0
        for name, seconds in after.items():
            each = 1e6 * (seconds - self._before.get(name, 0.0)) / units
            roles.setdefault(name, []).append(each)
            total += each
        return total


def is_good(answer: Answer, *, is_stream: bool) -> bool:
    """Whether the answer is complete."""
    return answer.status == 200 and answer.is_whole and (answer.has_done or not is_stream)


async def closed_loop(target: Target, request: bytes, count: int, *, is_stream: bool) -> tuple[float, int]:
    """`CALLERS` callers without pause; returns seconds and errors."""
    left, errors = count, 0

    async def caller(connection: Connection) -> None:
        nonlocal left, errors
        while left > 0:
            left -= 1
            errors += not is_good(await connection.ask(request), is_stream=is_stream)

    started_s = time.perf_counter()
    await asyncio.gather(*map(caller, target.take(CALLERS)))
    return time.perf_counter() - started_s, errors


async def json_requests(target: Target, size: Size) -> None:
    """JSON requests as fast as they go."""
    meter = CpuMeter(target)
    seconds, errors = await closed_loop(target, target.request(), size.requests, is_stream=False)
    target.add(json_us=meter.stop("json", size.requests), json_rps=size.requests / seconds, errors=errors)


async def burst_streams(target: Target, size: Size) -> None:
    """Streams whose chunks are all there at once."""
    meter, chunks = CpuMeter(target), size.bursts * CHUNKS_PER_BURST
    seconds, errors = await closed_loop(target, target.request(is_stream=True), size.bursts, is_stream=True)
    target.add(burst_us=meter.stop("burst", chunks), burst_cps=chunks / seconds, errors=errors)


async def translated_streams(target: Target, size: Size) -> None:
    """The same bursts of a provider that speaks Anthropic's format; only a gateway of ours translates."""
    if not target.is_ours:
        return
    request = target.request(is_stream=True, prefix="anthropic/")
    meter, chunks = CpuMeter(target), size.bursts * CHUNKS_PER_BURST
    _, errors = await closed_loop(target, request, size.bursts, is_stream=True)
    target.add(translated_us=meter.stop("translated", chunks), errors=errors)


async def latency(target: Target, size: Size) -> None:
    """16 callers who think between requests: p50 and p99 of a JSON request, milliseconds."""
    request, until_s = target.request(), time.perf_counter() + size.latency_s
    taken: list[float] = []
    errors = 0

    async def caller(connection: Connection) -> None:
        nonlocal errors
        while time.perf_counter() < until_s:
            await asyncio.sleep(random.uniform(0, 2 * THINK_S))
            answer = await connection.ask(request)
            errors += not is_good(answer, is_stream=False)
            taken.append(answer.seconds * 1000)

    await asyncio.gather(*map(caller, target.take(LATENCY_CALLERS)))
    taken.sort()
    target.add(p50_ms=percentile(taken, 50), p99_ms=percentile(taken, 99), errors=errors)


async def first_tokens(target: Target, _size: Size) -> None:
    """Ten streams side by side: p50 until the first content, milliseconds (the upstream's own pace is 10 ms)."""
    request = target.request("-slow-20-10", is_stream=True)
    answers = await asyncio.gather(*[one.ask(request) for one in target.take(10)])
    errors = sum(not is_good(answer, is_stream=True) for answer in answers)
    first = sorted(1000 * (answer.first_s or 0.0) for answer in answers)
    target.add(ttft_ms=percentile(first, 50), errors=errors)


async def paced_streams(target: Target, size: Size) -> None:
    """Many streams side by side, a chunk each 50 ms."""
    request = target.request(f"-slow-{size.paced_chunks}-{size.paced_ms}", is_stream=True)
    meter, connections = CpuMeter(target), target.take(size.paced_streams)
    answers = await asyncio.gather(*[one.ask(request) for one in connections])
    errors = sum(not is_good(a, is_stream=True) or a.body.count(b" hello") != size.paced_chunks for a in answers)
    target.add(paced_us=meter.stop("paced", size.paced_streams * size.paced_chunks), errors=errors)
    target.hang_up()


async def memory(target: Target, size: Size) -> None:
    """Idle, loaded, and per open stream; to be called on a fresh process."""
    if not target.pid:
        return
    idle = procfs.usage_by_role(target.pid)
    await closed_loop(target, target.request(is_stream=True), CALLERS, is_stream=True)
    await asyncio.sleep(SETTLE_S)
    before = procfs.usage_by_role(target.pid)
    request = target.request("-slow-6-1000", is_stream=True)
    jobs = [asyncio.create_task(one.ask(request)) for one in target.take(size.open_streams)]
    await asyncio.sleep(4.5)
    during = procfs.usage_by_role(target.pid)
    answers = await asyncio.gather(*jobs)
    target.hang_up()
    target.add(
        idle_mb=_sum(idle, "pss_kb") / 1024,
        idle_rss_mb=_sum(idle, "rss_kb") / 1024,
        loaded_mb=_sum(during, "pss_kb") / 1024,
        stream_kb=(_sum(during, "pss_kb") - _sum(before, "pss_kb")) / size.open_streams,
        errors=sum(not is_good(answer, is_stream=True) for answer in answers),
    )
    for name, used in during.items():
        have = before.get(name, procfs.Usage())
        roles = target.cpu_us.setdefault("KB per stream", {})
        roles.setdefault(name, []).append((used.pss_kb - have.pss_kb) / size.open_streams)
    for name, used in idle.items():
        target.cpu_us.setdefault("idle MB (RSS)", {}).setdefault(name, []).append(used.rss_kb / 1024)


def _sum(usages: dict[str, procfs.Usage], name: str) -> float:
    """Over what serves requests: a supervisor is not part of the budget."""
    return float(sum(getattr(used, name) for role, used in usages.items() if role != "supervisor"))


def percentile(ordered: list[float], percent: float) -> float:
    """Of an ordered list, by nearest rank; 0 of an empty one."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


Measurement = Callable[[Target, Size], Coroutine[Any, Any, None]]
ROUND: tuple[Measurement, ...] = (
    json_requests,
    burst_streams,
    translated_streams,
    latency,
    first_tokens,
    paced_streams,
)
