"""Anthropic's text completions of before Messages, for claude-2 and claude-instant-1.

Rules:
- One prompt with the turns spelled out; text only. No client speaks it.

Source: `POST /v1/complete`, Anthropic API version 2023-06-01.

Not here: HTTP, SSE framing, errors (wire.anthropic.errors).
"""

from typing import Final

DIALECT: Final = "anthropic_complete"
