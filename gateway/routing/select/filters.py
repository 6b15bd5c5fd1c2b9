"""Filters: candidates that would refuse the call are left out before they can.

Rules:
    - A capability that a candidate lacks is certain: it is left out, also when nobody is left.
    - The size of a prompt is an estimate: of candidates that all look too small, the largest stay.
    - A window that is not configured is taken as large enough.
Not here:
    - The model's own capabilities, checked before there is a plan (pipeline.needs).
"""

from __future__ import annotations

from math import inf

from gateway.config.catalogue import Deployment
from gateway.routing.facts import Facts


def lacking(deployment: Deployment, facts: Facts) -> str | None:
    """Why it cannot serve the call; None when it can."""
    missing = [need for need in facts.needs if need not in deployment.capabilities]
    return f"lacks {', '.join(dict.fromkeys(missing))}" if missing else None


def too_small(candidates: list[Deployment], facts: Facts) -> dict[Deployment, str]:
    """Those whose context window is too small for the call, each with the reason."""
    asked = facts.prompt_tokens + facts.output_tokens
    windows = {d: inf if d.context_window_tokens is None else d.context_window_tokens for d in candidates}
    largest = max(windows.values(), default=inf)
    return {
        d: f"context window of {window:.0f} tokens is below the {asked} this call may need"
        for d, window in windows.items()
        if window < asked and window < largest
    }
