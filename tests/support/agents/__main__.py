"""Run every coding agent at every upstream format: `scripts/agents [--only NAME] [--write]`.

Rules: the exit code is 0 only when every agent did its task everywhere; the tables go to standard output, or with
    `--write` into docs/clients.md, between their marks.
Not here: the same as a test (tests/e2e/test_agents.py).
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.conftest import ROOT
from tests.support.agents.crew import AGENTS, Agent
from tests.support.agents.table import tables
from tests.support.agents.task import Outcome, pairs, run, staged

CACHE = ROOT / ".cache" / "agents"
PAGE = ROOT / "docs" / "clients.md"
BEGIN, END = "<!-- written by `scripts/agents --write` -->", "<!-- end -->"


async def run_all(agents: tuple[Agent, ...]) -> list[Outcome]:
    """Install and run them, one after the other."""
    installed = {agent.name: agent.install(CACHE) for agent in agents}
    outcomes = []
    async with staged() as stage:
        for agent, upstream in pairs(agents):
            outcome = await run(stage, agent, upstream, installed[agent.name])
            outcomes.append(outcome)
            word = "done" if outcome.is_done else f"FAILED\n{outcome.said}"
            print(f"{agent.name} at {upstream.name}: {word}", file=sys.stderr)
    return outcomes


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="scripts/agents", description="Coding agents through the gateway.")
    parser.add_argument("--only", choices=[agent.name for agent in AGENTS], help="this agent alone")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/clients.md")
    given = parser.parse_args()
    outcomes = asyncio.run(run_all(tuple(agent for agent in AGENTS if given.only in (None, agent.name))))
    text = tables(outcomes)
    if given.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
    else:
        print(text)
    return 0 if all(outcome.is_done and outcome.exit_code == 0 for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
