"""Rate-limit headers of the OpenAI family, from what a subject has left.

Rules:
    - `x-ratelimit-{limit,remaining}-{requests,tokens}` are integers; `-reset-` is the time until the
      window is empty, as a Go duration (`12ms`, `1m0s`), as OpenAI sends it.
    - A limit that nobody has who is counted has no header; of several, the tightest is shown.
Source: the OpenAI API reference ("Rate limits in headers"), Go's `time.Duration.String`.
Not here:
    - The other families (profiles); `retry-after` (made from the error by the edges).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Standing(NamedTuple):
    """What a subject has left of one limit; `full_in_s` is seconds until nothing of it is used."""

    limit: int
    remaining: int
    full_in_s: float


Standings = dict[str, Standing]
"""What a call's subjects have left, by amount (requests, tokens, input_tokens, output_tokens): the tightest of each."""

NO_STANDINGS: Standings = {}


def openai_headers(standings: Standings) -> dict[str, str]:
    """The headers of one call; empty when nothing is limited."""
    headers: dict[str, str] = {}
    for amount, standing in standings.items():
        limit, remaining, reset = _names(amount)
        headers[limit], headers[remaining] = str(standing.limit), str(standing.remaining)
        headers[reset] = go_duration(standing.full_in_s)
    return headers


def noted(standings: Standings, amount: str, standing: Standing) -> None:
    """Keep `standing` when it is the tightest of its amount: the smallest remaining share comes true first."""
    known = standings.get(amount)
    if known is None or standing.remaining < known.remaining:
        standings[amount] = standing


@cache
def _names(amount: str) -> tuple[str, str, str]:
    dimension = amount.replace("_", "-")
    return f"x-ratelimit-limit-{dimension}", f"x-ratelimit-remaining-{dimension}", f"x-ratelimit-reset-{dimension}"


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, to the millisecond: 0s, 12ms, 1.5s, 1m0s, 1h0m0.25s."""
    millis = round(seconds * 1000)
    if millis <= 0:
        return "0s"
    if millis < 1000:
        return f"{millis}ms"
    if millis < 60_000:
        return f"{millis / 1000:g}s"
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}"
