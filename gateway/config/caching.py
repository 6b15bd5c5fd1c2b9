"""A model's cache settings compiled for calls: its bounds, and what of its deployments makes an answer another one.

Rules:
    - `None` for a model that neither keeps nor shares answers: its calls pay one attribute test.
    - The salt changes with everything that may change an answer: deployments, what is forced, dropped or renamed
      there, rules and splits; not with credentials, clocks, weights or prices.
Not here:
    - Keys of single calls (cache.key).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from gateway.config.schema import Model

if TYPE_CHECKING:
    from gateway.config.catalogue import Deployment


@dataclass(frozen=True, slots=True)
class CacheRules:
    """Of one model. `salt` is 32 bytes."""

    is_kept: bool
    is_shared: bool
    ttl_s: float
    entry_max_bytes: int
    share_max_bytes: int
    has_tool_calls: bool
    tenant: str  # key, user, group
    salt: bytes


def cache_rules(slug: str, model: Model, candidates: Iterable[Deployment]) -> CacheRules | None:
    """The rules of one model; None when its calls are ordinary."""
    cache = model.cache
    if not cache.is_used:
        return None
    return CacheRules(
        is_kept=cache.enabled,
        is_shared=cache.share_in_flight,
        ttl_s=cache.ttl_s,
        entry_max_bytes=cache.entry_max_bytes,
        share_max_bytes=cache.share_max_bytes,
        has_tool_calls=cache.has_tool_calls,
        tenant=cache.tenant,
        salt=_salt(slug, model, candidates),
    )


def _salt(slug: str, model: Model, candidates: Iterable[Deployment]) -> bytes:
    told = [
        [d.id, d.dialect, d.base_url, d.upstream_model, d.paths, d.query, d.force, sorted(d.drop), d.rename]
        for d in candidates
    ]
    chosen = model.routing.model_dump(mode="json", include={"rules", "split"})
    text = orjson.dumps([slug, chosen, told], default=dict, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(text).digest()
