"""How a vendor processes a call (at once, before others, when there is room), in one word for all wire formats.

Rules:
    - `STANDARD` is the mode everybody gets who asks for nothing; any other is the vendor's word in small letters.
    - A word that leaves the choice to the vendor (`auto`), or none, is no mode: None.
Source: `service_tier` of OpenAI's and Anthropic's formats, `trafficType` and `serviceTier` of Gemini's.
Not here:
    - What a mode costs (core.tariff); where an answer says it (pipeline.mode).
"""

from __future__ import annotations

from typing import Final

STANDARD: Final = "standard"
_PREFIX: Final = "on_demand_"
_STANDARD: Final = frozenset((STANDARD, "default", "standard_only", "on_demand"))
_UNDECIDED: Final = frozenset(("", "auto", "unspecified", "traffic_type_unspecified", "service_tier_unspecified"))
RESERVED: Final = _STANDARD | _UNDECIDED
"""Words that cannot name prices of their own."""


def mode_of(word: str) -> str | None:
    """The mode a vendor's word names; None = it names none."""
    plain = word.lower()
    if plain in _UNDECIDED:
        return None
    return STANDARD if plain in _STANDARD else plain.removeprefix(_PREFIX)
