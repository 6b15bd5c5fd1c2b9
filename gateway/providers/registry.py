"""Every upstream dialect, by name.

Rules:
    - A dialect is one row here, one file `*_dialect.py` and one row of the conformance tests; a
      meta-test compares the three.
Not here:
    - Vendors: they are configuration.
"""

from __future__ import annotations

from typing import cast

from gateway.providers import (
    anthropic_complete_dialect,
    anthropic_dialect,
    azure_dialect,
    bedrock_dialect,
    cohere_dialect,
    gemini_dialect,
    openai_dialect,
    palm_dialect,
    responses_dialect,
)
from gateway.providers.upstream import Dialect

_MODULES = (
    *(openai_dialect, azure_dialect, responses_dialect),
    *(anthropic_dialect, anthropic_complete_dialect, gemini_dialect, palm_dialect, cohere_dialect, bedrock_dialect),
)
DIALECTS: dict[str, Dialect] = {module.NAME: cast("Dialect", module) for module in _MODULES}
FORMATS = {name: name for name in DIALECTS} | {"azure": "openai"}
"""Dialect -> the format of a client whose answers are the same: a whole answer passes as it is."""
