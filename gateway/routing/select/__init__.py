"""How candidates of one priority are ordered: one pure function per policy, and the table of them.

Rules:
    - A policy takes candidates that can all be used, and gives them all back in the order in which they are tried.
    - Live state is read from the board, chance from `draw`; the same of both gives the same order.
Not here:
    - Which candidates are left out (rules, filters, breakers) and priorities (routing.plan).
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.catalogue import Deployment
from gateway.routing.select.cost import cost
from gateway.routing.select.headroom import headroom
from gateway.routing.select.latency import latency
from gateway.routing.select.least_in_flight import least_in_flight
from gateway.routing.select.sight import Sight
from gateway.routing.select.weighted import ordered, weighted, weighted_if_set

PolicyFunction = Callable[[list[Deployment], Sight], list[Deployment]]

POLICIES: dict[str, PolicyFunction] = {
    "": weighted_if_set,
    "ordered": ordered,
    "weighted": weighted,
    "least_in_flight": least_in_flight,
    "latency": latency,
    "cost": cost,
    "headroom": headroom,
}

__all__ = ["POLICIES", "PolicyFunction", "Sight"]
