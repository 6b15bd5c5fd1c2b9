"""What a policy may look at.

Rules:
    - Everything that is not the candidates themselves comes in here: nothing is read from elsewhere.
Not here:
    - What policies make of it (beside this file).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.routing.board import Board
from gateway.routing.facts import Facts


class Sight(NamedTuple):
    """The call, the deployments' live state, chance in [0, 1), and the board's time."""

    facts: Facts
    board: Board
    draw: Callable[[], float]
    now_s: float
