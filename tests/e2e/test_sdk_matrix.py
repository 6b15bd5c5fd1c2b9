"""Every operation of every official SDK at every upstream format: one row per pair, whole and streamed.

Rules: the SDKs are unmodified; one gateway in this process, one simulator that speaks every format.
Not here: rows and what they assert (tests/support/matrix), single dialects in depth (their own tests).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from google import genai
from openai import AsyncOpenAI

from gateway.providers.registry import DIALECTS
from gateway.simulator.server import Running
from tests.support.matrix import anthropic_rows, gemini_rows, openai_rows  # noqa: F401 - they enter their rows
from tests.support.matrix.cells import Cell, Clients, Operation, row_id, rows, run_row
from tests.support.matrix.node import EVERYTHING, run_node
from tests.support.matrix.upstreams import BY_NAME, Upstream, layer
from tests.support.simulated import Simulated
from tests.support.single import InProcess, single

TIMEOUT_S = 20.0
ROWS = rows()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(upstream: Running) -> AsyncIterator[InProcess]:
    async with single(layer(upstream.url)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clients(gateway: InProcess) -> AsyncIterator[Clients]:
    options = genai.types.HttpOptions(base_url=gateway.url, timeout=int(TIMEOUT_S * 1000))
    async with (
        AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=TIMEOUT_S) as openai,
        AsyncAnthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=TIMEOUT_S) as anthropic,
        genai.Client(api_key=gateway.key, http_options=options).aio as google,
    ):
        yield Clients(openai, anthropic, google)


def test_every_dialect_has_its_rows() -> None:
    """A new dialect is a new column."""
    assert set(BY_NAME) == set(DIALECTS)


@pytest.mark.parametrize(("done", "form", "at"), ROWS, ids=[row_id(*row) for row in ROWS])
async def test_python(clients: Clients, upstream: Running, done: Operation, form: str, at: Upstream) -> None:
    """The SDK for Python: its user sees the same answer whatever the model speaks."""
    await run_row(Cell(clients, at, Simulated(upstream.url), is_stream=form == "stream"), done)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told_by_node(gateway: InProcess, upstream: Running) -> dict[str, dict[str, str | None]]:
    """What each SDK's process said, started once."""
    sdks = dict.fromkeys(done.sdk for done, _, _ in ROWS)
    return {sdk: await run_node(sdk, gateway.url, gateway.key, upstream.url) for sdk in sdks}


@pytest.mark.parametrize(("done", "form", "at"), ROWS, ids=[row_id(*row) for row in ROWS])
def test_node(told_by_node: dict[str, dict[str, str | None]], done: Operation, form: str, at: Upstream) -> None:
    """The SDK for Node: the same rows, the same answers."""
    told = told_by_node[done.sdk]
    name = row_id(done, form, at)
    assert name in told, f"was not run:\n{told[EVERYTHING]}"
    assert told[name] is None, told[name]


def test_node_ran_nothing_else(told_by_node: dict[str, dict[str, str | None]]) -> None:
    """No row of Node fails unseen."""
    ran = {name for told in told_by_node.values() for name in told} - {EVERYTHING}
    assert ran == {row_id(*row) for row in ROWS}
