"""What follows a failure, by its class: the table of decisions."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.catalogue import Entry
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.attempts.after import is_final, may_follow, retry_wait_s, rotated
from tests.unit.pipeline.kits import entry_of, provider


def entry(candidates: list[dict[str, Any]], **members: Any) -> Entry:
    """A model with these candidates; providers a, b, c."""
    providers = {name: provider("http://127.0.0.1:9/v1") for name in "abc"}
    return entry_of(providers, candidates=candidates, **members)


def failure(kind: Kind, **members: Any) -> GatewayError:
    """A failure of that kind."""
    return GatewayError(kind, "no", **members)


@pytest.mark.parametrize(
    ("windows", "asked"),
    [
        ((8000, 32000), True),
        ((8000, 8000), False),
        ((32000, 8000), False),
        ((None, 8000), True),
    ],
)
def test_a_prompt_that_is_too_long_goes_to_larger_windows_only(
    windows: tuple[int | None, int | None], asked: bool
) -> None:
    """Equal or smaller windows would refuse it as well."""
    made = entry(
        [
            {"provider": name, "upstream_model": name, **({"context_window_tokens": size} if size else {})}
            for name, size in zip("ab", windows, strict=True)
        ]
    )
    first, second = made.candidates
    assert may_follow(second, first, failure(Kind.CONTEXT_LENGTH_EXCEEDED), made) is asked


def test_the_same_upstream_model_of_unknown_size_is_no_larger_window() -> None:
    """Two accounts for one model: the second is not asked."""
    made = entry([{"provider": "a", "upstream_model": "m"}, {"provider": "b", "upstream_model": "m"}])
    assert not may_follow(made.candidates[1], made.candidates[0], failure(Kind.CONTEXT_LENGTH_EXCEEDED), made)


def test_a_filtered_prompt_goes_to_listed_providers_only() -> None:
    """Without a list it is the end."""
    candidates = [{"provider": name} for name in "abc"]
    filtered = failure(Kind.CONTENT_FILTERED)
    assert is_final(filtered, entry(candidates))
    made = entry(candidates, content_filter_fallback=["c"])
    assert not is_final(filtered, made)
    assert [may_follow(d, made.candidates[0], filtered, made) for d in made.candidates[1:]] == [False, True]


@pytest.mark.parametrize(
    ("kind", "has_more", "waits"),
    [
        (Kind.PROVIDER_ERROR, True, True),
        (Kind.PROVIDER_INVALID, True, True),
        (Kind.STREAM_CUT, True, True),
        (Kind.PROVIDER_RATE_LIMITED, True, False),
        (Kind.PROVIDER_RATE_LIMITED, False, True),
        (Kind.PROVIDER_TIMEOUT, False, False),
        (Kind.PROVIDER_AUTH, False, False),
        (Kind.MODEL_NOT_FOUND, False, False),
    ],
)
def test_what_is_tried_again(kind: Kind, has_more: bool, waits: bool) -> None:
    """Passing failures; never silence, never a refused key; a rate limit only where nothing else is left."""
    made = entry([{"provider": "a"}])
    assert (retry_wait_s(made, failure(kind), 0, 0.5, has_more=has_more) is not None) is waits


def test_waits_have_full_jitter_and_honour_the_provider() -> None:
    """From nothing up to the doubled backoff; what the provider asks is the least."""
    made = entry([{"provider": "a"}], retry={"attempts_max": 5, "backoff_base_s": 1, "backoff_max_s": 3})
    broken = failure(Kind.PROVIDER_ERROR)
    assert [retry_wait_s(made, broken, n, 0.5, has_more=False) for n in range(5)] == [0.5, 1.0, 1.5, 1.5, None]
    assert retry_wait_s(made, broken, 0, 0.0, has_more=False) == 0
    assert retry_wait_s(made, failure(Kind.PROVIDER_ERROR, retry_after_s=2), 0, 0.5, has_more=False) == 2.05
    assert retry_wait_s(made, failure(Kind.PROVIDER_ERROR, retry_after_s=11), 0, 0.5, has_more=False) is None


def test_a_rescue_asks_the_others_first() -> None:
    """In the order of the plan, from the failed one on, and that one last."""
    a, b, c = entry([{"provider": name} for name in "abc"]).candidates
    assert rotated((a, b, c), b) == (c, a, b)
    assert rotated((a, b), c) == (a, b)
