"""Prices by mode: what a call costs follows how its provider says it was processed, in every dialect and client format.

Rules: a real service with its wallet and journal; providers of four dialects are the simulator's.
Not here: the arithmetic (unit/core/test_tariff); where an answer says its mode (unit/pipeline/test_mode).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gateway.accounts.calls import Asked
from gateway.accounts.journal import keeper
from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from gateway.accounts.wallets import Change
from gateway.client import AsyncClient, StreamCutError
from gateway.simulator.server import Running
from tests.support.raw import Answer, ask
from tests.support.single import InProcess, single
from tests.support.waiting import eventually

WALLET = 1_000_000_000
PER_TOKEN = {"standard": (1000, 2000), "flex": (500, 1000), "priority": (2000, 5000)}  # micro-USD
DIALECTS = {"openai": "v1", "responses": "v1", "anthropic": "v1", "gemini": "v1beta"}
USER = {"role": "user", "content": "hello"}


def _prices(mode: str) -> dict[str, str]:
    given, made = PER_TOKEN[mode]
    return {"input_usd_per_million": str(given), "output_usd_per_million": str(made)}


def _pricing() -> dict[str, Any]:
    return {**_prices("standard"), "modes": {mode: _prices(mode) for mode in ("flex", "priority")}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    providers = {
        name: {"dialect": name, "base_url": f"{upstream.url}/{path}", "auth": "none", "is_local": True}
        for name, path in DIALECTS.items()
    }
    models: dict[str, Any] = {
        name: {"names": [f"{name}/*"], "pricing": _pricing(), "candidates": [{"provider": name}]} for name in DIALECTS
    }
    forced = {"provider": "openai", "force": {"service_tier": "flex"}}
    models["forced"] = {"names": ["forced/*"], "pricing": _pricing(), "candidates": [forced]}
    layer = {"accounts": {"is_charged": True}, "providers": providers, "models": models}
    async with single(layer) as running:
        yield running


class Customer:
    """Somebody with a wallet and a key."""

    def __init__(self, gateway: InProcess, user_id: str, key: str) -> None:
        self.gateway, self.key, self.purse = gateway, key, f"wallet:{user_id}"

    async def held(self) -> tuple[int, int]:
        """(balance, held) in micro-USD."""
        return await self.gateway.quota.balance_usd_micros(self.purse) or (0, 0)

    async def spent(self) -> int:
        """What all calls cost, when none runs."""

        async def is_settled() -> bool:
            return (await self.held())[1] == 0

        await eventually(is_settled, "settled calls")
        return WALLET - (await self.held())[0]

    async def chat(self, model: str, **members: Any) -> Answer:
        """A chat in OpenAI's format."""
        body = {"model": model, "messages": [USER], "max_tokens": 20, **members}
        return (await ask(f"{self.gateway.base_url}/chat/completions", body, self.key)).ok()


