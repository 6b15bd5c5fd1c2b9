"""Foreign text as a log may show it: short, and without what is or looks like a credential.

Rules:
    - Known secrets are replaced wherever they stand, also as JSON or a URL would write them; so is whatever has the
      shape of a key, a bearer token or a signed token.
    - Cutting comes last: a secret that crosses the end is replaced whole.
Not here:
    - Our own secrets, which print as `***` by their type (core.secret).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from gateway.core.secret import HIDDEN

SECRET_MIN_CHARS = 6  # a shorter value is no credential, and replacing it would spoil the text
_SHAPES = (
    r"(?i:bearer)\s+[^\s\"'\\,;<>]+"
    r"|(?<![A-Za-z0-9])(?:sk|pk|rk|gw|gsk|xai|hf|r8|pplx)[-_][A-Za-z0-9._*-]{3,}"
    r"|AIza[A-Za-z0-9_*-]{8,}"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?"
    r"|(?<=[?&])(?:key|api_key|api-key|token|access_token)=[^&\s\"'<>]+"
)


def redacted(text: str, secrets: Iterable[str], chars_max: int) -> str:
    """What of the first `chars_max` characters of `text` may be shown."""
    known = {form for secret in secrets if len(secret) >= SECRET_MIN_CHARS for form in _forms(secret)}
    longest_first = sorted(known, key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, longest_first), _SHAPES]))
    parts, at = [], 0
    for found in pattern.finditer(text):
        if found.start() >= chars_max:
            break
        parts += [text[at : found.start()], HIDDEN]
        at = found.end()
    return "".join([*parts, text[at:chars_max]])


def _forms(secret: str) -> tuple[str, ...]:
    return secret, json.dumps(secret)[1:-1], quote(secret, safe="")
