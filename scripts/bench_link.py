"""What the link costs, alone: a service process with a toy dispatch, a frontend process, nothing else.

Rules: figures are CPU time (user + system) and resident memory of both processes together; each is printed
as one line of JSON. Not here: the whole gateway (scripts/bench).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # no stubs
import uvloop
from google.protobuf.message import Message

from gateway.rpc.contract import CHAT, STREAM_CHAT, CallContext, Head, Item, Method, Tail
from gateway.rpc.link_client import LinkClient
from gateway.rpc.link_server import LinkServer, serve
from gateway.wire.pb import chat_pb2

HEADERS = {"x-request-id": "req-0123456789abcdef", "x-gateway-provider": "toy"}
WORD = " token"


async def toy(method: Method, request: Message, context: CallContext) -> AsyncGenerator[Item, None]:
    """Unary: echo. Stream: `user` is "batches,events per batch,pause between batches in seconds"."""
    if not isinstance(request, chat_pb2.ChatRequest):
        raise TypeError(method.name)
    yield Head(HEADERS)
    if not method.is_stream:
        yield [chat_pb2.ChatResponse(id=context.request_id, model=request.model)]
    else:
        batches, events, pause_s = request.user.split(",")
        yield [chat_pb2.ChatChunk(id="chatcmpl-1", model=request.model)]
        await asyncio.sleep(random.uniform(0, float(pause_s)))  # streams are not in step
        for _ in range(int(batches)):
            if float(pause_s):
                await asyncio.sleep(float(pause_s))
            yield [WORD] * int(events)
    yield Tail({"server-timing": "total;dur=1.0"})


async def run_service(address: str) -> None:
    """Serve until killed."""
    server, _ = await serve(LinkServer(toy), address)
    await server.wait_for_termination()


class Meter:
    """CPU and memory of this process and the service."""

    def __init__(self, service_pid: int) -> None:
        self._processes = [psutil.Process(), psutil.Process(service_pid)]

    def cpu_s(self) -> list[float]:
        times = [process.cpu_times() for process in self._processes]
        return [t.user + t.system for t in times]

    def resident_kb(self) -> list[float]:
        return [process.memory_info().rss / 1024 for process in self._processes]


def request(shape: str = "") -> chat_pb2.ChatRequest:
    """A small chat; `shape` for streams, see toy."""
    return chat_pb2.ChatRequest(model="gpt-4o-mini", user=shape)


CONTEXT = CallContext(
    credential="gw-0123456789.abcdefghijklmnopqrstuvwxyz0123456789",
    request_id="req-0123456789abcdef",
    peer="127.0.0.1:54321",
    profile="default",
    dialect="openai",
    protocol="http",
)


async def take_all(client: LinkClient, method: Method, shape: str, times: int = 1) -> int:
    """Run calls one after the other; how many events came."""
    events = 0
    for _ in range(times):
        async for item in client(method, request(shape), CONTEXT):
            if type(item) is list:
                events += len(item)
    return events


async def measure(name: str, meter: Meter, work: Any, unit: str) -> None:
    """Run `work` (a list of coroutines giving counts) and print CPU per count."""
    before = meter.cpu_s()
    count = sum(await asyncio.gather(*work))
    used = [after - start for after, start in zip(meter.cpu_s(), before, strict=True)]
    frontend_us, service_us = (round(s / count * 1e6, 2) for s in used)
    print(json.dumps({
        "what": name, f"us per {unit}": round(frontend_us + service_us, 2),
        "frontend": frontend_us, "service": service_us, "count": count,
    }))  # fmt: skip


async def measure_open(client: LinkClient, meter: Meter, calls: int) -> None:
    """Open calls that wait, and print what each holds in memory."""
    await take_all(client, STREAM_CHAT, "1,1,0")
    before = meter.resident_kb()
    tasks = [asyncio.create_task(take_all(client, STREAM_CHAT, "2,1,3600")) for _ in range(calls)]
    while client.calls < calls:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    held = [round((after - start) / calls, 2) for after, start in zip(meter.resident_kb(), before, strict=True)]
    print(json.dumps({"what": f"{calls} open calls", "KB per call": round(sum(held), 2),
                      "frontend": held[0], "service": held[1]}))  # fmt: skip
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run_frontend(address: str, service_pid: int, calls: int, held: int) -> None:
    """Every measurement, in order."""
    meter = Meter(service_pid)
    async with LinkClient([address]) as client:
        if not await client.ready(20):
            raise SystemExit(f"no link: {client.last_error}")
        await asyncio.gather(*[take_all(client, CHAT, "", 100) for _ in range(32)])
        for callers in (1, 8, 32):
            work = [take_all(client, CHAT, "", calls // callers) for _ in range(callers)]
            await measure(f"unary, {callers} callers", meter, work, "call")
        burst = [take_all(client, STREAM_CHAT, f"{calls // 10},10,0") for _ in range(32)]
        await measure("burst, 32 streams, 10 events a batch", meter, burst, "event")
        single = [take_all(client, STREAM_CHAT, f"{calls // 4},1,0") for _ in range(32)]
        await measure("burst, 32 streams, 1 event a batch", meter, single, "event")
        paced = [take_all(client, STREAM_CHAT, "100,1,0.05") for _ in range(200)]
        await measure("paced, 200 streams x 20/s", meter, paced, "event")
        await measure_open(client, meter, held)


def main() -> None:
    """Start the service as a child, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="unary calls of each measurement")
    parser.add_argument("--open", type=int, default=2000, help="calls held open to measure memory")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        uvloop.run(run_service(given.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{Path(folder) / 'link'}"
        service = subprocess.Popen([sys.executable, __file__, "--serve", address])
        try:
            uvloop.run(run_frontend(address, service.pid, given.calls, given.open))
        finally:
            service.kill()
            service.wait()


if __name__ == "__main__":
    main()
