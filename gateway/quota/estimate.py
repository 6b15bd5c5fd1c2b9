"""How many tokens a call may use, before anybody counted: the amount to reserve.

Rules:
    - One token per four bytes of UTF-8 text, rounded up, plus a few per message: the usual rule of
      thumb for English; settled by the actual count afterwards.
    - The answer is reserved as what the caller allows (`max_tokens`), or a small default.
    - Images, audio and files count a flat amount each: their bytes say nothing about tokens.
Not here:
    - Exact counts, which the provider reports; walking a request (pipeline.shape).
"""

from __future__ import annotations

from google.protobuf.message import Message

from gateway.wire.pb import chat_pb2, completions_pb2

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
MEDIA_TOKENS = 256
OUTPUT_DEFAULT_TOKENS = 256


def tokens_of_text(size: int) -> int:
    """Tokens of `size` bytes (or characters) of text."""
    return -(-size // BYTES_PER_TOKEN)


def output_tokens(request: Message) -> int:
    """Tokens the answer may have: over all `n` choices (`best_of` of them are made), for each prompt of a list."""
    if isinstance(request, chat_pb2.ChatRequest):
        allowed = request.max_completion_tokens or request.max_tokens or OUTPUT_DEFAULT_TOKENS
        return max(0, allowed) * max(1, request.n)
    if isinstance(request, completions_pb2.CompletionRequest):
        prompts = len(request.prompt.texts) + len(request.prompt.tokens)
        each = max(1, request.n, request.best_of)
        return max(0, request.max_tokens or OUTPUT_DEFAULT_TOKENS) * each * max(1, prompts)
    return 0
