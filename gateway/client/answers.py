"""What one usually wants from an answer or a chunk.

Rules: functions of a message, nothing remembered; absent is empty (`""`, `[]`), never an error.
Not here: making requests (requests.py, content.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gateway.client.generated.gateway.v1 import (
    Block,
    BlockDelta,
    ChatChunk,
    ChatResponse,
    CompletionResponse,
    EmbeddingResponse,
    Message,
    ToolDelta,
    ToolUseBlock,
)

Answer = ChatResponse | ChatChunk | CompletionResponse | Message


def text_of(answer: Answer, choice: int = 0) -> str:
    """The text of one choice of a whole answer, or what a chunk adds to it."""
    if isinstance(answer, CompletionResponse):
        return "".join(c.text or "" for c in answer.choices if (c.index or 0) == choice)
    return "".join(block.text or "" for block in _blocks(answer, choice))


def reasoning_of(answer: Answer, choice: int = 0) -> str:
    """The reasoning text, when the model shows it."""
    return "".join(block.thinking.text or "" for block in _blocks(answer, choice) if block.thinking is not None)


def refusal_of(answer: Answer, choice: int = 0) -> str:
    """The model's words of refusal."""
    return "".join(block.refusal or "" for block in _blocks(answer, choice))


def tool_calls_of(answer: ChatResponse | Message, choice: int = 0) -> list[ToolUseBlock]:
    """The tools a whole answer asks for; `arguments` is JSON text as the model wrote it."""
    blocks = _blocks(answer, choice)
    return [block.tool_use for block in blocks if isinstance(block, Block) and block.tool_use is not None]


def tool_deltas_of(chunk: ChatChunk, choice: int = 0) -> list[ToolDelta]:
    """The fragments of tool calls in a chunk; append `arguments` of equal `index`."""
    return [block.tool for block in _blocks(chunk, choice) if isinstance(block, BlockDelta) and block.tool is not None]


def finish_reason_of(answer: ChatResponse | ChatChunk | CompletionResponse, choice: int = 0) -> str | None:
    """Why the choice ended: stop, length, tool_calls, content_filter; None in a chunk before the last."""
    return next((c.finish_reason for c in answer.choices if (c.index or 0) == choice and c.finish_reason), None)


def vectors_of(reply: EmbeddingResponse) -> list[list[float]]:
    """The vectors in the order of the inputs, whichever `encoding_format` they came in."""
    by_index = sorted(reply.data, key=lambda item: item.index or 0)
    return [_unpacked(item.packed) if item.packed is not None else list(item.values) for item in by_index]


def _unpacked(packed: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _blocks(answer: Answer, choice: int) -> Iterator[Block | BlockDelta]:
    if isinstance(answer, Message):
        yield from answer.blocks
    elif isinstance(answer, ChatResponse):
        for whole in answer.choices:
            if (whole.index or 0) == choice and whole.message is not None:
                yield from whole.message.blocks
    elif isinstance(answer, ChatChunk):
        for part in answer.choices:
            if (part.index or 0) == choice and part.delta is not None:
                yield from part.delta.blocks
