"""Calls one by one, billing, prices and statistics: the same over HTTP and gRPC, and who may ask for which.

Rules: one user with a few calls per database; the listener of the default profile, where nothing is public.
Not here: how other gateways spell them (test_inferxgate.py, test_newapi_management.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from gateway.client import AsyncClient, PermissionDeniedError, accounts, v1
from tests.support.personalities import Personalities
from tests.support.raw import Answer, ask
from tests.support.waiting import eventually

MODELS = ("sim", "sim", "m-small")


@dataclass(slots=True)
class Seen:
    """A gateway, and somebody whose calls are written down."""

    gates: Personalities
    user_id: str
    key: str

    async def get(self, path: str, key: str | None = "") -> Answer:
        """From the main listener."""
        return await ask(self.gates.running.url + path, key=self.key if key == "" else key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seen(gates: Personalities) -> Seen:
    """Three calls, one of them with another key."""
    user_id = await gates.user(10)
    made = Seen(gates, user_id, await gates.key("newapi", user_id))
    other = await gates.key("newapi", user_id, max_budget_usd_micros=5_000_000)
    for model, key in zip(MODELS, (made.key, other, made.key), strict=True):
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        (await ask(f"{gates.running.base_url}/chat/completions", body, key)).ok()

    async def is_written() -> bool:
        return len((await made.get("/auth/calls")).ok().body["calls"]) == len(MODELS)

    await eventually(is_written, "the calls")
    return made


async def test_calls_over_both(seen: Seen) -> None:
    """The same calls in the same order; by model, by key, in pages; CSV has them, too."""
    listed = (await seen.get("/auth/calls")).ok().body["calls"]
    async with AsyncClient(seen.gates.running.grpc_address, key=seen.key) as client:
        reply = await client.call(accounts.LIST_CALLS, v1.ListCallsRequest())
        assert [call.id for call in reply.calls] == [call["id"] for call in listed]
        assert [call.cost_usd_micros for call in reply.calls] == [round(c["cost_usd"] * 1_000_000) for c in listed]
        first = await client.call(accounts.LIST_CALLS, v1.ListCallsRequest(page_size=2))
        rest = await client.call(accounts.LIST_CALLS, v1.ListCallsRequest(page_token=first.next_page_token))
        assert [call.id for call in (*first.calls, *rest.calls)] == [call["id"] for call in listed]
    small = (await seen.get("/auth/calls?model=m-small")).ok().body["calls"]
    assert [call["model"] for call in small] == ["m-small"]
    [of_key] = {call["key_id"] for call in small}
    assert len((await seen.get(f"/auth/calls?key_id={of_key}")).ok().body["calls"]) == 2
    text = (await seen.get("/auth/calls?format=csv")).ok()
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert [line.partition(",")[0] for line in text.text.splitlines()[1:]] == [call["id"] for call in listed]
    assert (await seen.get("/auth/calls?page_token=x")).status == 400


async def test_billing_over_both(seen: Seen) -> None:
    """What is left and used of the wallet is what came in."""
    bill = (await seen.get("/auth/billing")).ok().body
    assert bill["remaining_usd"] + bill["used_usd"] == pytest.approx(10)
    assert (bill["is_unlimited"], bill["expires_at"], bill["calls"]) == (False, None, len(MODELS))
    async with AsyncClient(seen.gates.running.grpc_address, key=seen.key) as client:
        reply = await client.call(accounts.GET_BILLING, v1.GetBillingRequest())
    assert reply.used_usd_micros == round(bill["used_usd"] * 1_000_000)
    admin = (await seen.get("/auth/billing", seen.gates.running.key)).ok().body
    assert admin["is_unlimited"] is True


async def test_prices_over_both(seen: Seen) -> None:
    """With a key, as the models are listed; the groups that may use each."""
    prices = (await seen.get("/admin/prices")).ok().body
    async with AsyncClient(seen.gates.running.grpc_address, key=seen.key) as client:
        reply = await client.call(accounts.LIST_PRICES, v1.ListPricesRequest())
    assert [each["model"]["id"] for each in prices["models"]] == [each.model.id for each in reply.models if each.model]
    assert all("default" in each["groups"] for each in prices["models"])
    (await seen.get("/admin/prices", None)).error(401)


async def test_statistics_over_both(seen: Seen) -> None:
    """For administrators; the sums agree."""
    stats = (await seen.get("/admin/stats", seen.gates.running.key)).ok().body
    assert sum(each["calls"] for each in stats["by_model"]) == stats["calls"] >= len(MODELS)
    assert all(not call["user_id"] and not call["key_id"] for call in stats["recent"])
    async with AsyncClient(seen.gates.running.grpc_address, key=seen.gates.running.key) as client:
        reply = await client.call(accounts.GET_STATS, v1.GetStatsRequest(from_ms=0))
    assert reply.calls >= stats["calls"]
    (await seen.get("/admin/stats")).error(403, "admin_required")
    (await seen.get("/admin/stats", None)).error(401)


async def test_others_calls_are_for_administrators(seen: Seen) -> None:
    """Over both protocols."""
    (await seen.get("/admin/calls")).error(403, "admin_required")
    found: Any = (await seen.get("/admin/calls?page_size=500", seen.gates.running.key)).ok().body
    assert {call["model"] for call in found["calls"]} >= set(MODELS)
    async with AsyncClient(seen.gates.running.grpc_address, key=seen.key) as client:
        for request in (v1.ListCallsRequest(is_of_everybody=True), v1.ListCallsRequest(user_id="somebody")):
            with pytest.raises(PermissionDeniedError):
                await client.call(accounts.LIST_CALLS, request)
        with pytest.raises(PermissionDeniedError):
            await client.call(accounts.GET_STATS, v1.GetStatsRequest())
