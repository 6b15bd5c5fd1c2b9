"""What `serve` finds out before it starts anything: how many models lack a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.app.plan import keyless_models
from gateway.commands.banner import lines
from gateway.config.load import load
from tests.support.place import variables, write_layer

BLOCK = {"dialect": "openai", "base_url": "https://host.invalid/v1", "enabled": "auto"}
LAYER = {
    "providers": {
        "first": {**BLOCK, "api_key": {"env": "FIRST_KEY"}},
        "second": {**BLOCK, "api_key": {"env": "SECOND_KEY"}},
        "off": {**BLOCK, "api_key": {"env": "FIRST_KEY"}, "enabled": "off"},
    },
    "models": {
        "of-first": {"names": ["of-first"], "candidates": [{"provider": "first"}]},
        "of-second": {"names": ["of-second"], "candidates": [{"provider": "second"}]},
        "of-both": {"names": ["of-both"], "candidates": [{"provider": "first"}, {"provider": "second"}]},
        "of-off": {"names": ["of-off"], "candidates": [{"provider": "off"}]},
    },
}
BANNER: dict[str, Any] = {
    "environment": "test", "http": "127.0.0.1:1", "grpc": "", "new_key": "", "has_dev_key": True,
    "is_simulated": False, "warnings": [],
}  # fmt: skip


@pytest.mark.parametrize("environment", ["test", "production"])
@pytest.mark.parametrize(
    ("keys", "count"),
    [((), 0), (("FIRST_KEY",), 1), (("SECOND_KEY",), 1), (("FIRST_KEY", "SECOND_KEY"), 0)],
)
def test_models_without_a_key_are_counted(tmp_path: Path, environment: str, keys: tuple[str, ...], count: int) -> None:
    """One whose other provider has a key is served; one switched off lacks none; with no key at all, no note."""
    write_layer(tmp_path, {"models": {}}, "models.yaml")
    write_layer(tmp_path, {"providers": {}}, "providers.yaml")
    write_layer(tmp_path, LAYER)
    environ = variables(tmp_path, environment, dict.fromkeys(keys, "sk-x"))
    assert keyless_models(load(tmp_path, environment=environment, environ=environ).config) == count


def test_the_banner_counts_them() -> None:
    """One line, and only when there are any."""
    note = "  note    3 models cannot be served: no key of their providers is set"
    assert note in lines({**BANNER, "keyless_models": 3})
    assert "cannot be served" not in "\n".join(lines({**BANNER, "keyless_models": 0}))
