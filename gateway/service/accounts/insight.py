"""Calls one by one, what a key may still spend, what models cost, and how the whole gateway does.

Rules:
    - One function per method of the contract, by its name in snake case.
    - Prices and statistics are open to all where the profile says so, without anything about who called; else prices
      are for whoever has a key, and statistics for administrators.
Not here:
    - Sums by one dimension (own.get_usage); how another gateway spells any of it (frontend).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.accounts.book import Accounts
from gateway.accounts.calls import Asked as Which
from gateway.accounts.keys import Identity, is_among
from gateway.accounts.reports import DAY_MS
from gateway.accounts.shared import PAGE_MAX
from gateway.config.catalogue import Catalogue, Entry
from gateway.pipeline.kit import Kit
from gateway.service.accounts.caller import Asked
from gateway.service.models import model_message
from gateway.wire.pb import accounts_pb2

STATS_DAYS, RECENT_MAX = 7, 10
_CALL = (
    "id", "request_id", "user_id", "key_id", "model", "provider", "outcome", "prompt_tokens", "completion_tokens",
    "cached_tokens", "cost_usd_micros", "is_cached", "is_estimate", "created_at_ms",
)  # fmt: skip
_PERSONAL = ("user_id", "key_id", "request_id")


async def list_calls(asked: Asked) -> accounts_pb2.ListCallsReply:
    """Own calls, or with the right, somebody's or everybody's."""
    request = asked.request
    if request.is_of_everybody:
        asked.administer()
    user_id = None if request.is_of_everybody else asked.user_id(request.user_id)
    which = Which(user_id, request.key_id, request.model, _optional(request, "from_ms"), _optional(request, "until_ms"))
    page = await asked.accounts.calls.list(which, request.page_size, request.page_token)
    calls = [call_message(row) for row in page.items]
    return accounts_pb2.ListCallsReply(calls=calls, next_page_token=page.next_token)


def _optional(request: Any, name: str) -> int | None:
    return getattr(request, name) if request.HasField(name) else None


def call_message(row: Mapping[str, Any], without: tuple[str, ...] = ()) -> accounts_pb2.CallRecord:
    """A settled call."""
    return accounts_pb2.CallRecord(
        **{name: row[name] for name in _CALL if name not in without}, milliseconds=row["latency_ms"]
    )


async def get_billing(asked: Asked) -> accounts_pb2.Billing:
    """Of the key's budget, or else of its user's wallet."""
    identity, accounts = asked.identity, asked.accounts
    if not identity.user_id:
        return accounts_pb2.Billing(is_unlimited=True)
    totals = await accounts.calls.totals(Which(identity.user_id))
    key = None if identity.is_session else await accounts.keys.get(identity.user_id, identity.key_id)
    expires_at_ms = key["expires_at_ms"] if key is not None else None
    if key is not None and key["max_budget_usd_micros"] is not None:
        used = key["spent_usd_micros"]
        left = max(0, key["max_budget_usd_micros"] - used)
    else:
        used = totals["cost_usd_micros"]
        left = (await accounts.wallets.get(identity.user_id)).balance_usd_micros
    is_limited = asked.config.accounts.is_charged or (key is not None and key["max_budget_usd_micros"] is not None)
    return accounts_pb2.Billing(
        remaining_usd_micros=left,
        used_usd_micros=used,
        is_unlimited=not is_limited,
        expires_at_ms=expires_at_ms,
        calls=totals["calls"],
    )


async def list_prices(kit: Kit, accounts: Accounts, _request: Any, identity: Identity | None) -> Any:
    """Models the caller may use, with their prices and groups."""
    page = await accounts.calls.once("groups", lambda: accounts.groups.list(PAGE_MAX, ""))
    groups = [accounts_pb2.PriceGroup(id=g["id"], name=g["name"], ratio_ppm=g["ratio_ppm"]) for g in page.items]
    reply = accounts_pb2.ListPricesReply(groups=groups)
    for name, entry in kit.runtime.catalogue.listed():
        if identity is None or identity.may_use(name):
            users = [g["id"] for g in page.items if is_among(name, g["models"])]
            reply.models.append(_price(name, entry, users))
    return reply


def _price(name: str, entry: Entry, groups: list[str]) -> accounts_pb2.ModelPrice:
    per_call = entry.pricing.call_usd if entry.pricing is not None else None
    call_usd_micros = int(per_call * 1_000_000) if per_call else None
    return accounts_pb2.ModelPrice(model=model_message(name, entry), call_usd_micros=call_usd_micros, groups=groups)


async def get_stats(kit: Kit, accounts: Accounts, request: Any, identity: Identity | None) -> accounts_pb2.Stats:
    """The whole gateway since `from_ms`, which only administrators choose."""
    if request.HasField("from_ms") and identity is not None and identity.is_admin:
        return await _stats(kit, accounts, request.from_ms)
    now_ms = int(kit.clock.wall_s() * 1000)
    stats: accounts_pb2.Stats = await accounts.calls.once(
        "stats", lambda: _stats(kit, accounts, now_ms - STATS_DAYS * DAY_MS)
    )
    return stats


async def _stats(kit: Kit, accounts: Accounts, from_ms: int) -> accounts_pb2.Stats:
    totals = await accounts.calls.totals(Which(from_ms=from_ms))
    recent = await accounts.calls.list(Which(from_ms=from_ms), RECENT_MAX, "")
    calls = totals["calls"] or 1
    return accounts_pb2.Stats(
        calls=totals["calls"],
        prompt_tokens=totals["prompt_tokens"],
        completion_tokens=totals["completion_tokens"],
        cost_usd_micros=totals["cost_usd_micros"],
        average_milliseconds=totals["latency_ms"] / calls,
        cache_hit_rate=totals["cached"] / calls,
        by_model=[accounts_pb2.UsageSum(**row) for row in await accounts.reports.usage("model", None, from_ms)],
        by_provider=[accounts_pb2.UsageSum(**row) for row in await accounts.reports.usage("provider", None, from_ms)],
        recent=[call_message(row, _PERSONAL) for row in recent.items],
        providers=_providers(kit, {row["provider"]: row for row in await accounts.calls.health(from_ms)}),
        is_cache_enabled=any(entry.cache is not None for entry in kit.runtime.catalogue.entries),
    )


def _providers(kit: Kit, counted: Mapping[str, Mapping[str, Any]]) -> list[accounts_pb2.ProviderHealth]:
    """Every provider that serves a model, with what was counted of it."""
    now_s = kit.transport.loop.time()
    found = _models_of(kit.runtime.catalogue)
    usable = {
        deployment.provider
        for entry in kit.runtime.catalogue.entries
        for deployment in entry.candidates
        if deployment.unavailable_reason is None and kit.board.refusal(deployment, now_s) is None
    }
    none = {"completed": 0, "failed": 0, "milliseconds": 0}
    return [
        accounts_pb2.ProviderHealth(
            provider=provider,
            models=models,
            is_available=provider in usable,
            **{name: counted.get(provider, none)[name] for name in none},
        )
        for provider, models in found.items()
    ]


def _models_of(catalogue: Catalogue) -> dict[str, list[str]]:
    """Listed models by provider; one that serves only globs has none."""
    found: dict[str, list[str]] = {d.provider: [] for entry in catalogue.entries for d in entry.candidates}
    for name, entry in catalogue.listed():
        for provider in {deployment.provider for deployment in entry.candidates}:
            found[provider].append(name)
    return found


INSIGHT = {"ListCalls": list_calls, "GetBilling": get_billing}
OPEN_BY_PROFILE = {"ListPrices": ("is_pricing_public", list_prices), "GetStats": ("is_stats_public", get_stats)}
