"""What a price list says beside what is configured: every difference is named, nothing is invented."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.prices import layer, prices_of, proposals
from gateway.config.schema import Config
from gateway.config.schema.pricing import Pricing

ROOT = Path(__file__).parents[3]
TIER = SimpleNamespace(start=200_000, price=Decimal("2.5"))
LIST: dict[tuple[str, str], dict[str, Any]] = {
    ("openai", "one"): {"input_mtok": Decimal("0.10"), "output_mtok": Decimal("1E+1"), "web_searches_kcount": 5},
    ("google", "two"): {
        "input_mtok": SimpleNamespace(base=Decimal("1.25"), tiers=[TIER]),
        "output_mtok": Decimal(10),
        "cache_read_mtok": None,
    },
    ("openai", "three"): {
        "input_mtok": Decimal(2), "cache_read_mtok": Decimal("0.5"),
        "modes": {"flex": {"input_mtok": Decimal(1)}, "priority": {"input_mtok": Decimal("2.0")}},
    },
}  # fmt: skip


def config(**models: Any) -> Config:
    """A configuration of those models."""
    providers = {slug: {"dialect": "openai", "base_url": "https://x.test"} for slug in ("openai", "gemini", "mine")}
    return Config.model_validate_json(json.dumps({"providers": providers, "models": models}))


def model(provider: str, name: str, pricing: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """A model with one candidate."""
    return {"names": [name], "candidates": [{"provider": provider}], "pricing": pricing, **members}


def lookup(vendor: str, name: str) -> dict[str, Any] | None:
    """The list of these tests."""
    return LIST.get((vendor, name))


def test_only_differences_are_changes() -> None:
    """Equal prices in another spelling are equal; a price that is missing here and there stays missing."""
    pricing = {"input_usd_per_million": "0.1", "output_usd_per_million": "9", "cached_input_usd_per_million": "0.05"}
    (found,) = proposals(config(a=model("openai", "one", pricing)), lookup)
    assert (found.source, found.changes) == ("openai/one", {"output_usd_per_million": ("9", "10")})
    assert layer([found]) == {"models": {"a": {"pricing": {**pricing, "input_usd_per_million": "0.1",
                                                            "output_usd_per_million": "10"}}}}  # fmt: skip


def test_tiers_are_taken_over_and_load_again() -> None:
    """A tier has every price, those without a tier of their own included; the layer is a valid `pricing`."""
    (found,) = proposals(config(b=model("gemini", "two")), lookup)
    tier = {"above_input_tokens": 200_000, "input_usd_per_million": "2.5", "output_usd_per_million": "10"}
    assert found.prices == {"input_usd_per_million": "1.25", "output_usd_per_million": "10", "tiers": [tier]}
    made = Pricing.model_validate_json(json.dumps(layer([found])["models"]["b"]["pricing"]))
    (again,) = proposals(config(b=model("gemini", "two", json.loads(made.model_dump_json(exclude_unset=True)))), lookup)
    assert again.changes == {}


def test_modes_are_whole_lists_and_load_again() -> None:
    """A mode that costs what all do is left out, one the list does not know stays; the layer is a valid `pricing`."""
    own = {"input_usd_per_million": "7", "output_usd_per_million": "0"}
    pricing: dict[str, Any] = {"input_usd_per_million": "2", "cached_input_usd_per_million": "0.5"}
    (found,) = proposals(config(c=model("openai", "three", {**pricing, "modes": {"scale": own}})), lookup)
    flex = {"input_usd_per_million": "1", "cached_input_usd_per_million": "0.5", "output_usd_per_million": "0"}
    assert found.prices == {**pricing, "modes": {"scale": own, "flex": flex}}
    assert found.changes == {"modes": ("scale 7", "scale 7, flex 1")}
    (again,) = proposals(config(c=model("openai", "three", layer([found])["models"]["c"]["pricing"])), lookup)
    assert again.changes == {}


def test_what_the_list_does_not_know_is_said_and_what_nobody_sells_is_left_out() -> None:
    """An unknown model has no prices; a provider of one's own has no list."""
    found = {each.slug: each for each in proposals(config(a=model("openai", "new"), b=model("mine", "one")), lookup)}
    assert list(found) == ["a"]
    assert found["a"].prices is None
    assert found["a"].changes == {}


def test_a_price_never_loses_a_digit() -> None:
    """No exponent, no float."""
    assert prices_of({"input_mtok": Decimal("0.000000123"), "output_mtok": Decimal("2.50E+2")}) == {
        "input_usd_per_million": "0.000000123",
        "output_usd_per_million": "250",
    }


def test_the_command_shows_writes_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the real list: a wrong price is found, the file written mends it, and then the check is silent."""
    monkeypatch.chdir(tmp_path)
    config_dir = tmp_path / "config"
    config_dir.mkdir()
    for name in ("settings", "providers", "policies"):
        (config_dir / f"{name}.yaml").write_text((ROOT / f"config/{name}.yaml").read_text("utf-8"), "utf-8")
    wrong = {"models": {"gpt": model("openai", "gpt-4o", {"input_usd_per_million": "99"})}}
    (config_dir / "models.yaml").write_text(yaml.safe_dump(wrong), "utf-8")
    runner = CliRunner()
    shown = runner.invoke(app, ["catalogue", "refresh", "--json", "--check", "--write", "config/local.yaml"])
    assert shown.exit_code == 1, shown.output
    (changed,) = json.loads(shown.stdout)["changed"]
    assert changed["changes"]["input_usd_per_million"][0] == "99"
    again = runner.invoke(app, ["catalogue", "refresh", "--check"])
    assert again.exit_code == 0, again.output
    assert "0 models differ, 1 agree" in again.stdout
