"""Every fault of an upstream, under load: whatever it does, what the gateway promises still holds.

Rules:
    - Invariants, not outcomes: an answer is complete, or says that it failed; nothing comes after an error and
      nothing pretends to be complete; each call is counted once; nothing stays open.
    - Healthy calls run beside the faulty ones and must all succeed.
Not here:
    - What each fault leads to (tests of the pipeline); the faults (gateway.simulator).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import grpc.aio
import uvloop

from gateway.wire.pb import chat_pb2, inference_pb2_grpc
from loadtests.checks import at_most, equal
from loadtests.http1 import Address, Answer, Connection
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
    total,
)

DONE = "[DONE]"
KINDS = ("json", "sse", "grpc")
FD_SLACK = 12
HEALTHY = "sim-chunks-8"


def run(parameters: Mapping[str, Any], gateway: Gateway, _upstream: str) -> Found:
    """Run the suite."""
    return uvloop.run(_Faults(parameters, gateway).run())


class _Faults:
    def __init__(self, parameters: Mapping[str, Any], gateway: Gateway) -> None:
        self._gateway = gateway
        self._models: list[str] = parameters["models"]
        self._times = int(parameters["times"])
        self._callers = int(parameters["callers"])
        self._within_s = float(parameters["within_s"])
        self._limits = parameters["limits"]
        self._draw = random.Random(parameters.get("seed", 1))
        self._address = Address.of(gateway.base_url, gateway.key)
        self._outcomes: dict[str, Counter[str]] = {}
        self._broken: Counter[str] = Counter()
        self._found = Found()

    async def run(self) -> Found:
        """Every model, over JSON, SSE and gRPC, in random order with healthy calls between."""
        channel = grpc.aio.insecure_channel(self._gateway.grpc)
        self._stub = inference_pb2_grpc.InferenceStub(channel)
        try:
            await asyncio.gather(*[self._one(HEALTHY, kind) for kind in KINDS for _ in range(8)])
            self._outcomes.clear()
            await quiet(self._gateway, 60.0)
            await asyncio.sleep(TASKS_EVERY_S + 1)
            before, before_gauges = processes(self._gateway), gauges(self._gateway)
            calls = total(self._gateway.metrics(), CALLS)
            asked = await self._load()
            await quiet(self._gateway, 60.0, and_also=fds_are_back(self._gateway, before, FD_SLACK))
            await asyncio.sleep(TASKS_EVERY_S + 1)
            self._judge(asked, calls, before_gauges)
            after = processes(self._gateway)
            for role, used in before.items():
                kept = after[role].fds - used.fds
                self._found.checks.append(at_most(f"{role} descriptors more than before", kept, FD_SLACK))
                grown_mb = (after[role].rss_kb - used.rss_kb) / 1024
                self._found.checks.append(at_most(f"{role} MB more than before", grown_mb, self._limits["grown_mb"]))
        finally:
            await channel.close(None)
        return self._found

    async def _load(self) -> int:
        orders = [(model, kind) for model in self._models for kind in KINDS for _ in range(self._times)]
        orders += [(HEALTHY, kind) for kind in KINDS for _ in range(len(orders) // 6)]
        self._draw.shuffle(orders)
        count, started_s = len(orders), time.monotonic()

        async def caller() -> None:
            while orders:
                await self._one(*orders.pop())

        await asyncio.gather(*[caller() for _ in range(self._callers)])
        self._found.facts["calls"] = count
        self._found.facts["seconds"] = round(time.monotonic() - started_s, 1)
        return count

    async def _one(self, model: str, kind: str) -> None:
        work = self._grpc(model) if kind == "grpc" else self._http(model, is_stream=kind == "sse")
        try:
            async with asyncio.timeout(self._within_s):
                outcome, broken = await work
        except TimeoutError:
            outcome, broken = "hung", "no end within the time allowed"
        self._outcomes.setdefault(f"{model} {kind}", Counter())[outcome] += 1
        if broken:
            self._broken[f"{model} {kind}: {broken}"] += 1

    async def _http(self, model: str, *, is_stream: bool) -> tuple[str, str]:
        body = {"model": model, "stream": is_stream, "messages": [{"role": "user", "content": "Well?"}]}
        connection = Connection(self._address)
        try:
            answer = await connection.ask(self._address.request("chat/completions", body))
        finally:
            connection.close()
        return judge_stream(answer) if is_stream and answer.status == 200 else judge_whole(answer)

    async def _grpc(self, model: str) -> tuple[str, str]:
        request = chat_pb2.ChatRequest(model=model)
        request.messages.add(role="user").blocks.add(text="Well?")
        chunks = 0
        try:
            metadata = (("authorization", f"Bearer {self._gateway.key}"),)
            async for _ in self._stub.StreamChat(request, metadata=metadata):
                chunks += 1
        except grpc.aio.AioRpcError as error:
            return error.code().name, "" if error.code() is not grpc.StatusCode.UNKNOWN else "status UNKNOWN"
        return "complete", "" if chunks else "OK without a chunk"

    def _judge(self, asked: int, calls_before: float, gauges_before: dict[str, float]) -> None:
        found, checks = self._found, self._found.checks
        found.facts |= {name: dict(outcomes) for name, outcomes in sorted(self._outcomes.items())}
        found.facts["broken promises"] = dict(self._broken)
        healthy = [outcomes for name, outcomes in self._outcomes.items() if name.startswith(f"{HEALTHY} ")]
        good = sum(outcomes["complete"] for outcomes in healthy)
        checks.append(equal("broken promises", self._broken.total(), 0))
        checks.append(equal("healthy calls that failed", sum(o.total() for o in healthy) - good, 0))
        counted = total(self._gateway.metrics(), CALLS) - calls_before
        checks.append(equal("calls counted, of those made", counted, asked))
        now = gauges(self._gateway)
        checks += [equal(f"{name} after", value, 0) for name, value in now.items() if name in OPEN]
        for name, value in now.items():
            if name.startswith("tasks "):
                checks.append(at_most(f"{name} more than before", value - gauges_before[name], self._limits["tasks"]))


def judge_whole(answer: Answer) -> tuple[str, str]:
    """Outcome and broken promise ('' for none) of an answer that is no stream."""
    name = "complete" if answer.status == 200 else f"{answer.status}"
    if not answer.is_whole:
        return name, "the answer was cut off"
    try:
        body = json.loads(answer.body)
    except ValueError:
        return name, "the body is no JSON"
    wanted = "choices" if answer.status == 200 else "error"
    return name, "" if wanted in body else f"the body has no `{wanted}`"


def judge_stream(answer: Answer) -> tuple[str, str]:
    """Outcome and broken promise of a stream: complete with `[DONE]`, or an error event at its end, never both.

    After an error event the response is left without its last chunk, so that no reader takes it for a whole one.
    """
    events = [line[6:] for line in answer.body.decode("utf-8", "replace").split("\n") if line.startswith("data: ")]
    errors = [place for place, event in enumerate(events) if _is_error(event)]
    if errors and DONE in events:
        return "error and done", "an error and `[DONE]` in one stream"
    if errors:
        return "error event", "" if errors[0] == len(events) - 1 else "something after the error"
    if DONE not in events:
        return "no end", "neither `[DONE]` nor an error"
    if not answer.is_whole:
        return "cut", "the response ended without its last chunk"
    return "complete", "" if events[-1] == DONE else "something after `[DONE]`"


def _is_error(event: str) -> bool:
    try:
        body = json.loads(event)
    except ValueError:
        return False
    return isinstance(body, dict) and "error" in body
