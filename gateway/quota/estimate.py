"""How many tokens a call may use, before anybody counted: the amount to reserve.

Rules:
    - One token per four bytes of UTF-8 text, rounded up, plus a few per message: the usual rule of
      thumb for English; settled by the actual count afterwards.
    - The answer is reserved as what the caller allows (`max_tokens`), or a small default.
    - Images, audio and files count a flat amount each: their bytes say nothing about tokens.
Not here:
    - Exact counts, which the provider reports.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, types_pb2

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
MEDIA_TOKENS = 256
OUTPUT_DEFAULT_TOKENS = 256


def tokens_of_text(size: int) -> int:
    """Tokens of `size` bytes (or characters) of text."""
    return -(-size // BYTES_PER_TOKEN)


def prompt_tokens(request: Message) -> int:
    """Estimated tokens of what the caller sends."""
    if isinstance(request, chat_pb2.ChatRequest):
        return sum(MESSAGE_TOKENS + _block_tokens(m.blocks) for m in request.messages) + _tool_tokens(request)
    if isinstance(request, completions_pb2.CompletionRequest):
        return _input_tokens(request.prompt)
    if isinstance(request, embeddings_pb2.EmbeddingRequest):
        return _input_tokens(request.input)
    return 0


def output_tokens(request: Message) -> int:
    """Tokens the answer may have, over all `n` answers."""
    if isinstance(request, chat_pb2.ChatRequest):
        allowed = request.max_completion_tokens or request.max_tokens or OUTPUT_DEFAULT_TOKENS
        return max(0, allowed) * max(1, request.n)
    if isinstance(request, completions_pb2.CompletionRequest):
        return max(0, request.max_tokens or OUTPUT_DEFAULT_TOKENS) * max(1, request.n)
    return 0


def _block_tokens(blocks: Iterable[types_pb2.Block]) -> int:
    return sum(_one_block(block) for block in blocks)


def _one_block(block: types_pb2.Block) -> int:
    kind = block.WhichOneof("kind")
    if kind == "text":
        return tokens_of_text(len(block.text))
    if kind == "tool_use":
        return tokens_of_text(len(block.tool_use.arguments) + len(block.tool_use.name))
    if kind == "tool_result":
        return _block_tokens(block.tool_result.blocks)
    if kind in ("image", "audio", "file", "document"):
        return MEDIA_TOKENS
    return 0


def _tool_tokens(request: chat_pb2.ChatRequest) -> int:
    return sum(tokens_of_text(len(t.function.parameters_json) + len(t.function.description)) for t in request.tools)


def _input_tokens(text_input: types_pb2.TextInput) -> int:
    texts = sum(tokens_of_text(len(text)) for text in text_input.texts)
    return texts + sum(len(sequence.ids) for sequence in text_input.tokens)
