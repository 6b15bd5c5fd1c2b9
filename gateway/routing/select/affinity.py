"""Session affinity: calls that agree in a key go to the same candidate, while it can be used.

Rules:
    - Weighted rendezvous hashing: each candidate's place is a hash of key and candidate alone, so that one that goes
      away or comes back moves only its own share of the keys, and every gateway decides alike.
    - A call without the key is ordered by the policy instead.
Source: Thaler and Ravishankar (1998); the weights after Schindelhauer and Schomaker (2005).
Not here:
    - Where the key is found (routing.select.keys).
"""

from __future__ import annotations

from hashlib import blake2b
from math import inf, log

from gateway.config.catalogue import Deployment
from gateway.routing.select.weighted import weight_of


def share_of(text: str) -> float:
    """A number in (0, 1) that any two gateways compute alike from a text; evenly spread."""
    number = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return (number + 0.5) / 2**64 if number < 2**64 - 2**11 else 1 - 2**-53


def by_affinity(tier: list[Deployment], key: str) -> list[Deployment]:
    """The order that `key` has, the same each time."""
    return sorted(tier, key=lambda d: _distance(d, key))


def _distance(deployment: Deployment, key: str) -> float:
    weight = weight_of(deployment)
    return -log(share_of(f"{key}\n{deployment.name}")) / weight if weight else inf
