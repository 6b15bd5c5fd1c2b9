"""The OpenAI wire format as OpenAI, and everyone who copies it, speaks it: chat, legacy completions, embeddings.

Rules:
    - All of it is the family's; nothing differs here.
Source: OpenAI API specification 2.3.0; DeepSeek and vLLM for `reasoning_content`.
Not here:
    - Bodies, answers and streams (openai_family); errors (openai_errors).
"""

from __future__ import annotations

from typing import Final

from gateway.providers.openai_errors import classify, in_band_error
from gateway.providers.openai_family import (
    OpenAIStreamDecoder,
    decode_reply,
    encode,
    stream_decoder,
    usage_of_reply,
)

__all__ = ["NAME", "OpenAIStreamDecoder", "classify", "decode_reply", "encode", "in_band_error", "stream_decoder",
           "usage_of_reply"]  # fmt: skip

NAME: Final = "openai"