@pytest_asyncio.fixture(loop_scope="session")
async def customer(gateway: InProcess, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Customer:
    monkeypatch.setattr(keeper, "EVERY_S", 0.1)
    accounts = gateway.half.kit.accounts
    assert accounts is not None
    email = f"m{abs(hash(request.node.nodeid))}@example.org"
    user = await accounts.users.create(NewUser(email=email, password="correct horse battery"), SYSTEM)
    await accounts.wallets.change(user["id"], Change("top_up", WALLET, "first"), SYSTEM)
    made = Customer(gateway, user["id"], (await accounts.keys.create(user["id"], "gw-", {"name": "k"}, SYSTEM))[1])
    await made.chat("openai/sim", max_tokens=1)  # its purse is known from here on
    return made


def _cost(mode: str, usage: dict[str, int]) -> int:
    given, made = PER_TOKEN[mode]
    return usage["prompt_tokens"] * given + usage["completion_tokens"] * made


def _usage_of(answer: Answer) -> dict[str, int]:
    chunks = answer.chunks or [answer.body]
    (usage,) = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    found: dict[str, int] = usage
    return found


STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_call_costs_what_its_provider_says(customer: Customer, dialect: str, is_stream: bool) -> None:
    """Not asked for, and processed with priority: that price; without the word the standard one."""
    for name, mode in (("sim-mode-priority", "priority"), ("sim", "standard")):
        before = await customer.spent()
        answer = await customer.chat(f"{dialect}/{name}", **(STREAMED if is_stream else {}))
        usage = _usage_of(answer)
        assert usage["prompt_tokens"] * usage["completion_tokens"] > 0
        assert await customer.spent() - before == _cost(mode, usage), name


@pytest.mark.parametrize(("asked", "name", "mode"), [
    ("flex", "openai/sim", "flex"),
    ("flex", "responses/sim", "flex"),
    ("priority", "openai/sim-mode-default", "standard"),
    ("auto", "openai/sim", "standard"),
    ("default", "forced/sim", "flex"),
    ("default", "forced/sim-mode-priority", "priority"),
])  # fmt: skip
async def test_what_was_asked_is_not_what_is_paid(customer: Customer, asked: str, name: str, mode: str) -> None:
    """The vendor may process a call otherwise than asked; what the configuration forces was asked of it."""
    before = await customer.spent()
    answer = await customer.chat(name, service_tier=asked)
    assert await customer.spent() - before == _cost(mode, _usage_of(answer))


@pytest.mark.parametrize(("asked", "dearest"), [(None, "priority"), ("auto", "priority"), ("priority", "priority"),
                                                ("flex", "standard"), ("default", "standard")])  # fmt: skip
async def test_the_dearest_possible_price_is_held(customer: Customer, asked: str | None, dearest: str) -> None:
    """Whoever leaves the mode to the vendor may be processed with priority; whoever asks for less may be downgraded."""
    members = {} if asked is None else {"service_tier": asked}
    before = await customer.spent()
    slow = asyncio.create_task(customer.chat("openai/sim-first-400", **members))

    async def is_held() -> bool:
        return (await customer.held())[1] > 0

    await eventually(is_held, "a hold")
    _, held = await customer.held()
    answer = await slow
    given, made = PER_TOKEN[dearest]
    assert (held - 20 * made) % given == 0
    assert held > 20 * made
    assert await customer.spent() - before <= held
    assert _usage_of(answer)["completion_tokens"] > 0


@pytest.mark.parametrize("wire", ["http", "grpc"])
async def test_a_stream_that_is_cut_costs_its_mode(customer: Customer, wire: str) -> None:
    """Delivered tokens at the price of the mode its first chunk named; the simulator counts a word as a token."""
    before = await customer.spent()
    model = "openai/sim-nousage-chunks-30-cut-20-mode-flex"
    if wire == "http":
        await customer.chat(model, stream=True, max_tokens=100)
    else:
        async with AsyncClient(customer.gateway.grpc_address, key=customer.key) as client:
            with pytest.raises(StreamCutError):
                async for _ in client.stream_chat(model=model, messages="hello", max_tokens=100):
                    pass
    cost = await customer.spent() - before
    record = next(each for each in await _calls(customer) if each["cost_usd_micros"] == cost)
    assert record["completion_tokens"] > 0
    assert cost == _cost("flex", record)


async def _calls(customer: Customer) -> list[dict[str, Any]]:
    accounts = customer.gateway.half.kit.accounts
    assert accounts is not None
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        user_id = customer.purse.partition(":")[2]
        found[:] = [dict(row) for row in (await accounts.calls.list(Asked(user_id), 10, "")).items]
        return len(found) == 2

    await eventually(is_there, "both calls in the database")
    return found


async def test_prices_by_mode_are_listed(customer: Customer) -> None:
    """`GET /v1/models/{id}` tells them in the profile that tells prices."""
    answer = await ask(f"{customer.gateway.base_url}/models/openai%2Fsim", key=customer.key)
    modes = answer.ok().body["pricing"]["modes"]
    assert modes == {
        "flex": {"input_per_million": 500, "output_per_million": 1000},
        "priority": {"input_per_million": 2000, "output_per_million": 5000},
    }
