"""What docs/money.md computes is what the gateway computes, and its layers are served.

Rules: each row of the page's table of examples is priced by the layer above it.
Not here: the rules of the page in motion (test_money, test_several_services, tests/chaos/test_money_outage).
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import yaml

from gateway.config.schema import Config
from gateway.core.tariff import PPM, Counts
from tests.conftest import ROOT
from tests.e2e.test_readme import blocks_of
from tests.support.databases import url_of
from tests.support.single import single

TEXT = (ROOT / "docs/money.md").read_text("utf-8")
PRICES, MODES, SHARED = [yaml.safe_load(block.text) for block in blocks_of("docs/money.md", TEXT)]


async def test_every_example_is_computed() -> None:
    """Prompt, cached, written, answer and ratio give the cost in the last column."""
    async with single(PRICES) as running:
        pricing = running.half.current.get().config.models["writer"].pricing
    assert pricing is not None
    lines = [line for line in TEXT.splitlines() if line[:3].strip("| ").isdigit()]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(rows) == 8
    for prompt, cached, written, answer, ratio, cost in rows:
        counts = Counts(int(prompt), int(answer), int(cached), int(written))
        assert pricing.tariff().cost_usd_micros(counts, int(Decimal(ratio) * PPM)) == int(cost), prompt


async def test_the_example_of_a_mode_halves() -> None:
    """As its page says: tokens of every kind, below and above the tier; a call's own price stays."""
    merged = {"models": {"writer": {**PRICES["models"]["writer"]}}}
    merged["models"]["writer"]["pricing"] = {
        **PRICES["models"]["writer"]["pricing"], **MODES["models"]["writer"]["pricing"]
    }  # fmt: skip
    async with single(merged) as running:
        pricing = running.half.current.get().config.models["writer"].pricing
    assert pricing is not None
    tariff = pricing.tariff()
    for counts in (Counts(1000, 100, 900), Counts(200_001, 1000)):
        standard, flex = tariff.cost_usd_micros(counts), tariff.of("flex").cost_usd_micros(counts)
        assert flex - 1000 == -(-(standard - 1000) // 2)


async def test_the_shared_layer_is_served(tmp_path: Path) -> None:
    """Also when nobody answers at the store's address."""
    environ = {"STORE_URL": "valkey://127.0.0.1:9/0", "DATABASE_URL": url_of("postgres", tmp_path)}
    async with single(SHARED, environ=environ) as running:
        config: Config = running.half.current.get().config
        assert (config.store.replicas, config.store.on_limits_loss) == (3, "local")
