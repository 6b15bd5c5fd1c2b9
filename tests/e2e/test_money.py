"""Money over the whole gateway: held before, charged once, given back, on both databases and over both protocols.

Rules: a real service with its journal and database; ids N10, N13, N15, N18, M9, I23 are those of the acceptance lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select

from gateway.accounts.book import Accounts
from gateway.accounts.journal import keeper
from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from gateway.accounts.wallets import Change
from gateway.client import AsyncClient, InsufficientBalanceError
from gateway.store.sql.tables import ledger_entries, usage_records, wallets
from tests.support.databases import KINDS, url_of
from tests.support.raw import ask
from tests.support.single import InProcess, single
from tests.support.waiting import eventually

PRICED = {"input_usd_per_million": "1000", "output_usd_per_million": "2000"}  # 1,000 and 2,000 micro-USD a token
SIMULATED = [{"provider": "simulator"}]
FREE = {"provider": "simulator", "upstream_model": "sim"}
MODELS = {  # the first glob that fits wins
    "free": {"names": ["sim-free-*"], "pricing": {"input_usd_per_million": "0"}, "candidates": [FREE]},
    "paid": {"names": ["sim-*"], "pricing": PRICED, "candidates": SIMULATED},
    "unpriced": {"names": ["bench*"], "candidates": SIMULATED},
}
CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 10}


@dataclass
class Shop:
    """A gateway that charges, a user with a key, and what they have."""

    running: InProcess
    user_id: str
    key: str

    @property
    def accounts(self) -> Accounts:
        """Of the running service."""
        accounts = self.running.half.kit.accounts
        assert accounts is not None
        return accounts

    async def top_up(self, usd_micros: int, name: str = "first") -> None:
        """Money comes in."""
        await self.accounts.wallets.change(self.user_id, Change("top_up", usd_micros, name), SYSTEM)

    async def new_key(self, **wanted: Any) -> str:
        """Another key of the user."""
        return (await self.accounts.keys.create(self.user_id, "gw-", {"name": "k", **wanted}, SYSTEM))[1]

    async def chat(self, model: str, key: str | None = None, **members: Any) -> Any:
        """One call over HTTP."""
        return await ask(
            f"{self.running.base_url}/chat/completions", {"model": model, **CHAT, **members}, key or self.key
        )

    async def held(self) -> tuple[int, int] | None:
        """(balance, held) as calls see it."""
        return await self.running.quota.balance_usd_micros(f"wallet:{self.user_id}")

    async def books(self) -> tuple[int, int]:
        """(balance in the database, calls there); the balance is always the sum of the ledger."""
        asked = [
            select(wallets.c.balance_usd_micros),
            select(func.sum(ledger_entries.c.amount_usd_micros)),
            select(func.count()).select_from(usage_records),
        ]
        question = select(*(each.scalar_subquery() for each in asked))  # one statement, one moment
        async with self.accounts.database.read() as connection:
            balance, entered, calls = (await connection.execute(question)).one()
        assert balance == (entered or 0)
        return int(balance), int(calls)

    async def settled(self, calls: int) -> int:
        """The balance in the database, when it has that many calls."""

        async def there() -> bool:
            return (await self.books())[1] == calls

        await eventually(there, f"{calls} calls in the database")
        return (await self.books())[0]


@asynccontextmanager
async def shop(kind: str, folder: Path, usd_micros: int = 0, **accounts: Any) -> AsyncIterator[Shop]:
    """A gateway whose users pay, on a database of that kind."""
    layer: Mapping[str, Any] = {"accounts": {"is_charged": True, **accounts}, "models": MODELS}
    async with single(layer, environ={"GATEWAY_DATABASE__URL": url_of(kind, folder)}) as running:
        book = running.half.kit.accounts
        assert book is not None
        user = await book.users.create(NewUser(email="a@example.org", password="correct horse battery"), SYSTEM)
        made = Shop(running, user["id"], "")
        made.key = await made.new_key()
        if usd_micros:
            await made.top_up(usd_micros)
        yield made


@pytest.fixture(autouse=True)
def _is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is brought in ten times a second."""
    monkeypatch.setattr(keeper, "EVERY_S", 0.1)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return str(request.param)


async def test_N15_a_call_is_held_charged_and_given_back(kind: str, tmp_path: Path) -> None:
    """During the call balance - estimate is free; after success the cost is gone; after failure nothing is."""
    async with shop(kind, tmp_path, 1_000_000) as shop_:
        slow = asyncio.create_task(shop_.chat("sim-first-400"))

        async def is_held() -> bool:
            return (await shop_.held() or (0, 0))[1] > 0

        await eventually(is_held, "a hold")
        balance, held = await shop_.held() or (0, 0)
        usage = (await slow).ok().body["usage"]
        cost = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
        assert balance == 1_000_000
        assert held >= cost > 0
        assert await shop_.held() == (1_000_000 - cost, 0)
        assert await shop_.settled(1) == 1_000_000 - cost
        failed = await shop_.chat("sim-status-503")
        assert failed.status == 503
        assert await shop_.held() == (1_000_000 - cost, 0)
        assert await shop_.settled(2) == 1_000_000 - cost  # N13: nothing charged


