"""What a plan may look at of a call.

Rules:
    - Facts are frozen, plain, and small: estimates, names, and the headers and metadata a rule may read.
    - A model with one candidate and no routing settings gets `NO_FACTS`: nothing is gathered for it.
Not here:
    - Gathering them (pipeline.facts); deciding by them (beside this file).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Facts(NamedTuple):
    """One call, as routing sees it. Tokens are estimates; headers are those on the edge's allow-list, lower case."""

    model: str = ""  # as the client named it
    is_stream: bool = False
    prompt_tokens: int = 0
    output_tokens: int = 0  # asked for; 0 = not said
    needs: tuple[str, ...] = ()  # capabilities
    key_id: str = ""
    group: str = ""
    user: str = ""
    headers: Mapping[str, str] = _NOTHING
    metadata: Mapping[str, str] = _NOTHING


NO_FACTS = Facts()
