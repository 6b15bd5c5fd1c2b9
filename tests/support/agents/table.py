"""What agents asked for, as the tables of docs/clients.md.

Rules: pure; the same runs give the same text, whatever the times, ids and ports were.
Not here: running (task).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.support.agents.task import Outcome

_MODEL = re.compile(r"at-\w+/sim-script-\w+")


def tables(outcomes: list[Outcome]) -> str:
    """Markdown: who did the task at which upstream format, and what each asked the gateway for."""
    return "\n".join([*_results(outcomes), "", *_requests(outcomes)]) + "\n"


def _results(outcomes: list[Outcome]) -> list[str]:
    names = list(dict.fromkeys(outcome.upstream.name for outcome in outcomes))
    lines = [f"| agent | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for agent in dict.fromkeys(outcome.agent for outcome in outcomes):
        found = {outcome.upstream.name: _word(outcome) for outcome in outcomes if outcome.agent is agent}
        cells = " | ".join(found.get(name, "needs tools") for name in names)
        lines.append(f"| {agent.name} {agent.version} | {cells} |")
    return lines


def _word(outcome: Outcome) -> str:
    return "done" if outcome.is_done and outcome.exit_code == 0 else f"failed (exit {outcome.exit_code})"


def _requests(outcomes: list[Outcome]) -> list[str]:
    lines = ["| agent | asks for | body | tools | `anthropic-beta` | left out, where the provider has no place |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for agent in dict.fromkeys(outcome.agent for outcome in outcomes):
        asked = [one for outcome in outcomes if outcome.agent is agent for one in outcome.asked]
        routes = {f"`{_MODEL.sub('MODEL', one.route)}`{' (stream)' if one.is_stream else ''}" for one in asked}
        members = {name for one in asked for name in one.body}
        tools = {f"{count} {kind}" for one in asked for kind, count in one.tools.items()}
        betas = {beta for one in asked for beta in one.betas}
        dropped = {path.strip() for one in asked for path in one.dropped.split(",") if path.strip()}
        cells = [", ".join(sorted(routes)), _quoted(members), ", ".join(sorted(tools)) or "none",
                 _quoted(betas), _quoted(dropped)]  # fmt: skip
        lines.append(f"| {agent.name} | {' | '.join(cells)} |")
    return lines


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words)) or "none"
