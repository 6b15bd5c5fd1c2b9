"""Every upstream dialect, by name.

Rules:
    - A dialect is one row here, one file `*_dialect.py` and one row of the conformance tests; a
      meta-test compares the three.
Not here:
    - Vendors: they are configuration.
"""

from __future__ import annotations

from typing import cast

from gateway.providers import openai_dialect
from gateway.providers.upstream import Dialect

DIALECTS: dict[str, Dialect] = {openai_dialect.NAME: cast("Dialect", openai_dialect)}
