"""Counts in OpenAI's encodings."""

from __future__ import annotations

import pytest

from gateway.quota import tokenizers


@pytest.mark.parametrize(
    ("encoding", "text", "tokens"),
    [
        ("o200k_base", "", 0),
        ("o200k_base", "hello world", 2),
        ("cl100k_base", "hello world", 2),
        ("cl100k_base", "tiktoken is great!", 6),
        ("o200k_base", "antidisestablishmentarianism", 6),
        ("cl100k_base", "antidisestablishmentarianism", 6),
        ("o200k_base", "お誕生日おめでとう", 8),
        ("cl100k_base", "お誕生日おめでとう", 9),
        ("o200k_base", "<|endoftext|>", 7),
    ],
)
def test_known_counts(encoding: str, text: str, tokens: int) -> None:
    """Those OpenAI's own documentation gives; a special token's name is text."""
    assert tokenizers.load(encoding)(text) == tokens


def test_half_a_pair_is_counted() -> None:
    """JSON can hold one; it counts as the mark that stands for it."""
    assert tokenizers.load("o200k_base")("a\ud800") == tokenizers.load("o200k_base")("a?")


def test_an_encoding_is_loaded_once() -> None:
    """It is large."""
    assert tokenizers.load("o200k_base") is tokenizers.load("o200k_base")
