"""Paths of members in the words of Anthropic's clients."""

from __future__ import annotations

import pytest

from gateway.wire.anthropic.names import own_path


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("response_format", "output_config.format"),
        ("stop", "stop_sequences"),
        ("user", "metadata.user_id"),
        ("messages[-1].content[0]", "system[0]"),
        ("messages[0].content[1]", "messages[0].content[1]"),
        ("tools[2]", "tools[2]"),
        ("x-request-timeout", "x-request-timeout"),
        ("", ""),
    ],
)
def test_paths(path: str, own: str) -> None:
    """Inside names are changed, others stay."""
    assert own_path(path) == own
