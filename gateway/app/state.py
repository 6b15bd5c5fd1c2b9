"""The state directory: the pepper and the keys that commands make.

Rules:
    - The directory is 0700, its files 0600, written whole and renamed into place.
    - The pepper is made once; losing it makes every key here worthless, so `auth.pepper` can hold it instead.
    - `keys.yaml` is a configuration layer: a running gateway sees a new key within seconds.
Not here:
    - What a key is (accounts.keys); how the layer is read (config).
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from gateway.accounts.keys import digest, make_key
from gateway.config.load import Loaded
from gateway.config.schema import Config

HEADER = "# Written by `gateway keys`. Keys themselves are not kept, only their HMAC-SHA-256.\n"
PEPPER_BYTES = 32
_SLUG = re.compile(r"[^a-z0-9_-]+")


def pepper_of(config: Config, state_dir: Path) -> bytes:
    """The pepper: configured, else the state directory's, made at first need."""
    if config.auth.pepper is not None and config.auth.pepper.is_set:
        return config.auth.pepper.reveal().encode()
    path = state_dir / "pepper"
    try:
        return bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        return _make_pepper(path)


def _make_pepper(path: Path) -> bytes:
    pepper = secrets.token_bytes(PEPPER_BYTES)
    _make_dir(path.parent)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text().strip())
    with os.fdopen(fd, "w") as file:
        file.write(pepper.hex() + "\n")
    return pepper


def read_keys(state_dir: Path) -> dict[str, dict[str, Any]]:
    """The key records of `keys.yaml` by slug."""
    try:
        document = yaml.safe_load((state_dir / "keys.yaml").read_text()) or {}
    except FileNotFoundError:
        return {}
    records: dict[str, dict[str, Any]] = document.get("keys") or {}
    return records


def write_keys(state_dir: Path, records: dict[str, dict[str, Any]]) -> None:
    """Replace the records, all at once."""
    _make_dir(state_dir)
    fd, name = tempfile.mkstemp(dir=state_dir, prefix="keys.", suffix=".tmp")
    with os.fdopen(fd, "w") as file:
        file.write(HEADER + yaml.safe_dump({"keys": records}, sort_keys=False))
    Path(name).replace(state_dir / "keys.yaml")


def create_key(loaded: Loaded, name: str, *, models: list[str], limits: Mapping[str, int]) -> tuple[str, str]:
    """Make a key and write its record; returns (id, whole key). The whole key is kept nowhere."""
    state_dir = loaded.sources.state_dir
    pepper = pepper_of(loaded.config, state_dir)
    key_id, whole = make_key(loaded.config.auth.key_prefix)
    record: dict[str, Any] = {"id": key_id, "hmac": digest(pepper, whole), "name": name}
    record["created_at"] = datetime.now(UTC).replace(microsecond=0)
    if models:
        record["models"] = models
    if limits:
        record["limits"] = dict(limits)
    records = read_keys(state_dir)
    slug = _SLUG.sub("-", name.lower()).strip("-_") or "key"
    if slug in records or slug in loaded.config.keys:
        slug = f"{slug}-{key_id[:6]}"
    write_keys(state_dir, {**records, slug: record})
    return key_id, whole


def ensure_dev_key(loaded: Loaded) -> str | None:
    """In development, without any key: make one and return it, once. None when there is a key already."""
    config = loaded.config
    has_dev_key = config.auth.dev_key is not None and config.auth.dev_key.is_set
    if config.environment != "development" or config.keys or has_dev_key or not config.auth.is_required:
        return None
    return create_key(loaded, "development", models=[], limits={})[1]


def _make_dir(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
