"""Exact counts of text in OpenAI's encodings, where the extra `tokens` is installed.

Rules:
    - Nothing is loaded before a model asks for it: one encoding takes some 80 MB and a third of a second, so `load` is
      called in a thread.
    - Text of any kind is counted as ordinary text; special tokens have no meaning here.
Not here:
    - The rule of thumb that serves everything else (estimate.py); what is counted (pipeline.counting).
Source: bpe-openai, which counts as OpenAI's tiktoken does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module

_PACKAGE = "bpe_openai"

Count = Callable[[str], int]


@cache
def load(encoding: str) -> Count:
    """What counts a text in this encoding. Blocks while it loads; raises ImportError without the extra."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the package reads its data in a way Python means to drop
        count: Count = import_module(f"{_PACKAGE}._bindings").tokenizer_for_encoding(encoding).count

    def counted(text: str) -> int:
        return count(text) if text.isascii() else count(text.encode("utf-8", "replace").decode())

    return counted
