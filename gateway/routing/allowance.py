"""What a provider's own rate limits leave, from the headers of its answers.

Rules:
    - Read: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` and
      `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`.
    - Only the latest answer counts; once its reset time has passed, everything is taken as left.
    - What cannot be read is as if it had not been sent: headers are a vendor's free text.
Source: the vendors' API references ("rate limits in headers").
Not here:
    - What follows from it (routing.select.headroom).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf, isfinite

RESET_DEFAULT_S = 60.0  # of a header without a reset
RESET_MAX_S = 3600.0
_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WHAT = ("limit", "remaining", "reset")
_NAMES = (
    *(tuple(f"x-ratelimit-{what}-{of}" for what in _WHAT) for of in ("requests", "tokens")),
    *(
        tuple(f"anthropic-ratelimit-{of}-{what}" for what in _WHAT)
        for of in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
)


class Allowance:
    """The latest word of one deployment's provider: the smallest share left, and until when that holds."""

    __slots__ = ("_share", "_until_s")

    def __init__(self) -> None:
        self._share = 1.0
        self._until_s = 0.0

    def share_left(self, now_s: float) -> float:
        """Between 0 and 1; 1 = all, or unknown."""
        return self._share if now_s < self._until_s else 1.0

    def read(self, headers: Mapping[str, str], now_s: float) -> None:
        """Take what an answer's headers say."""
        said = [told for names in _NAMES if (told := _share(headers, *names)) is not None]
        if said:
            self._share, reset_s = min(said)
            self._until_s = now_s + reset_s


def _share(
    headers: Mapping[str, str], limit_name: str, remaining_name: str, reset_name: str
) -> tuple[float, float] | None:
    """The share left and for how many seconds that holds; None when it is not said."""
    limit, remaining = _number(headers.get(limit_name)), _number(headers.get(remaining_name))
    if limit is None or remaining is None or not 0 < limit < inf:
        return None
    return min(1.0, max(0.0, remaining / limit)), _reset_s(headers.get(reset_name, ""))


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None and len(text) <= 20 else inf
    except ValueError:
        return None
    return number if isfinite(number) else None


def _reset_s(text: str) -> float:
    """`6m0s`, `120ms`, `1.5` (seconds); an instant or anything else is a minute."""
    steps = _STEP.findall(text[:32])
    if steps:
        return min(RESET_MAX_S, sum(float(number) * _SECONDS[unit] for number, unit in steps))
    seconds = _number(text)
    return RESET_DEFAULT_S if seconds is None else min(RESET_MAX_S, max(0.0, seconds))
