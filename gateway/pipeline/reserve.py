"""Before the provider is asked: whether limits and money allow the call, taken in one step.

Rules:
    - Every scope and purse of the call, or none of them (gateway.quota).
    - A balance that is not known here is asked of the accounts, once; nobody waits for a database otherwise.
    - Whoever pays needs a price: a model without one is refused to callers with a purse, never given for nothing.
      A model that is free is given to everybody.
Not here:
    - Counting (quota); what is settled afterwards (pipeline.settle).
"""

from __future__ import annotations

from gateway.core.errors import GatewayError, Kind
from gateway.core.limits import Amounts, Debit
from gateway.pipeline.kit import Kit
from gateway.pipeline.mode import modes_asked
from gateway.pipeline.price import bound_usd_micros
from gateway.pipeline.progress import Progress
from gateway.pipeline.scopes import scopes_of
from gateway.quota.reservation import Reservation, UnknownPurse

NOTHING = Amounts(0, 0)


async def reserve(kit: Kit, progress: Progress) -> Reservation:
    """Take what the call may use. Raises GatewayError RATE_LIMITED, INSUFFICIENT_BALANCE or UNAVAILABLE."""
    identity, shape = progress.identity, progress.shape
    if identity is None:
        raise AssertionError("nobody was identified")
    scopes = scopes_of(identity, progress.entry)
    if progress.is_free:
        return await kit.quota.reserve(scopes, NOTHING)
    if not identity.debits:
        return await kit.quota.reserve(scopes, Amounts(shape.prompt_tokens, shape.output_tokens))
    has_modes = progress.entry is not None and progress.entry.has_modes
    modes = modes_asked(progress) if has_modes else ()
    bound = bound_usd_micros(progress.entry, shape, identity.ratio_ppm, modes)
    if bound is None:
        raise _without_price(progress)
    debits = () if progress.entry is not None and progress.entry.is_free else identity.debits
    asked = Amounts(shape.prompt_tokens, shape.output_tokens, bound)
    try:
        return await kit.quota.reserve(scopes, asked, debits)
    except UnknownPurse as unknown:
        await _learn(kit, unknown.debits)
    return await kit.quota.reserve(scopes, asked, debits)


async def _learn(kit: Kit, debits: tuple[Debit, ...]) -> None:
    """Ask for the balances that are not known here. Raises GatewayError UNAVAILABLE."""
    if kit.accounts is None:
        raise AssertionError("a purse without accounts")
    for debit in debits:
        await kit.quota.put(debit.purse, *await kit.accounts.purses.balance(debit.purse))


def _without_price(progress: Progress) -> GatewayError:
    slug = progress.entry.slug if progress.entry is not None else progress.model
    return GatewayError(
        Kind.UNAVAILABLE,
        f"The model `{progress.model[:200]}` has no price, so it cannot be paid for. Ask the gateway's operator.",
        code="model_price_error",
        cause=f"models.{slug}.pricing is not set",
    )