async def test_N10_an_empty_wallet_is_402_and_the_provider_is_not_called(kind: str, tmp_path: Path) -> None:
    """Over HTTP and gRPC with the same reason; a top-up lets the next call in at once."""
    async with shop(kind, tmp_path) as shop_:
        refused = await shop_.chat("sim-tag-n10")
        assert refused.error(402, "insufficient_user_quota")
        async with AsyncClient(shop_.running.grpc_address, key=shop_.key) as client:
            with pytest.raises(InsufficientBalanceError):
                await client.chat(model="sim-tag-n10", messages="hello", max_tokens=10)
        assert (await shop_.running.simulator.counts("sim-tag-n10")).requests == 0
        await shop_.top_up(1_000_000)
        assert (await shop_.chat("sim-tag-n10")).status == 200


async def test_money_for_ten_calls_lets_ten_pass(kind: str, tmp_path: Path) -> None:
    """Forty at once; the wallet never goes below zero and ends where the calls that passed leave it."""
    async with shop(kind, tmp_path, 1) as shop_:
        first = (await shop_.chat("sim-free-x")).ok()
        assert first.body["usage"]["prompt_tokens"] > 0
        await shop_.top_up(29_999, "second")
        answers = await asyncio.gather(*(shop_.chat("sim-chunks-1-first-300", max_tokens=1) for _ in range(40)))
        passed = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} == {200, 402}
        costs = [a.body["usage"]["prompt_tokens"] * 1000 + a.body["usage"]["completion_tokens"] * 2000 for a in passed]
        balance = await shop_.settled(1 + len(passed))
        assert balance == 30_000 - sum(costs)
        assert (await shop_.held()) == (balance, 0)


async def test_M9_a_free_model_needs_no_money_and_one_without_a_price_is_refused(kind: str, tmp_path: Path) -> None:
    """Price zero leaves the balance; no price is the operator's mistake and nobody's gift."""
    async with shop(kind, tmp_path) as shop_:
        assert (await shop_.chat("sim-free-y")).status == 200
        assert (await shop_.chat("bench")).error(503, "model_price_error")
        assert await shop_.settled(1) == 0


async def test_I23_a_budget_ends_a_key_and_not_the_other(kind: str, tmp_path: Path) -> None:
    """The key over its budget is refused and not charged; raising the budget lets it on at once."""
    async with shop(kind, tmp_path, 10_000_000) as shop_:
        small = await shop_.new_key(max_budget_usd_micros=40_000)
        statuses = [(await shop_.chat("sim-chunks-1", small, max_tokens=1)).status for _ in range(20)]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 402}
        assert (await shop_.chat("sim-chunks-1")).status == 200
        balance = await shop_.settled(statuses.count(200) + 1)
        page = await shop_.accounts.keys.list(shop_.user_id, 10, "")
        spent = {row["max_budget_usd_micros"]: row["spent_usd_micros"] for row in page.items}
        assert spent[40_000] <= 40_000
        assert sum(spent.values()) == 10_000_000 - balance
        (key_id,) = [row["id"] for row in page.items if row["max_budget_usd_micros"] == 40_000]
        await shop_.accounts.keys.update(None, key_id, {"max_budget_usd_micros": 10_000_000}, SYSTEM)
        assert (await shop_.chat("sim-chunks-1", small, max_tokens=1)).status == 200


async def test_N18_a_rich_wallet_is_not_held(kind: str, tmp_path: Path) -> None:
    """More than a hundred times the estimate: nothing is held, the charge is the same."""
    async with shop(kind, tmp_path, 100_000_000, trust_factor=100) as shop_:
        slow = asyncio.create_task(shop_.chat("sim-first-400-tag-n18"))
        await shop_.running.simulator.last("sim-first-400-tag-n18")
        assert await shop_.held() == (100_000_000, 0)
        usage = (await slow).ok().body["usage"]
        cost = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
        assert await shop_.held() == (100_000_000 - cost, 0)


@pytest.mark.parametrize("wire", ["http", "grpc"])
async def test_a_stream_that_is_left_costs_what_was_delivered(kind: str, wire: str, tmp_path: Path) -> None:
    """Between nothing and the whole: the hold is gone, the charge is for the tokens that came."""
    async with shop(kind, tmp_path, 10_000_000) as shop_:
        model = "sim-chunks-200-pace-20"
        if wire == "http":
            await _leave_http(shop_, model)
        else:
            await _leave_grpc(shop_, model)

        async def is_free() -> bool:
            return (await shop_.held() or (0, 1))[1] == 0

        await eventually(is_free, "the hold's end")
        balance, _ = await shop_.held() or (0, 0)
        assert 10_000_000 - 200 * 2000 < balance < 10_000_000
        assert await shop_.settled(1) == balance


async def _leave_http(shop_: Shop, model: str) -> None:
    url, body = (
        f"{shop_.running.base_url}/chat/completions",
        {"model": model, **CHAT, "max_tokens": 500, "stream": True},
    )
    headers = {"authorization": f"Bearer {shop_.key}"}
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as reply:
        for _ in range(20):
            await reply.content.readline()


async def _leave_grpc(shop_: Shop, model: str) -> None:
    async with AsyncClient(shop_.running.grpc_address, key=shop_.key) as client:
        stream = client.stream_chat(model=model, messages="hello", max_tokens=500)
        count = 0
        async for _ in stream:
            count += 1
            if count == 10:
                break
        await stream.aclose()
