"""The attempts of a call, of the kind its model's settings ask for.

Rules:
    - Decided once per call by what the configuration was compiled to; without a rescue nothing is kept of an answer.
Not here:
    - The kinds themselves (series.py, rescued.py).
"""

from __future__ import annotations

from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.rescued import Rescued
from gateway.pipeline.attempts.series import Attempts
from gateway.pipeline.kit import Kit
from gateway.pipeline.progress import Progress


def attempts_for(kit: Kit, progress: Progress, order: Order) -> Attempts:
    """The attempts of one call, none made yet."""
    rules = order.entry.rescue
    return Rescued(kit, progress, rules) if rules is not None and order.method.is_stream else Attempts(kit, progress)
