"""Coding agents, unmodified, edit a file through the gateway, whatever their model speaks.

Rules: long profile: the first run installs the agents from npm and PyPI.
Not here: how they are started (tests/support/agents).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.agents.__main__ import CACHE
from tests.support.agents.crew import AGENTS, INSTALL_S, Agent
from tests.support.agents.task import Stage, pairs, run, staged
from tests.support.matrix.upstreams import Upstream

PAIRS = pairs(AGENTS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    async with staged() as made:
        yield made


@pytest.mark.full
@pytest.mark.timeout(INSTALL_S + 200)
@pytest.mark.parametrize(("agent", "upstream"), PAIRS, ids=[f"{agent.name}-{at.name}" for agent, at in PAIRS])
async def test_an_agent_does_its_task(stage: Stage, agent: Agent, upstream: Upstream) -> None:
    """The file is as it was asked for, and every request was answered with success."""
    outcome = await run(stage, agent, upstream, agent.install(CACHE))
    assert outcome.is_done, outcome.said
    assert outcome.exit_code == 0, outcome.said
    assert [asked.route for asked in outcome.asked if asked.status >= 400] == []
    assert outcome.asked
