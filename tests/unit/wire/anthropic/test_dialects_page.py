"""docs/dialects.md says of the Anthropic format what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.wire.anthropic import answers, chat, errors, mapping
from gateway.wire.foreign import EFFORT_BUDGETS

PAGE = Path(__file__).parents[4] / "docs/dialects.md"
ANTHROPIC = PAGE.read_text("utf-8").partition("\n## Anthropic Messages\n")[2].partition("\n## ")[0]


def table(title: str) -> dict[str, str]:
    """The two columns of the table under a heading, without the marks of code."""
    section = ANTHROPIC.partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    rows = [line.strip("|").replace("`", "").split("|") for line in section.splitlines() if line.startswith("|")]
    return {key.strip(): value.strip() for key, value in rows[2:]}


def test_finish_reasons() -> None:
    """Both ways."""
    assert table("Finish reasons") == chat.FINISH_REASONS
    for ours, theirs in answers.STOP_REASONS.items():
        assert re.search(rf"`{ours}`[^,.]*(is|are) `{theirs}`", ANTHROPIC.replace("\n", " "))


def test_efforts() -> None:
    """Word and budget."""
    assert table("Reasoning effort") == {effort: str(budget) for effort, budget in EFFORT_BUDGETS.items()}


def test_errors() -> None:
    """Status and type."""
    assert table("Errors") == {str(status): type_ for status, type_ in errors.TYPES.items()}


def test_what_is_not_supported() -> None:
    """The list is the code's."""
    section = ANTHROPIC.partition("Not supported:")[2].partition("audio in `modalities`")[0]
    named = re.findall(r"`(\w+)`", section)
    assert named == [name.removesuffix("_json") for name in mapping.UNSUPPORTED]


def test_names_and_numbers() -> None:
    """Defaults and words of the mapping."""
    assert f"`{mapping.JSON_TOOL}`" in ANTHROPIC
    assert f"else {mapping.MAX_TOKENS_DEFAULT}" in ANTHROPIC
    assert f"no thinking below {mapping.BUDGET_MIN}" in ANTHROPIC
    for ours, theirs in mapping.SERVICE_TIERS.items():
        assert f"`{ours}`: `{theirs}`" in ANTHROPIC
