"""One gateway with a listener for every shipped profile, whose users pay: on either database, and of three services.

Rules: of kind `sqlite` and `postgres` it runs in the test's own process, and limits and tokens move on a clock of the
    tests' own; of kind `valkey` it is three processes on one store and one database, and time is real. Providers of
    every dialect are the simulator. Users and keys are made by tests: no test shares a limit or a wallet with another.
Not here: what a profile promises (tests/e2e/test_*gate.py, test_newapi*.py, test_maxapi.py, test_apikeyhub.py).
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.accounts.book import Accounts
from gateway.accounts.shared import SYSTEM
from gateway.accounts.users import NewUser
from gateway.accounts.wallets import Change
from gateway.app.service import ServiceHalf
from gateway.core.clock import ManualClock, SystemClock
from gateway.simulator.server import Running, serve
from tests.support.databases import KINDS, url_of
from tests.support.recorder import Recorder, recording
from tests.support.several import Several, several
from tests.support.simulated import Simulated
from tests.support.single import InProcess, single

PLACES = (*KINDS, "valkey")
PROFILES = ("xmaxgate", "inferxgate", "newapi", "maxapi", "apikeyhub")
PREFIXES = {"xmaxgate": "xmg_", "inferxgate": "ix-api-key-", "newapi": "sk-", "maxapi": "sk-", "apikeyhub": "sk-"}
PASSWORD = "correct horse battery"
UPSTREAM_KEY = "sk-upstream"
USD = 1_000_000
ALL = "chat code vision function_calling json_mode"
_numbers = itertools.count(1)


def _provider(dialect: str, path: str, auth: str = "bearer") -> dict[str, Any]:
    return {
        "dialect": dialect,
        "base_url": path,
        "api_key": {"env": "UPSTREAM_KEY"},
        "auth": auth,
        "is_local": True,
    }


PROVIDERS = {
    "acme": _provider("openai", "/v1"),
    "claude": _provider("anthropic", "/v1", "x-api-key"),
    "claude-old": _provider("anthropic_complete", "/v1", "x-api-key"),
    "google": _provider("gemini", "/v1beta", "x-goog-api-key"),
    "scripted": _provider("openai", "/v1"),
    "google-old": _provider("palm", "/v1beta2", "x-goog-api-key"),
}


def _model(
    *names: str, can: str = ALL, price: tuple[str, str] = ("1.2", "4.8"), provider: str = "acme", **members: Any
) -> dict[str, Any]:
    return {
        "names": list(names),
        "capabilities": can.split(),
        "owned_by": "acme",
        "context_window_tokens": 64000,
        "pricing": {"input_usd_per_million": price[0], "output_usd_per_million": price[1]},
        "retry": {"attempts_max": 1},
        "candidates": [{"provider": provider}],
        **members,
    }


def _pair(first: str) -> list[dict[str, Any]]:
    """That simulator's model, then a healthy one."""
    return [{"provider": "acme", "upstream_model": first}, {"provider": "acme", "upstream_model": SECOND}]


SECOND = "sim-tag-second"
N16_PRICING = {
    "input_usd_per_million": "2.5",
    "output_usd_per_million": "10",
    "cached_input_usd_per_million": "1.25",
}
EMBEDS: dict[str, Any] = {"can": "embedding", "price": ("0.02", "0"), "has_dimensions": True}
MODELS = {
    "m-small": _model("m-small", can="chat"),
    "m-vision": _model("m-vision", can="chat vision"),
    "m-large": _model("m-large"),
    "m-text": _model("m-text", can="chat code", price=("0.15", "0.60")),
    "m-vip": _model("m-vip"),
    "m-embed": _model("m-embed", **EMBEDS, dimensions_default=1536),
    "m-embed-fixed": _model("m-embed-fixed", can="embedding", price=("0.1", "0")),
    "gpt-4o": _model("gpt-4o", price=("2.50", "10")),
    "claude": _model("claude-3-*", can="chat vision function_calling", price=("3", "15"), provider="claude"),
    "claude-old": _model("claude-2", "claude-instant-1", can="chat", price=("8", "24"), provider="claude-old"),
    "m8": _model("m8", can="chat vision", provider="scripted", usage_unit="characters"),
    "gemini-stream": _model(
        "gemini-pro",
        can="chat",
        candidates=[{"provider": "google", "streaming": "only"}],
    ),
    "capped": _model(
        "free-capped",
        can="chat",
        price=("0", "0"),
        limits={"concurrency": 1},
        candidates=[{"provider": "acme", "upstream_model": "sim-wait-300-tag-capped"}],
    ),
    "gemini": _model("gemini-*", can="chat vision", provider="google"),
    "palm": _model("palm-2-chat-bison", "palm-2-chat-bison-32k", can="chat", provider="google-old"),
    "n16": _model("n16", provider="scripted", pricing=N16_PRICING),
    "n17": _model("n17", pricing={"input_usd_per_million": "0", "call_usd": "0.04"}),
    "n19": _model(
        "n19",
        candidates=[
            {"provider": "acme", "upstream_model": "sim-tag-n19low", "priority": 10},
            {"provider": "acme", "upstream_model": "sim-tag-n19one", "weight": 1},
            {"provider": "acme", "upstream_model": "sim-tag-n19three", "weight": 3},
        ],
    ),
    "n20": _model("n20", candidates=_pair("sim-status-500-tag-n20")),
    "n20-refused": _model("n20-refused", candidates=_pair("sim-status-400-tag-n20")),
    "n20-cut": _model("n20-cut", candidates=_pair("sim-cut-3-tag-n20")),
    "n21": _model(
        "n21",
        candidates=_pair("sim-status-401-times-1-tag-n21"),
        routing={"breaker": {"quarantine_base_s": 0.5}},
    ),
    "n21-off": _model(
        "n21-off",
        candidates=_pair("sim-status-401-tag-n21off"),
        routing={"breaker": {"quarantine_base_s": 60}},
    ),
    "n22": _model("n22", candidates=[{"provider": "acme", "upstream_model": "sim-tag-n22real"}]),
    "n22-own": _model(
        "n22-own", candidates=[{"provider": "acme", "upstream_model": "sim-tag-n22real"}], reply_model="requested"
    ),
    "free": _model("free-*", can=ALL, price=("0", "0")),
    "sim": _model("sim*", price=("1000", "2000")),
}

