"""What a client opts into beside its body: the header `anthropic-beta`.

Rules:
- In a request message the words are the member `anthropic_beta`, as clouds that host these models write them in a body.
- A provider of this format gets them as the header again, with those of the configuration before them.
- A word is letters, digits, dots, dashes and underscores; others are left out. At most WORDS_MAX of them.

Not here: whether the header is looked at (the frontend's family), other headers (none passes).
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from gateway.wire.openai.mirror import JsonObject

HEADER: Final = "anthropic-beta"
MEMBER: Final = "anthropic_beta"
WORDS_MAX: Final = 64
_WORD = re.compile(r"[A-Za-z0-9._-]{1,128}")


def with_betas(body: JsonObject, values: Iterable[str]) -> JsonObject:
    """A body with the words of such headers in it."""
    words = _words([word for value in values for word in value.split(",")])
    return {**body, MEMBER: [*_words(body.get(MEMBER)), *words]} if words else body


def taken_betas(body: JsonObject, configured: str = "") -> str:
    """Take the member out of a body; its words and the configured ones as a header's value, each once."""
    given = _words(body.pop(MEMBER, None))
    return ",".join(dict.fromkeys([*_words(configured.split(",")), *given])) if given else configured


def _words(given: Any) -> list[str]:
    texts = [text.strip() for text in given if type(text) is str] if type(given) is list else []
    return [text for text in texts if _WORD.fullmatch(text)][:WORDS_MAX]
