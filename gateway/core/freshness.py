"""What a caller says about answers that are given again: nothing, leave the cache out, or make a new one.

Rules:
    - One value carries it through a call: empty, `off` (neither look nor keep) or `refresh` (keep, but do not look).
    - `x-gateway-cache: off|refresh` says it; so do `cache-control: no-store` and `no-cache`. The stronger one counts.
    - Another value of `x-gateway-cache` is refused: who wanted privacy and mistyped must not get the opposite.
Source: RFC 9111, 5.2.1 (no-cache, no-store of requests).
Not here:
    - Where the headers are read (frontend.context, service.edge) and what is done (pipeline.cached).
"""

from __future__ import annotations

from gateway.core.errors import GatewayError, Kind

HEADER = "x-gateway-cache"
OFF, REFRESH = "off", "refresh"


def wish(asked: str, cache_control: str) -> str:
    """The wish of two headers as sent, each empty when it was not. Raises GatewayError INVALID_REQUEST."""
    asked = asked.strip().lower()
    if asked not in ("", OFF, REFRESH):
        text = f"The header {HEADER} must be `{OFF}` or `{REFRESH}`."
        raise GatewayError(Kind.INVALID_REQUEST, text, param=HEADER)
    told = [part.strip().lower() for part in cache_control.split(",")] if cache_control else []
    if asked == OFF or "no-store" in told:
        return OFF
    return REFRESH if "no-cache" in told else asked