ACCOUNTS = {
    "is_charged": True,
    "registration": "open",
    "logins_per_minute": 1000,
    "trust_factor": 100_000,  # 10 USD are held for a call that may cost a cent, 100,000 USD are not
}


@dataclass(slots=True)
class Personalities:
    """The gateway. `kind` is one of PLACES."""

    running: InProcess | Several
    upstream: Running
    scripted: Recorder
    clock: ManualClock | SystemClock
    kind: str

    @property
    def inside(self) -> ServiceHalf | None:
        """What is behind the link, where that is in this process."""
        return self.running.half if isinstance(self.running, InProcess) else None

    async def passes(self, seconds: float) -> None:
        """Time goes by: at once where the clock is ours."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(seconds)
        else:
            await asyncio.sleep(seconds)

    def url(self, profile: str) -> str:
        """Of the listener of a profile, without path."""
        running = self.running
        return running.urls[profile] if isinstance(running, Several) else running.whole.http.urls[profile]

    def base_url(self, profile: str) -> str:
        """What an OpenAI SDK takes as base_url there."""
        return f"{self.url(profile)}/v1"

    @property
    def simulator(self) -> Simulated:
        """All providers."""
        return Simulated(self.upstream.url)

    @property
    def accounts(self) -> Accounts:
        """Of the running service, or on the database of the three."""
        accounts = self.running.accounts if isinstance(self.running, Several) else self.running.half.kit.accounts
        assert accounts is not None
        return accounts

    async def user(self, usd: float = 1000, **members: Any) -> str:
        """Somebody new with money: the id."""
        email = f"u{next(_numbers)}@example.org"
        made = await self.accounts.users.create(NewUser(email=email, password=PASSWORD, **members), SYSTEM)
        if usd:
            await self.top_up(made["id"], usd)
        user_id: str = made["id"]
        return user_id

    async def top_up(self, user_id: str, usd: float, name: str = "first") -> None:
        """Money comes in."""
        await self.accounts.wallets.change(user_id, Change("top_up", int(usd * USD), name), SYSTEM)

    async def wallet(self, user_id: str) -> tuple[int, int] | None:
        """(balance, held) of a wallet as calls see it, in micro-USD."""
        return await self.running.quota.balance_usd_micros(f"wallet:{user_id}")

    async def key(self, profile: str, user_id: str = "", **wanted: Any) -> str:
        """A new key as that profile makes them, of a new user unless one is given."""
        user_id = user_id or await self.user()
        made = await self.accounts.keys.create(user_id, PREFIXES[profile], {"name": "k", **wanted}, SYSTEM)
        return made[1]


@asynccontextmanager
async def personalities(kind: str) -> AsyncIterator[Personalities]:
    """Run it until the block ends."""
    async with recording() as scripted, _running(kind, scripted) as running:
        yield running


@asynccontextmanager
async def _running(kind: str, scripted: Recorder) -> AsyncIterator[Personalities]:
    upstream = await serve(key=UPSTREAM_KEY)
    urls = dict.fromkeys(PROVIDERS, upstream.url) | {"scripted": scripted.url}
    layer = {
        "http": {"listeners": {name: {"port": 0, "profile": name} for name in PROFILES}},
        "accounts": ACCOUNTS,
        "providers": {slug: {**each, "base_url": urls[slug] + each["base_url"]} for slug, each in PROVIDERS.items()},
    }
    files, environ = {"models.yaml": {"models": MODELS}}, {"UPSTREAM_KEY": UPSTREAM_KEY}
    try:
        if kind not in KINDS:
            async with several(layer, files, environ) as cluster:
                yield Personalities(cluster, upstream, scripted, SystemClock(), kind)
            return
        clock = ManualClock()
        with tempfile.TemporaryDirectory(prefix="gateway-test-") as folder:
            environ["GATEWAY_DATABASE__URL"] = url_of(kind, Path(folder))
            async with single(layer, files=files, clock=clock, environ=environ) as running:
                yield Personalities(running, upstream, scripted, clock, kind)
    finally:
        await upstream.stop()
