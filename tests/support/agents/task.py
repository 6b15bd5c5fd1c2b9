"""The task: an agent edits a file, its model being the simulator behind a gateway, at one upstream format.

Rules: one gateway (`serve --single`) and one simulator for all runs; each run has a scratch folder, a home and a tap of
    its own, and is judged by the file it leaves behind.
Not here: agents (crew), the table they end in (table).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gateway.simulator.server import Running, serve
from tests.support.agents.crew import AFTER, BEFORE, NOTE, Agent, Place
from tests.support.agents.tap import Asked, tapping
from tests.support.matrix.upstreams import UPSTREAMS, Upstream, layer
from tests.support.served import Served, served

RUN_S = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: whether the file is as the task says, everything the agent asked for, and what it said."""

    agent: Agent
    upstream: Upstream
    is_done: bool
    exit_code: int | None
    asked: tuple[Asked, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs share."""

    gateway: Served
    simulator: Running


def pairs(agents: tuple[Agent, ...]) -> list[tuple[Agent, Upstream]]:
    """Every agent at every upstream format that carries what it needs."""
    return [(agent, at) for agent in agents for at in UPSTREAMS if not (agent.needs_tools and "tools" in at.refuses)]


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """A gateway and the simulator behind it, with a model per upstream format that drops what has no counterpart."""
    simulator = await serve()
    try:
        config: dict[str, Any] = layer(simulator.url)
        for upstream in UPSTREAMS:
            config["models"][f"m-{upstream.name}"] |= {"names": [f"{_name(upstream)}/*"], "on_unsupported": "drop"}
        with served(config, arguments=("--single",)) as gateway:
            yield Stage(gateway, simulator)
    finally:
        await simulator.stop()


async def run(stage: Stage, agent: Agent, upstream: Upstream, installed: Path) -> Outcome:
    """Let an agent do the task."""
    with tempfile.TemporaryDirectory(prefix="agent-") as scratch:
        folder, home = Path(scratch) / "task", Path(scratch) / "home"
        folder.mkdir()
        home.mkdir()
        (folder / NOTE).write_text(BEFORE)
        await _hand_in(stage.simulator.url, agent, folder)
        async with tapping(stage.gateway.url) as tap:
            place = Place(installed, home, folder, tap.url, stage.gateway.key)
            exit_code, said = await _start(agent, place, f"{_name(upstream)}/sim-script-{agent.script}")
        is_done = (folder / NOTE).read_text() == AFTER
        return Outcome(agent, upstream, is_done, exit_code, tuple(tap.asked), said)


def _name(upstream: Upstream) -> str:
    """The prefix of its models; clients read things of their own into `openai/` and `responses/`."""
    return f"at-{upstream.name}"


async def _hand_in(simulator_url: str, agent: Agent, folder: Path) -> None:
    url = f"{simulator_url}/_sim/scripts/{agent.script}"
    async with aiohttp.ClientSession() as session, session.put(url, json={"turns": agent.turns(folder)}) as answer:
        assert answer.status == 200, await answer.text()


async def _start(agent: Agent, place: Place, model: str) -> tuple[int | None, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"HOME": str(place.home), "PATH": path, "LANG": "C.UTF-8", **agent.variables(place, model)}
    try:
        process = await asyncio.create_subprocess_exec(
            *agent.command(place, model),
            cwd=place.folder,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:  # one that cannot be started is its own failure, not the others'
        return None, str(error)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), RUN_S)
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
        return None, output.decode(errors="replace")
    return process.returncode, output.decode(errors="replace")
