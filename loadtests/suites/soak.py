"""Very many requests of all kinds, a fifth of them abandoned at any moment; then nothing may be left behind.

Rules:
    - Abandoning happens in every phase: half-sent requests, right after sending, and after a random time that
      reaches from before the first token to past the end.
    - Memory is compared between quiet moments: after a warm-up, and after each slice of the requests.
    - A request that was not abandoned must have succeeded.
Not here:
    - Faulty upstreams (faults); many streams at once (streams).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import grpc.aio
import uvloop

from gateway.wire.pb import chat_pb2, inference_pb2_grpc
from loadtests.checks import at_least, at_most, equal
from loadtests.http1 import Address, Connection
from loadtests.procfs import Usage
from loadtests.stack import Gateway
from loadtests.suites.found import Found
from loadtests.suites.watching import (
    CALLS,
    OPEN,
    TASKS_EVERY_S,
    fds_are_back,
    gauges,
    processes,
    quiet,
    sample,
    total,
)

QUESTION = "Tell me something of moderate length, please. " * 8
QUIET_WITHIN_S = 90.0
CALL_WITHIN_S = 60.0
FD_SLACK = 12


def run(parameters: Mapping[str, Any], gateway: Gateway, _upstream: str) -> Found:
    """Run the suite."""
    return uvloop.run(_Soak(parameters, gateway).run())


class _Soak:
    def __init__(self, parameters: Mapping[str, Any], gateway: Gateway) -> None:
        self._gateway = gateway
        self._requests = int(parameters["requests"])
        self._callers = int(parameters["callers"])
        self._abort_ratio = float(parameters["abort_ratio"])
        self._slices = int(parameters.get("slices", 5))
        self._warm_up = int(parameters["warm_up"])
        self._models: Mapping[str, str] = parameters["models"]
        self._mix: Mapping[str, int] = parameters["mix"]
        self._limits = parameters["limits"]
        self._draw = random.Random(parameters.get("seed", 1))
        self._address = Address.of(gateway.base_url, gateway.key)
        self._outcomes: Counter[str] = Counter()
        self._started_s = time.monotonic()
        self._found = Found()

    async def run(self) -> Found:
        """Warm up, run the slices, judge."""
        channel = grpc.aio.insecure_channel(self._gateway.grpc)  # belongs to the loop it is made on
        self._stub = inference_pb2_grpc.InferenceStub(channel)
        try:
            await self._load(self._warm_up)
            first = await self._quiet({})
            first_gauges = await asyncio.to_thread(gauges, self._gateway)
            calls_before = total(self._gateway.metrics(), CALLS)
            self._outcomes.clear()
            marks = [first]
            began_s = time.monotonic()
            busy_s = 0.0
            for _ in range(self._slices):
                slice_s = time.monotonic()
                await self._load(self._requests // self._slices)
                busy_s += time.monotonic() - slice_s
                marks.append(await self._quiet(first))
            self._found.facts["requests per second while loaded"] = round(self._requests / busy_s)
            self._found.facts["seconds in all"] = round(time.monotonic() - began_s)
            await asyncio.sleep(TASKS_EVERY_S + 1)
            self._judge(marks, first_gauges, calls_before)
        finally:
            await channel.close(None)
        return self._found

    async def _quiet(self, before: dict[str, Usage]) -> dict[str, Usage]:
        await quiet(self._gateway, QUIET_WITHIN_S, and_also=fds_are_back(self._gateway, before, FD_SLACK))
        now = await asyncio.to_thread(processes, self._gateway)
        line = await asyncio.to_thread(sample, self._gateway, self._started_s, done=self._outcomes.total())
        self._found.samples.append(line)
        return now

    async def _load(self, count: int) -> None:
        left = count

        async def caller() -> None:
            nonlocal left
            connection = Connection(self._address)
            while left > 0:
                left -= 1
                kind = self._draw.choices(list(self._mix), list(self._mix.values()))[0]
                is_abandoned = self._draw.random() < self._abort_ratio
                try:
                    async with asyncio.timeout(CALL_WITHIN_S):
                        outcome = await self._one(kind, connection, is_abandoned=is_abandoned)
                except TimeoutError:
                    outcome = "hung"
                    connection.close()
                self._outcomes[f"{kind} {outcome}"] += 1
            connection.close()

        await asyncio.gather(*[caller() for _ in range(self._callers)])

    async def _one(self, kind: str, connection: Connection, *, is_abandoned: bool) -> str:
        work = self._grpc(kind) if kind.startswith("grpc") else self._http(kind, connection)
        if not is_abandoned:
            return await work
        if kind.startswith("http") and self._draw.random() < 0.2:
            work.close()
            return await self._half_sent(kind)
        leave_s = 0.0 if self._draw.random() < 0.2 else self._draw.uniform(0.0, float(self._limits["leave_within_s"]))
        job = asyncio.create_task(work)
        await asyncio.wait([job], timeout=leave_s)
        if not job.done():
            job.cancel()
            await asyncio.wait([job])
            return "abandoned"
        return f"{job.result()} before it could be abandoned"

    async def _http(self, kind: str, connection: Connection) -> str:
        is_stream = kind == "http_sse"
        answer = await connection.ask(self._request(kind))
        if answer.status != 200:
            return f"status {answer.status}"
        is_complete = answer.is_whole and (answer.has_done or not is_stream)
        return "complete" if is_complete else "incomplete"

    def _request(self, kind: str) -> bytes:
        messages = [{"role": "user", "content": QUESTION}]
        body = {"model": self._models[kind], "messages": messages, "stream": kind == "http_sse"}
        return self._address.request("chat/completions", body)

    async def _half_sent(self, kind: str) -> str:
        request = self._request(kind)
        _, writer = await asyncio.open_connection(self._address.host, self._address.port)
        writer.write(request[: self._draw.randrange(1, len(request))])
        await asyncio.sleep(self._draw.uniform(0, 0.02))
        writer.transport.abort()
        return "abandoned half-sent"

    async def _grpc(self, kind: str) -> str:
        request = chat_pb2.ChatRequest(model=self._models[kind])
        request.messages.add(role="user").blocks.add(text=QUESTION)
        metadata = (("authorization", f"Bearer {self._gateway.key}"),)
        try:
            if kind == "grpc_unary":
                await self._stub.Chat(request, metadata=metadata)
            else:
                async for _ in self._stub.StreamChat(request, metadata=metadata):
                    pass
        except grpc.aio.AioRpcError as error:
            return f"status {error.code().name}"
        return "complete"

    def _judge(self, marks: list[dict[str, Usage]], first_gauges: dict[str, float], calls_before: float) -> None:
        found, limits, checks = self._found, self._limits, self._found.checks
        good = ("complete", "abandoned", "abandoned half-sent", "complete before it could be abandoned")
        wrong = {name: n for name, n in self._outcomes.items() if name.split(" ", 1)[1] not in good}
        abandoned = sum(n for name, n in self._outcomes.items() if " abandoned" in name)
        counted = total(self._gateway.metrics(), CALLS) - calls_before
        found.facts["outcomes"] = dict(sorted(self._outcomes.items()))
        found.facts["calls the gateway counted"] = counted
        checks.append(equal("requests", self._outcomes.total(), self._requests // self._slices * self._slices))
        checks.append(equal("requests that went wrong", sum(wrong.values()), 0))
        checks.append(at_least("share abandoned", abandoned / self._outcomes.total(), self._abort_ratio * 0.5))
        last_gauges = gauges(self._gateway)
        checks += [equal(f"{name} after", value, 0) for name, value in last_gauges.items() if name in OPEN]
        for name, value in last_gauges.items():
            if name.startswith("tasks "):
                checks.append(at_most(f"{name} more than before", value - first_gauges[name], limits["tasks"]))
        for role in marks[0]:
            rss = [mark[role].rss_kb / 1024 for mark in marks]
            found.facts[f"{role}: RSS MB after the warm-up and each slice"] = [round(value, 1) for value in rss]
            found.facts[f"{role}: descriptors after the warm-up and each slice"] = [mark[role].fds for mark in marks]
            # The last half tells a leak from a heap that finds its size.
            late = rss[len(rss) // 2 :]
            slope = _slope(late) / (self._requests / self._slices) * 1000 * 1024
            checks.append(at_most(f"{role} KB per 1,000 requests, later half", slope, limits["kb_per_1000"]))
            checks.append(at_most(f"{role} MB more than after the warm-up", rss[-1] - rss[0], limits["grown_mb"]))
            fds = marks[-1][role].fds - marks[0][role].fds
            checks.append(at_most(f"{role} descriptors more than before", fds, FD_SLACK))


def _slope(values: list[float]) -> float:
    """Least squares, per step."""
    mean_x, mean_y = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((x - mean_x) ** 2 for x in range(len(values)))
    return sum((x - mean_x) * (y - mean_y) for x, y in enumerate(values)) / spread if spread else 0.0
