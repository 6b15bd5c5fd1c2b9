"""The state directory: the pepper and the keys that commands make.

Rules:
    - The directory is 0700, its files 0600, written whole and renamed into place.
    - The pepper is made once; losing it makes every key here worthless, so `auth.pepper` can hold it instead.
    - `keys.yaml` is a configuration layer: a running gateway sees a new key within seconds.
Not here:
    - What a key is (accounts.keys); how the layer is read (config).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gateway.accounts.keys import digest, make_key
from gateway.config.load import Loaded
from gateway.config.references import complaints
from gateway.config.schema import Config, Key

HEADER = "# Written by `gateway keys`. Keys themselves are not kept, only their HMAC-SHA-256.\n"
PEPPER_BYTES = 32
_SLUG = re.compile(r"[^a-z0-9_-]+")
_PEPPER = re.compile(rf"[0-9a-fA-F]{{{2 * PEPPER_BYTES}}}")


def pepper_of(config: Config, state_dir: Path) -> bytes:
    """The pepper: configured, else the state directory's, made at first need. ValueError when that file is spoiled."""
    if config.auth.pepper is not None and config.auth.pepper.is_set:
        return config.auth.pepper.reveal().encode()
    path = state_dir / "pepper"
    try:
        return _read_pepper(path)
    except FileNotFoundError:
        _make_pepper(path)
    return _read_pepper(path)


def _read_pepper(path: Path) -> bytes:
    text = path.read_text(errors="replace").strip()
    if not _PEPPER.fullmatch(text):
        raise ValueError(f"{path} is no pepper ({2 * PEPPER_BYTES} hex digits): restore it, or set auth.pepper")
    return bytes.fromhex(text)


def _make_pepper(path: Path) -> None:
    """Whole or not at all: who reads it at the same moment finds none or this one; who came first has made it."""
    _make_dir(path.parent)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix="pepper.", suffix=".tmp")
    try:
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_hex(PEPPER_BYTES) + "\n")
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


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


def create_key(
    loaded: Loaded,
    name: str,
    *,
    models: list[str],
    limits: Mapping[str, int],
    is_admin: bool = False,
    profile: str = "",
) -> tuple[str, str]:
    """Make a key and write its record; returns (id, whole key). The whole key is kept nowhere.

    Raises ValueError for a record that the next load of the configuration would refuse; nothing is written then.
    """
    state_dir = loaded.sources.state_dir
    pepper = pepper_of(loaded.config, state_dir)
    prefix, limits = _form(loaded.config, profile, limits)
    key_id, whole = make_key(prefix)
    record: dict[str, Any] = {"id": key_id, "hmac": digest(pepper, whole), "name": name}
    record["created_at"] = datetime.now(UTC).replace(microsecond=0)
    if models:
        record["models"] = models
    if limits:
        record["limits"] = dict(limits)
    if is_admin:
        record["is_admin"] = True
    with _alone(state_dir):
        records = read_keys(state_dir)
        slug = _SLUG.sub("-", name.lower()).strip("-_") or "key"
        if slug in records or slug in loaded.config.keys:
            slug = f"{slug}-{key_id[:6]}"
        _check(loaded.written, slug, record)
        write_keys(state_dir, {**records, slug: record})
    return key_id, whole


def _form(config: Config, profile: str, limits: Mapping[str, int]) -> tuple[str, Mapping[str, int]]:
    """What a key begins with, and its limits. Raises ValueError for a profile there is not."""
    own = config.profiles.get(profile or "default")
    if own is None:
        raise ValueError(f"there is no profile {profile!r}: it is one of {', '.join(config.profiles)}")
    default = own.key_requests_per_minute
    prefix = config.auth.key_prefix if own.key_prefix is None else own.key_prefix
    return prefix, limits if default is None else {"requests_per_minute": default, **limits}


def revoke_key(state_dir: Path, key_id: str) -> bool:
    """Mark a record as disabled; False when `keys.yaml` has none with that id."""
    with _alone(state_dir):
        records = read_keys(state_dir)
        found = [record for record in records.values() if record.get("id") == key_id]
        for record in found:
            record["is_disabled"] = True
        if found:
            write_keys(state_dir, records)
    return bool(found)


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Hold off other commands between reading and writing the records."""
    _make_dir(state_dir)
    with os.fdopen(os.open(state_dir / "keys.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(config: Config, slug: str, record: Mapping[str, Any]) -> None:
    """Refuse what would keep every gateway of this state directory from starting."""
    texts = [record["name"], *record.get("models", ())]
    if any(text.startswith("@") for text in texts):
        raise ValueError("name and models may not begin with @")
    try:
        key = Key.model_validate({**record, "models": tuple(record.get("models", ()))})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise ValueError("; ".join(wrong)) from error
    whole = config.model_copy(update={"keys": {**config.keys, slug: key}})
    found = [
        " - ".join(filter(None, (each.words, each.hint)))
        for each in complaints(whole)
        if each.path[:2] == ("keys", slug)
    ]
    if found:
        raise ValueError("; ".join(found))


def ensure_dev_key(loaded: Loaded) -> str | None:
    """In development, without any key: make one and return it, once. None when there is a key already."""
    config = loaded.config
    has_dev_key = config.auth.dev_key is not None and config.auth.dev_key.is_set
    if config.environment != "development" or config.keys or has_dev_key or not config.auth.is_required:
        return None
    return create_key(loaded, "development", models=[], limits={})[1]


def _make_dir(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
