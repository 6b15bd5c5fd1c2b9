"""Which gateways a call already passed, so that one whose provider is the gateway itself is refused, not run in a ring.

Rules:
    - Each service has a random id; a request to a provider carries the ids of all services it passed, oldest first.
    - Only well-formed ids are taken from a caller, and no more than it needs to see that there are too many.
Not here:
    - Where the header is read (frontend.context, service.edge) and sent (pipeline.attempts).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from gateway.core.errors import GatewayError, Kind

HEADER = "x-gateway-hop"
HOPS_MAX = 8
CODE = "loop_detected"
LOOP_STATUS = 508  # HTTP "Loop Detected"

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id() -> str:
    """The id of a service, new at every start."""
    return secrets.token_hex(8)


def taken(values: Iterable[str]) -> str:
    """What a caller's headers say, in the one form a call carries: ids with commas, at most one above `HOPS_MAX`."""
    ids = [part.strip() for value in values for part in value[:2048].split(",")]
    return ",".join([name for name in ids if _ID.fullmatch(name)][: HOPS_MAX + 1])


def onward(passed: str, own: str) -> str:
    """The header for the next gateway: what was `passed`, then `own`. Raises GatewayError for a call in a ring."""
    if not passed:
        return own
    ids = passed.split(",")
    if own in ids:
        raise in_a_ring()
    if len(ids) > HOPS_MAX:
        raise GatewayError(
            Kind.UNAVAILABLE,
            f"This call passed through more than {HOPS_MAX} gateways: their providers point at each other.",
            code=CODE,
            http_status=LOOP_STATUS,
        )
    return f"{passed},{own}"


def in_a_ring(cause: str = "") -> GatewayError:
    """The refusal of a call that came back; trying again cannot help, and no provider is at fault."""
    return GatewayError(
        Kind.UNAVAILABLE,
        "This call already passed through this gateway: the base_url of a provider points back at it.",
        code=CODE,
        http_status=LOOP_STATUS,
        cause=cause,
    )
