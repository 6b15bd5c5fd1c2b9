"""What callers say about kept answers, in one word."""

from __future__ import annotations

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.core.freshness import HEADER, wish


@pytest.mark.parametrize(
    ("asked", "cache_control", "found"),
    [
        ("", "", ""),
        ("off", "", "off"),
        (" Refresh ", "", "refresh"),
        ("", "no-store", "off"),
        ("", "max-age=0, No-Cache", "refresh"),
        ("", "no-cache, no-store", "off"),
        ("refresh", "no-store", "off"),
        ("off", "no-cache", "off"),
        ("", "max-age=60, private, x-no-store", ""),
    ],
)
def test_the_stronger_word_counts(asked: str, cache_control: str, found: str) -> None:
    """Both headers, any case, any spaces; what is not known of `cache-control` says nothing."""
    assert wish(asked, cache_control) == found


@pytest.mark.parametrize("asked", ["of", "no", "hit", "off, refresh", "\u00f6ff"])
def test_a_mistyped_wish_is_an_error(asked: str) -> None:
    """It names the header."""
    with pytest.raises(GatewayError) as raised:
        wish(asked, "no-store")
    assert (raised.value.kind, raised.value.param) == (Kind.INVALID_REQUEST, HEADER)
