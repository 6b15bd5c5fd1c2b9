"""What must be true of a gateway when nothing runs any more, asked from inside or from outside.

Rules:
    - In process, every count is exact; of a served gateway, the gauges of /metrics are read.
Not here: when a call ended (the tests).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp

from tests.support.served import Served
from tests.support.single import InProcess
from tests.support.waiting import PATIENCE_S, eventually

GAUGES = ("gateway_calls_in_flight", "gateway_reservations_open", "gateway_upstream_replies_open")


def open_counts(gateway: InProcess) -> dict[str, int]:
    """What is open in a gateway of this process."""
    kit = gateway.half.kit
    return {
        "in_flight": kit.in_flight,
        "reservations": kit.quota.open_count,
        "replies": kit.transport.open_replies,
        "link_calls": gateway.whole.link.calls,
        "edge_replies": len(gateway.whole.http.edge.replies),
    }


async def metrics(gateway: Any) -> dict[str, float]:
    """Every sample of /metrics by name and labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in samples}


async def settled(gateway: Served | InProcess, within_s: float = PATIENCE_S) -> None:
    """Wait until nothing is open: no call, no reservation, no reply of a provider."""
    if isinstance(gateway, InProcess):
        await eventually(lambda: not any(open_counts(gateway).values()), "all settled", within_s=within_s)
        return

    async def is_zero() -> bool:
        try:
            found = await metrics(gateway)
        except aiohttp.ClientError:  # its frontend is being started again
            return False
        return all(found.get(name) == 0 for name in GAUGES)

    await eventually(is_zero, f"{GAUGES} are zero", within_s=within_s, every_s=0.1)


def tasks() -> Counter[str]:
    """The tasks of this loop by what they run."""
    return Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())
