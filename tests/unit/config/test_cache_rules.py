"""A model's cache settings, compiled: what makes kept answers unreachable after a reload, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.pipeline.kits import entry_of, provider

URL = "http://127.0.0.1:9/v1"


def salt(*, candidate: dict[str, Any] | None = None, members: dict[str, Any] | None = None, url: str = URL) -> bytes:
    """The salt of a model with one candidate."""
    one = {"provider": "p", "upstream_model": "u", **(candidate or {})}
    entry = entry_of({"p": provider(url, **(members or {}))}, candidates=[one], cache={"enabled": True})
    assert entry.cache is not None
    return entry.cache.salt


@pytest.mark.parametrize(
    "changed",
    [
        {"candidate": {"upstream_model": "v"}},
        {"candidate": {"force": {"temperature": 0}}},
        {"candidate": {"drop": ["user"]}},
        {"members": {"force": {"a": 1}}},
        {"members": {"rename": {"a": "b"}}},
        {"members": {"query": {"a": "b"}}},
        {"members": {"paths": {"chat": "/other"}}},
        {"url": "http://127.0.0.1:9/v2"},
    ],
)
def test_what_is_sent_elsewhere_or_otherwise_is_another_answer(changed: dict[str, Any]) -> None:
    """Deployments, and what is done to requests there."""
    assert salt(**changed) != salt()


@pytest.mark.parametrize(
    "changed",
    [
        {"candidate": {"weight": 3}},
        {"candidate": {"timeouts": {"idle_s": 3.0}}},
        {"members": {"headers": {"x-key": "another"}}},
        {"members": {"connections_max": 7}},
    ],
)
def test_what_changes_no_answer_keeps_what_was_kept(changed: dict[str, Any]) -> None:
    """Weights, clocks, credentials, pools."""
    assert salt(**changed) == salt()


def test_a_model_without_cache_has_no_rules() -> None:
    """One attribute test is all its calls pay; sharing alone is a use."""
    one = {"p": provider(URL)}
    assert entry_of(one).cache is None
    assert entry_of(one, cache={"ttl_s": 5.0}).cache is None
    shared = entry_of(one, cache={"share_in_flight": True}).cache
    assert shared is not None
    assert (shared.is_kept, shared.is_shared) == (False, True)
