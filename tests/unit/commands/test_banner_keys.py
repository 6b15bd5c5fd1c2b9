"""The banner says how to get in: which key counts, or that there is none."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.banner import lines

PLAN: dict[str, Any] = {
    "environment": "production", "http": "127.0.0.1:1", "grpc": "", "new_key": "", "has_dev_key": False,
    "has_keys": False, "is_key_required": True, "is_simulated": False, "warnings": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"new_key": "gw-a.b"}, "OPENAI_API_KEY=gw-a.b"),
        ({"has_dev_key": True, "has_keys": True}, "GATEWAY_DEV_KEY"),
        ({"has_keys": True}, "made earlier"),
        ({}, "there is none yet"),
        ({"is_key_required": False}, "none needed"),
    ],
)
def test_the_banner_says_which_key_counts(members: dict[str, Any], said: str) -> None:
    """One line per case, and never a key that does not exist."""
    assert said in "\n".join(lines({**PLAN, **members}))
