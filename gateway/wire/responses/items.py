"""The member `input`: a text, or items, as turns of a conversation.

Rules:
- What the model said in a row (messages, reasoning, calls) is one turn of role assistant; each output of a tool is a
  turn of role tool.
- The proof of a reasoning item (`encrypted_content`) is the signature of its thinking, marked as whose it is
  (proof.py).
- A turn of role system has an `extra`: the one without is `instructions`.
- An item or part nobody knows becomes an opaque block: it is named as unsupported where it cannot be kept.

Not here: the other members of a request (request.py).
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.wire.json import text
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import EMPTY, JsonObject
from gateway.wire.openai.parts import read_part
from gateway.wire.pb import types_pb2
from gateway.wire.proof import signature_of
from gateway.wire.responses import DIALECT
from gateway.wire.responses.namespaces import flat_name

Blocks = list[types_pb2.Block]
_STRING = types_pb2.CONTENT_FORM_STRING
_ARRAY = types_pb2.CONTENT_FORM_ARRAY
_ABSENT = types_pb2.CONTENT_FORM_ABSENT
_TEXTS: Final = frozenset(("input_text", "output_text", "text", "summary_text", "reasoning_text"))


def read_input(value: str | list[Any]) -> list[types_pb2.Message]:
    """The turns an input stands for."""
    if isinstance(value, str):
        block = types_pb2.Block(text=value)
        return [types_pb2.Message(role="user", content_form=_STRING, blocks=[block])]
    turns: list[types_pb2.Message] = []
    for item in value:
        _add_item(turns, item)
    return turns


def _add_item(turns: list[types_pb2.Message], item: Any) -> None:
    kind = _type_of(item)
    if kind == "message" and item.get("role") != "assistant":
        turns.append(_message(item))
    elif kind in ("function_call_output", "custom_tool_call_output"):
        turns.append(types_pb2.Message(role="tool", blocks=[_result(item)]))
    else:
        if not turns or turns[-1].role != "assistant":
            turns.append(types_pb2.Message(role="assistant"))
        turns[-1].blocks.extend(_SAID.get(kind, _opaque)(item))


def _type_of(item: Any) -> str:
    """The type of an item; one without a type is a message."""
    if type(item) is not dict:
        return ""
    kind = item.get("type", "message")
    return kind if type(kind) is str else ""


def _message(item: JsonObject) -> types_pb2.Message:
    turn = types_pb2.Message(content_form=_ABSENT)
    if is_text(item.get("role")):
        turn.role = item["role"]
    if turn.role == "system":
        turn.extra = EMPTY  # it is no `instructions`
    content = item.get("content")
    turn.blocks.extend(read_parts(content))
    if type(content) is str:
        turn.content_form = _STRING
    elif type(content) is list:
        turn.content_form = _ARRAY
    return turn


def _answer(item: JsonObject) -> Blocks:
    return read_parts(item.get("content"))


def _call(item: JsonObject) -> Blocks:
    is_custom = item.get("type") == "custom_tool_call"
    block = types_pb2.Block()
    call = block.tool_use
    call.type = "custom" if is_custom else "function"
    members = {"id": "call_id", "name": "name", "arguments": "input" if is_custom else "arguments"}
    for field, member in members.items():
        if is_text(item.get(member)):
            setattr(call, field, item[member])
    if is_text(namespace := item.get("namespace")) and namespace:
        call.name = flat_name(namespace, call.name)
    return [block]


def _result(item: JsonObject) -> types_pb2.Block:
    block = types_pb2.Block()
    result = block.tool_result
    if is_text(item.get("call_id")):
        result.tool_use_id = item["call_id"]
    result.blocks.extend(read_parts(item.get("output")))
    return block


def _reasoning(item: JsonObject) -> Blocks:
    block = types_pb2.Block()
    thinking = block.thinking
    content = item.get("content") or item.get("summary")
    thinking.text = "\n\n".join(part.text for part in read_parts(content))
    if is_text(encrypted := item.get("encrypted_content")) and encrypted:
        thinking.signature = signature_of(item["id"] if is_text(item.get("id")) else "", encrypted)
    return [block]


def _opaque(item: Any) -> Blocks:
    return [types_pb2.Block(opaque=types_pb2.OpaqueBlock(dialect=DIALECT, json=text(item)))]


_SAID: Final[dict[str, Callable[[Any], Blocks]]] = {
    "message": _answer,
    "function_call": _call,
    "custom_tool_call": _call,
    "reasoning": _reasoning,
}


def read_parts(content: Any) -> Blocks:
    """The blocks of a `content`, a `summary` or an `output`: a text, or parts; none for anything else."""
    if is_text(content):
        return [types_pb2.Block(text=content)]
    return [_part(part) for part in content] if type(content) is list else []


def _part(part: Any) -> types_pb2.Block:
    kind = part.get("type") if type(part) is dict else None
    if kind in _TEXTS and is_text(part.get("text")):
        return types_pb2.Block(text=part["text"])
    if kind == "refusal" and is_text(part.get("refusal")):
        return types_pb2.Block(refusal=part["refusal"])
    if kind == "input_image" and (block := _image(part)) is not None:
        return block
    if kind == "input_file" and (block := _file(part)) is not None:
        return block
    if kind == "input_audio" and type(part.get("input_audio")) is dict:
        return _as_chat({"type": kind, "input_audio": part["input_audio"]})
    return _opaque(part)[0]


def _image(part: JsonObject) -> types_pb2.Block | None:
    detail = part.get("detail")
    if is_text(url := part.get("image_url")):
        image = {"url": url, "detail": detail} if is_text(detail) else {"url": url}
        return _as_chat({"type": "image_url", "image_url": image})
    if is_text(file_id := part.get("file_id")):
        return types_pb2.Block(image=types_pb2.ImageBlock(file_id=file_id))
    return None


def _file(part: JsonObject) -> types_pb2.Block | None:
    if is_text(url := part.get("file_url")):
        return types_pb2.Block(file=types_pb2.FileBlock(url=url))
    members = ("file_data", "file_id", "filename")
    file = {name: part[name] for name in members if is_text(part.get(name))}
    return _as_chat({"type": "file", "file": file}) if file else None


def _as_chat(part: JsonObject) -> types_pb2.Block:
    """The block of the part of a chat that says the same."""
    block = types_pb2.Block()
    read_part(part, block)
    return block
