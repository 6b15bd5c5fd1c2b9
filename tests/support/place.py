"""A directory a gateway of a test lives in, and the layer of configuration written into it.

Rules: nothing of the developer's machine leaks in: own root, own state directory, no GATEWAY_* or vendor variables;
    keys are hashed under `PEPPER`, which every gateway of a test gets.
Not here: starting a gateway (served, single).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.accounts.keys import digest, id_of
from tests.conftest import is_foreign

PEPPER = "a-pepper-for-tests"
KEY = "gw-test.a-key-for-tests"
"""The development key of a gateway that is given no other."""

Layer = Mapping[str, Any]

PATIENT: Mapping[str, Mapping[str, float]] = {
    "accounts": {"key_lookup_timeout_s": 60},
    "database": {"timeout_s": 60},
    "store": {"timeout_ms": 60_000, "connect_timeout_ms": 60_000},
}
"""Short waits of the product for a server beside it. A test is about one of them only if its layer sets it; in every
other a machine that stands still for a second must change nothing."""


def write_layer(root: Path, layer: Layer, name: str = "local.yaml") -> None:
    """Write `layer` as a file of `config/` under `root`, in one piece, as an editor would."""
    path = root / "config" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(yaml.safe_dump(dict(layer), sort_keys=False))
    path.with_suffix(".new").replace(path)


def write_files(root: Path, files: Mapping[str, Layer]) -> None:
    """Write files of `config/`; one named as a shipped file (`models.yaml`) stands in for it."""
    for name, content in files.items():
        write_layer(root, content, name)


def key_record(key: str, prefix: str = "gw-", **fields: Any) -> dict[str, Any]:
    """The record of a whole key for section `keys`; `fields` are further members (models, limits, is_disabled...)."""
    key_id = id_of(key, prefix) or key
    return {"id": key_id, "hmac": digest(PEPPER.encode(), key), "name": key_id, **fields}


def patience(layer: Layer | None) -> dict[str, str]:
    """Variables for the waits of PATIENT that this layer leaves alone."""
    found = {}
    for section, waits in PATIENT.items():
        for name, wait in waits.items():
            if name not in (layer or {}).get(section, {}):
                found[f"GATEWAY_{section}__{name}".upper()] = str(wait)
    return found


def variables(root: Path, environment: str, more: Mapping[str, str]) -> dict[str, str]:
    """What a gateway under `root` reads from its environment."""
    found = {
        "GATEWAY_ENV": environment,
        "GATEWAY_STATE_DIR": str(root / "state"),
        "GATEWAY_PEPPER": PEPPER,
        "GATEWAY_DEV_KEY": KEY,
        **more,
    }
    if environment == "production" or not found["GATEWAY_DEV_KEY"]:  # production refuses it
        del found["GATEWAY_DEV_KEY"]
    return found


def clean_environ() -> dict[str, str]:
    """This process's environment without what would change a gateway's behaviour."""
    return {name: value for name, value in os.environ.items() if not is_foreign(name)}
