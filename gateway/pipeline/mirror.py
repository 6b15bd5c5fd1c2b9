"""Traffic mirroring: a copy of a call to another model, whose answer is read and thrown away.

Rules:
    - The caller never waits for it, never sees it, and never pays: no reservation, no settlement, no log line.
    - Bounded: `in_flight_max` copies at a time in a process, what is above is not made; a copy is one attempt at one
      candidate, ends with the call's own deadline, and takes no retry from the budget.
    - Every copy is counted by its outcome, also those that were not made (`skipped`).
Not here:
    - Which calls are copied (the model's `routing.mirror`).
"""

from __future__ import annotations

from dataclasses import replace

from gateway.config.schema.routing import Mirror
from gateway.core.errors import GatewayError
from gateway.core.globs import is_glob
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.series import Attempts
from gateway.pipeline.kit import Kit, Runtime
from gateway.pipeline.progress import Progress
from gateway.routing.facts import NO_FACTS
from gateway.routing.plan import make_plan
from gateway.rpc.contract import Batch


def mirror(kit: Kit, runtime: Runtime, order: Order, settings: Mirror, request_id: str) -> None:
    """Send a copy, if this call is among those that are copied and there is room."""
    if kit.draw() * 100 >= settings.percent:
        return
    target = runtime.catalogue.of_slug(settings.model)
    if target is None:
        return
    if kit.mirrors >= settings.in_flight_max:
        kit.metrics.mirrored(target.slug, "skipped")
        return
    once = replace(target, attempts_max=1, rescue=None, hedge=None, cache=None)
    name = next((n for n in target.names if not is_glob(n)), order.model)
    copy = order._replace(entry=once, model=name, raw_dialect="")
    kit.mirrors += 1
    kit.spawn(_copied(kit, copy, f"{request_id}.mirror"))


async def _copied(kit: Kit, order: Order, request_id: str) -> None:
    progress = Progress(request_id=request_id, entry=order.entry, model=order.model)
    attempts, outcome = Attempts(kit, progress), "cancelled"
    try:
        plan = make_plan(order.entry, NO_FACTS, kit.board, kit.draw, kit.transport.loop.time())
        progress.plan = plan._replace(candidates=plan.candidates[:1])
        batch: Batch | None = await attempts.first(order)
        while batch is not None:
            batch = await attempts.next()
        outcome = "complete"
    except GatewayError as error:
        progress.error, outcome = error, error.kind.name.lower()
    finally:
        kit.mirrors -= 1
        kit.metrics.mirrored(order.entry.slug, outcome)
        await attempts.close(outcome)
