"""One look over a request: its size in tokens, what the model must be able to do, and messages without content.

Rules:
    - One walk over messages and blocks, so that long conversations are read once.
    - Sizes are estimates (quota.estimate); needs name the member that has them.
Not here:
    - Ranges of single members (pipeline.ranges); whether the model can do it (pipeline.needs).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.quota.estimate import MEDIA_TOKENS, MESSAGE_TOKENS, output_tokens, tokens_of_text
from gateway.wire import json
from gateway.wire.foreign import first_of
from gateway.wire.pb import chat_pb2, completions_pb2, embeddings_pb2, types_pb2

_NO_CONTENT = (types_pb2.CONTENT_FORM_ABSENT, types_pb2.CONTENT_FORM_NULL)
_NEEDS_CONTENT = frozenset(("user", "system", "developer"))
_MEDIA = frozenset(("image", "audio", "file", "document"))
_CAPABILITY = {"image": "vision", "audio": "audio"}

Need = tuple[str, str]  # capability, member that needs it


class Shape(NamedTuple):
    """What one look tells. Tokens are estimates; `needs` in the order in which they were found."""

    prompt_tokens: int
    output_tokens: int
    needs: tuple[Need, ...]


NO_SHAPE = Shape(0, 0, ())


def survey(request: Message) -> Shape:
    """Look over a request. Raises GatewayError INVALID_REQUEST for a message without role or content."""
    if isinstance(request, chat_pb2.ChatRequest):
        return _chat(request)
    if isinstance(request, completions_pb2.CompletionRequest):
        return Shape(_input_tokens(request.prompt), output_tokens(request), (("completion", "model"),))
    if isinstance(request, embeddings_pb2.EmbeddingRequest):
        return Shape(_input_tokens(request.input), 0, (("embedding", "model"),))
    return NO_SHAPE


def _chat(request: chat_pb2.ChatRequest) -> Shape:
    needs: list[Need] = [("chat", "model")]
    tokens = 0
    for at, message in enumerate(request.messages[:], first_of(request)):  # [:]: a list, which costs less to walk
        _check_message(at, message)
        tokens += MESSAGE_TOKENS
        for place, block in enumerate(message.blocks[:]):
            text = block.text
            if text:
                tokens += tokens_of_text(len(text))
            else:
                tokens += _other(block, at, place, needs)
    if request.tools:
        needs.append(("function_calling", "tools"))
        tokens += sum(_tool_tokens(tool.function) for tool in request.tools)
    if request.HasField("response_format") and request.response_format.type in ("json_object", "json_schema"):
        is_schema = request.response_format.type == "json_schema"
        needs.append(("json_schema" if is_schema else "json_mode", "response_format"))
    if request.modalities and "audio" in request.modalities:
        needs.append(("audio", "modalities"))
    return Shape(tokens, output_tokens(request), tuple(needs))


def _other(block: types_pb2.Block, at: int, place: int, needs: list[Need]) -> int:
    """Tokens of a block that is no text; notes what it needs."""
    kind = block.WhichOneof("kind")
    if kind == "tool_use":
        return tokens_of_text(len(block.tool_use.arguments) + len(block.tool_use.name))
    if kind == "tool_result":
        inside = block.tool_result.blocks
        return sum(_other(inner, at, place, needs) + tokens_of_text(len(inner.text)) for inner in inside)
    if kind not in _MEDIA:
        return 0
    if kind in _CAPABILITY and not block.is_beside_content:
        needs.append((_CAPABILITY[kind], f"messages[{at}].content[{place}]"))
    return MEDIA_TOKENS


def _tool_tokens(function: types_pb2.FunctionTool) -> int:
    return tokens_of_text(len(function.parameters_json) + len(function.description))


def _check_message(at: int, message: types_pb2.Message) -> None:
    role, extra = message.role, message.extra
    if not role:
        text = f"`messages[{at}].role` must be a string such as `user`."
        raise _wrong(f"messages[{at}].role", text, "missing_required_parameter")
    is_empty = role in _NEEDS_CONTENT and message.content_form in _NO_CONTENT
    if is_empty or extra:
        _check_content(at, extra, is_empty=is_empty)


def _check_content(at: int, extra: str, *, is_empty: bool) -> None:
    others: dict[str, Any] = json.loads(extra.encode()) if '"content"' in extra else {}
    content = others.get("content")
    is_wrong = content is not None and not isinstance(content, str | list)
    if is_wrong or (is_empty and content is None):
        text = f"`messages[{at}].content` must be a string or a list of parts."
        raise _wrong(f"messages[{at}].content", text, None if is_wrong else "missing_required_parameter")


def _input_tokens(text_input: types_pb2.TextInput) -> int:
    texts = sum(tokens_of_text(len(text)) for text in text_input.texts)
    return texts + sum(len(sequence.ids) for sequence in text_input.tokens)


def _wrong(param: str, message: str, code: str | None) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, message, param=param, code=code)
