"""One served gateway for all end-to-end tests: the real processes, shared; tests use model names of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from gateway.simulator.server import Running
from gateway.simulator.server import serve as serve_simulator
from tests.support.personalities import PLACES, Personalities, personalities
from tests.support.place import key_record
from tests.support.sdk import Sdk, sdk_of
from tests.support.served import Served, served
from tests.unit.client.scripted import Scripted, serving

EVERYTHING = ["chat", "completion", "embedding", "vision", "audio", "function_calling", "json_mode", "json_schema"]
LIMITS = {"requests": {"requests_per_minute": 2}, "tokens": {"tokens_per_minute": 40}}
WAYS = [f"{protocol}{form}" for protocol in ("http", "grpc") for form in ("whole", "stream")]
LIMITED_KEYS = {(limit, way): f"gw-{limit}{way}.secret" for limit in LIMITS for way in WAYS}
NODE_LIMITED_KEY = "gw-limitednode.secret"
PYTHON_LIMITED_KEY = "gw-limitedpython.secret"
NARROW_KEY = "gw-narrow.secret"
ROOMY_KEY = "gw-roomy.secret"


def _simulated(name: str, **members: object) -> dict[str, object]:
    """A model of that wire name; the simulator stands in for the provider, and obeys what follows the slash."""
    return {"names": [name], "capabilities": EVERYTHING, "candidates": [{"provider": "openai"}], **members}


LAYER = {
    "process": {"drain_s": 2},
    "policies": {"retry": {"backoff_base_s": 0.02, "backoff_max_s": 0.1, "budget_percent": 1000}},
    "observe": {"log_format": "json"},
    "models": {
        "direct": _simulated("direct/*", retry={"attempts_max": 1}, has_dimensions=True),
        "hasty": _simulated(
            "hasty/*", retry={"attempts_max": 1}, timeouts={"headers_s": 0.4, "first_token_s": 0.4, "idle_s": 0.4}
        ),
        "pausing": _simulated("pausing/*", retry={"attempts_max": 1}, timeouts={"idle_s": 0.4}),
        "plain": _simulated("plain/*", capabilities=["chat"], retry={"attempts_max": 1}),
    },
    "keys": {
        **{f"{limit}-{way}": key_record(key, limits=LIMITS[limit]) for (limit, way), key in LIMITED_KEYS.items()},
        "limited-node": key_record(NODE_LIMITED_KEY, limits={"requests_per_minute": 2}),
        "limited-python": key_record(PYTHON_LIMITED_KEY, limits={"requests_per_minute": 2}),
        "roomy": key_record(ROOMY_KEY, limits={"requests_per_minute": 1000, "tokens_per_minute": 100_000}),
        "narrow": key_record(NARROW_KEY, models=["gpt-4o-mini"]),
    },
}


@pytest.fixture(scope="session")
def gateway() -> Iterator[Served]:
    """The shared gateway.

    Key `gateway.key` has no limits. `direct/` before a simulator's name: one attempt; `hasty/`: one attempt with
    clocks of 0.4 s; `pausing/`: only its clock between two pieces is short; `plain/`: nothing but chat. A test that
    needs another layer serves its own.
    """
    with served(LAYER) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PLACES)
async def gates(request: pytest.FixtureRequest) -> AsyncIterator[Personalities]:
    """A gateway with a listener for every shipped profile, on each database and of several services in turn."""
    async with personalities(request.param) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upstream() -> AsyncIterator[Running]:
    """A simulator for the gateways of one file, in this process; it wants no key."""
    running = await serve_simulator()
    yield running
    await running.stop()


@pytest.fixture(params=["sync", "async"])
async def sdk(request: pytest.FixtureRequest, gateway: Served) -> AsyncIterator[Sdk]:
    """The unmodified OpenAI SDK for Python, each of its two clients in turn, pointed at the shared gateway."""
    made = sdk_of(request.param, gateway.base_url, gateway.key)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[tuple[Scripted, str]]:
    """A scripted service for the public client, and its address."""
    async with serving() as running:
        yield running


@pytest.fixture
def servicer(server: tuple[Scripted, str]) -> Scripted:
    """The same, as if no test had used it."""
    server[0].reset()
    return server[0]
