"""The plan stage: what routing may look at of a call, the plan itself, and the copy a mirror gets.

Rules:
    - A model without a `Choice` is planned from nothing but its candidates: no facts are gathered.
    - A rule may send a call to another model's candidates; prices and limits are that model's then. One step, no chain.
    - A call that every candidate lacks a capability for is refused as if the model did; with nothing else left it goes
      on with an empty plan, which the attempts refuse.
Not here:
    - Deciding (routing.plan); asking providers (attempts).
"""

from __future__ import annotations

from typing import Any

from gateway.config.catalogue import Entry
from gateway.core.errors import GatewayError, Kind
from gateway.core.globs import is_glob
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.kit import Kit, Runtime
from gateway.pipeline.mirror import mirror
from gateway.pipeline.progress import Progress
from gateway.routing.facts import NO_FACTS, Facts
from gateway.routing.plan import Plan, make_plan, other_model
from gateway.routing.select.rules import holds
from gateway.rpc.contract import CallContext


def plan_call(kit: Kit, runtime: Runtime, order: Order, context: CallContext, progress: Progress) -> Order:
    """Plan one call; its order, changed where a rule chose another model. Raises UNSUPPORTED_PARAMETER."""
    kit.budget.earn(runtime.per_call.retry_budget_percent)
    entry, now_s = order.entry, kit.transport.loop.time()
    if entry.choice is None:
        progress.plan = make_plan(entry, NO_FACTS, kit.board, kit.draw, now_s)
        return order
    facts = facts_of(order, context, progress)
    slug = other_model(entry, facts)
    other = runtime.catalogue.of_slug(slug) if slug is not None else None
    if other is not None:
        order = order._replace(entry=other, model=next((n for n in other.names if not is_glob(n)), order.model))
        progress.entry = other
    progress.is_batch = any(holds(condition, facts) for condition in runtime.config.policies.batch)
    progress.plan = plan = make_plan(order.entry, facts, kit.board, kit.draw, now_s)
    if other is not None:
        progress.plan = plan._replace(because=(f"model {other.slug}, by a rule of {entry.slug}", *plan.because))
    if not plan.candidates:
        _refuse(order.entry, plan, progress)
    if entry.choice.mirror is not None:
        mirror(kit, runtime, order, entry.choice.mirror, progress.request_id)
    return order


def facts_of(order: Order, context: CallContext, progress: Progress) -> Facts:
    """What routing may look at of a call."""
    request: Any = order.request
    identity, shape = progress.identity, progress.shape
    members = request.DESCRIPTOR.fields_by_name
    return Facts(
        model=order.model,
        is_stream=order.method.is_stream,
        prompt_tokens=shape.prompt_tokens,
        output_tokens=shape.output_tokens,
        needs=tuple([need for need, _ in shape.needs]),
        key_id=identity.key_id if identity else "",
        group=identity.group if identity else "",
        user=request.user if "user" in members else "",
        headers=dict(context.headers),
        metadata=dict(request.metadata) if "metadata" in members else {},
    )


def _refuse(entry: Entry, plan: Plan, progress: Progress) -> None:
    """Raise when what is missing is a capability: then another time is no better."""
    for need, param in progress.shape.needs:
        if all(dropped.reason.startswith("lacks ") and need in dropped.reason for dropped in plan.dropped):
            text = f"No deployment of the model `{entry.slug}` supports {need}, which `{param}` needs."
            raise GatewayError(Kind.UNSUPPORTED_PARAMETER, text, param=param)
