"""What is shipped loads, is documented, and fits its own JSON Schema."""

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml

from gateway.config.flat import flatten
from gateway.config.load import load
from gateway.config.reference import json_schema, page
from gateway.config.schema import Config, Pricing, TimeoutOverrides, Timeouts
from gateway.config.schema.walk import fields, place
from gateway.core.tariff import Counts

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "config").rglob("*.yaml"))
SHIPPED = [path for path in FILES if path.name not in ("local.yaml", ".secrets.yaml")]


def test_the_schema_is_a_valid_json_schema() -> None:
    """By the meta-schema of the draft it names."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_file_fits_the_json_schema(path: Path) -> None:
    """What editors say about our files is that they are right."""
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), json_schema(), jsonschema.Draft202012Validator)


def test_the_json_schema_refuses_what_the_loader_refuses() -> None:
    """Unknown keys and wrong types, at depth."""
    validator = jsonschema.Draft202012Validator(json_schema())
    wrongs: list[dict[str, object]] = [
        {"htpp": {}},
        {"http": {"port": "8080"}},
        {"environment": "test"},
        {"models": {"m": {"names": []}}},
    ]
    assert [wrong for wrong in wrongs if validator.is_valid(wrong)] == []
    assert validator.is_valid({"models": {"gpt-4o": None}, "providers": {"openai": {"api_key": {"env": "A"}}}})


@pytest.mark.parametrize("environment", ["development", "production", "test"])
def test_the_shipped_configuration_loads(environment: str, tmp_path: Path) -> None:
    """In each environment, with nothing set."""
    assert load(tmp_path, environment=environment, environ={}).config.environment == environment


def test_the_example_of_a_local_file_loads(tmp_path: Path) -> None:
    """config/local.example.yaml can be copied as it is."""
    (tmp_path / "config").mkdir()
    example = (ROOT / "config/local.example.yaml").read_text("utf-8")
    (tmp_path / "config/local.yaml").write_text(example, encoding="utf-8")
    written = load(tmp_path, environ={}).written
    assert [candidate.provider for candidate in written.models["gpt-4o"].candidates] == ["azure-openai", "openai"]
    assert "gpt-4-turbo" not in written.models


def test_settings_yaml_shows_the_defaults(tmp_path: Path) -> None:
    """Its first lines promise that every value there is the default."""
    shipped = yaml.safe_load((ROOT / "config/settings.yaml").read_text("utf-8"))
    (tmp_path / "config").mkdir()
    for name in ("settings", "providers", "models", "policies"):
        (tmp_path / f"config/{name}.yaml").write_text("{}\n", encoding="utf-8")
    defaults = load(tmp_path, environ={}).written
    (tmp_path / "config/settings.yaml").write_text(yaml.safe_dump(shipped), encoding="utf-8")
    assert dict(flatten(load(tmp_path, environ={}).written)) == dict(flatten(defaults))


def test_the_page_is_up_to_date() -> None:
    """docs/configuration.md holds the tables the schema gives; mend with `python -m gateway.config.reference`."""
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    assert page(text) == text


def test_every_field_says_what_it_is() -> None:
    """A description ending in a full stop, and for every number its unit."""
    for path, at in fields():
        assert at.description.endswith("."), path
        if at.kind in ("int", "number", "decimal"):
            assert at.unit or path[-1] in ("priority", "weight"), path


def test_every_unit_in_a_name_is_the_unit_of_the_field() -> None:
    """`_s` is seconds, `_bytes` bytes, `_tokens` tokens."""
    for path, at in fields():
        name = str(path[-1])
        for ending, unit in (
            ("_unix_s", "Unix seconds"),
            ("_s", "seconds"),
            ("_bytes", "bytes"),
            ("_tokens", "tokens"),
        ):
            if name.endswith(ending) and at.kind in ("int", "number"):
                assert at.unit == unit, path
                break


def test_clocks_have_the_same_names_at_every_level() -> None:
    """What a provider sets, a model and a candidate can change."""
    assert set(Timeouts.model_fields) == set(TimeoutOverrides.model_fields)
    changed = TimeoutOverrides(idle_s=3.0).over(Timeouts())
    assert (changed.idle_s, changed.total_s) == (3.0, 600.0)


def test_shipped_models_are_priced_and_sized() -> None:
    """Every shipped model has a price, and chat models a context window."""
    for slug, model in load(ROOT, environ={}, config_dir=ROOT / "config").written.models.items():
        assert model.pricing is not None, slug
        assert model.context_window_tokens, slug


def test_cost_is_the_listed_price_per_million() -> None:
    """A million in and a million out cost the listed sum, in whole micro-USD; cached tokens their own price."""
    pricing = Pricing(
        input_usd_per_million=Decimal("0.15"),
        output_usd_per_million=Decimal("0.60"),
        cached_input_usd_per_million=Decimal("0.075"),
    )
    tariff = pricing.tariff()
    assert tariff.cost_usd_micros(Counts(1_000_000, 1_000_000)) == 750_000
    assert tariff.cost_usd_micros(Counts(1_000_000, 0, 1_000_000)) == 75_000
    assert tariff.cost_usd_micros(Counts(3, 0)) == 0
    assert tariff.cost_usd_micros(Counts(4, 0)) == 1


def test_places_are_told_apart() -> None:
    """What the schema allows at a path, by kind."""
    kinds = {
        ("http", "port"): "int",
        ("http",): "section",
        ("models", "x", "candidates", 0, "force", "deep", "er"): "any",
        ("models", "x", "pricing", "input_usd_per_million"): "decimal",
        ("providers", "x", "api_key"): "secret",
        ("providers", "x", "headers", "a.b"): "text",
        ("keys", "x", "expires_at"): "datetime",
        ("keys", "x", "models", 3): "text",
    }
    assert {path: at.kind for path in kinds if (at := place(path))} == kinds
    assert place(("http", "prot")) is None
    assert place(("http", "port", "x")) is None


def test_defaults_are_valid_and_json() -> None:
    """The schema's own defaults pass its own rules."""
    assert Config.model_validate_json(json.dumps(Config().model_dump(mode="json"))) == Config()
