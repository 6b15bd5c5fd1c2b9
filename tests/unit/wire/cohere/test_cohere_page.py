"""docs/dialects.md says of the Cohere format what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.wire.cohere import answers, embeddings, request

PAGE = Path(__file__).parents[4] / "docs/dialects.md"
COHERE = PAGE.read_text("utf-8").partition("\n## Cohere\n")[2].partition("\n## ")[0]


def test_finish_reasons() -> None:
    """Words and failures."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \|$", COHERE, re.MULTILINE)
    assert dict(rows) == answers.FINISH_REASONS
    first, second = answers.FAILURES
    said = f"`{first}` and `{second}` are failures (like HTTP {answers.FAILURES[first]} and {answers.FAILURES[second]})"
    assert said in COHERE


def test_what_is_not_supported() -> None:
    """The list is the code's."""
    section = COHERE.partition("Not supported:")[2].partition(", audio in")[0]
    assert re.findall(r"`(\w+)`", section) == [name.removesuffix("_json") for name in request.UNSUPPORTED]


def test_numbers() -> None:
    """Ranges and defaults."""
    low, high = request.TOP_P_RANGE
    assert f"| `p`, from {low} to {high} |" in COHERE
    assert f"| the same, at most {request.TEMPERATURE_MAX:g} |" in COHERE
    assert f"| the same, at most {request.PENALTY_MAX:g}; negative ones are unsupported |" in COHERE
    assert f"`input_type` is else `{embeddings.INPUT_TYPE}`" in COHERE
