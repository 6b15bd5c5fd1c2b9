"""A simulation of hedging in virtual time: the gateway's own attempts, board and budget over providers made of numbers.

Rules:
    - One first token in fifty is five seconds late, all others take 0.2 to 0.4 s; the same seed gives the same figures.
    - Only the network is simulated: what is raced, cancelled and counted is the pipeline's own code.
Not here:
    - Real processes under load (scenario `hedging`); other simulations (virtual).
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from gateway.config.schema import Config
from gateway.observe.log import make_log
from gateway.observe.metrics import CallMetrics
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.series import Attempts
from gateway.pipeline.kit import Kit, Runtime
from gateway.pipeline.progress import Progress
from gateway.routing.plan import Plan
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.pb import chat_pb2
from loadtests.virtual import percentile, run_virtually

STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n'
LATE_S, LATE_PERCENT = 5.0, 2.0


@dataclass(slots=True)
class Seen:
    """Seconds to the first content of each call, and how many upstream calls there were."""

    took_s: list[float] = field(default_factory=list)
    sent: int = 0

    @property
    def p99_s(self) -> float:
        """Of all calls."""
        return percentile(self.took_s, 99)

    @property
    def extra_percent(self) -> float:
        """Upstream calls beyond one for each call."""
        return 100 * (self.sent / len(self.took_s) - 1)


class _Reply:
    """One answer: its first bytes after a time."""

    status, media_type = 200, "text/event-stream"

    def __init__(self, wait_s: float) -> None:
        self.headers: dict[str, str] = {}
        self._wait_s: float | None = wait_s

    async def next(self) -> bytes:
        if self._wait_s is None:
            return b""
        await asyncio.sleep(self._wait_s)
        self._wait_s = None
        return STREAM

    def content_came(self) -> None:
        """No clock runs."""

    async def finish(self) -> None:
        """Nothing is left to read."""

    async def close(self) -> None:
        """Nothing is open."""


class _Network:
    """What stands for the transport."""

    def __init__(self, seen: Seen, chance: random.Random) -> None:
        self._seen, self._chance = seen, chance

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The virtual one."""
        return asyncio.get_running_loop()

    async def open(self, _deployment: Any, _request: Any, _deadline_s: float) -> _Reply:
        """One upstream call."""
        self._seen.sent += 1
        is_late = self._chance.random() * 100 < LATE_PERCENT
        return _Reply(LATE_S if is_late else self._chance.uniform(0.2, 0.4))


def late_first_tokens(*, is_hedged: bool, calls: int = 10_000, calls_per_s: float = 50.0, seed: int = 1) -> Seen:
    """So many calls of a model with two deployments."""
    seen, chance = Seen(), random.Random(seed)
    block = {"dialect": "openai", "base_url": "http://127.0.0.1:9/v1", "auth": "none", "is_local": True}
    model = {
        "names": ("m",),
        "candidates": ({"provider": "a"}, {"provider": "b"}),
        "hedge": {"is_enabled": is_hedged},
    }  # fmt: skip
    config = Config.model_validate({"providers": {"a": block, "b": block}, "models": {"m": model}})
    runtime = Runtime.of(config, 1, b"pepper")
    entry = runtime.catalogue.entries[0]
    quota: Any = SimpleNamespace()  # no call gets as far as a reservation
    network: Any = _Network(seen, chance)
    kit = Kit(runtime, quota, network, CallMetrics(), make_log("error", "json", "simulation"))
    request = chat_pb2.ChatRequest(model="m")

    async def one() -> None:
        loop = asyncio.get_running_loop()
        came_s, progress = loop.time(), Progress(plan=Plan(entry.candidates, ()))
        attempts = Attempts(kit, progress)
        await attempts.first(Order(STREAM_CHAT, request, "m", entry, came_s + 60.0))
        seen.took_s.append(loop.time() - came_s)
        await attempts.close("complete")

    async def all_of_them() -> None:
        tasks = []
        for _ in range(calls):
            await asyncio.sleep(chance.expovariate(calls_per_s))
            tasks.append(asyncio.create_task(one()))
        await asyncio.gather(*tasks)

    run_virtually(all_of_them())
    return seen


def main() -> None:
    """Print both."""
    for is_hedged in (False, True):
        seen = late_first_tokens(is_hedged=is_hedged)
        took = ", ".join(f"p{p} {percentile(seen.took_s, p):.2f} s" for p in (50, 95, 98, 99, 99.9))
        name = "hedged" if is_hedged else "plain"
        sys.stdout.write(f"{name}: first content {took}; {seen.extra_percent:.1f} % extra upstream calls\n")


if __name__ == "__main__":
    main()
