"""What a suite brings back.

Rules:
    - Facts are for people and documents, samples for a spreadsheet, checks decide.
Not here:
    - Showing and writing them (checks).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loadtests.checks import Check


@dataclass(slots=True)
class Found:
    """Filled while a suite runs."""

    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
