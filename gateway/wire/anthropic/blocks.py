"""Content blocks: text, images, documents, tool calls and their results, thinking.

Rules:
- A block whose type is unknown, or whose main member is not what its type promises, becomes an opaque block.
- `extra` and `nulls` of a block are those of the block's object; those of a `source` stand in the image or document.
- Arguments that are no JSON (a model of another dialect wrote them) are sent as `{"arguments": text}`.

Not here: which turn a block belongs to (chat.py), blocks this format lacks (mapping.py).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from gateway.wire.anthropic import DIALECT
from gateway.wire.json import JsonInvalid, loads, text
from gateway.wire.openai.fields import as_is, base64, boolean, is_text, json_text, string
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, add_kept, kept_value
from gateway.wire.pb import types_pb2

UNSPECIFIED: Final = types_pb2.CONTENT_FORM_UNSPECIFIED
ABSENT: Final = types_pb2.CONTENT_FORM_ABSENT
NULL: Final = types_pb2.CONTENT_FORM_NULL
STRING: Final = types_pb2.CONTENT_FORM_STRING
ARRAY: Final = types_pb2.CONTENT_FORM_ARRAY
_DEPTH_MAX = 900
_CACHE = "cache_control"

# `type` is looked at before a table is used, and written by whoever chose the table.
_TYPE = Field("type", lambda _message, _value: True, {})


def renamed(field: Field, name: str, proto: str) -> Field:
    """The plain field `proto`, read and written under another member name."""
    return Field(name, field.read, {proto: as_is(name)})


class Source(NamedTuple):
    """One type of `source`: the proto field it fills, and its table."""

    proto: str
    mirror: Mirror


def _sources(message_class: Any, **fields: tuple[str, tuple[Field, ...]]) -> dict[str, Source]:
    return {name: Source(proto, Mirror(message_class, [_TYPE, *table])) for name, (proto, table) in fields.items()}


_MEDIA_TYPE = string("media_type")
IMAGE_SOURCES: Final = _sources(
    types_pb2.ImageBlock,
    base64=("data", (base64("data"), _MEDIA_TYPE)),
    url=("url", (string("url"),)),
    file=("file_id", (string("file_id"),)),
)
DOCUMENT_SOURCES: Final = _sources(
    types_pb2.DocumentBlock,
    base64=("data", (base64("data"), _MEDIA_TYPE)),
    text=("text", (renamed(string("text"), "data", "text"), _MEDIA_TYPE)),
    url=("url", (string("url"),)),
    file=("file_id", (string("file_id"),)),
    content=("content_json", (json_text("content"),)),
)


def _read_source(sources: dict[str, Source], media: Any, value: Any) -> bool:
    type_ = value.get("type") if type(value) is dict else None
    if type(type_) is not str or (source := sources.get(type_)) is None:
        return False
    source.mirror.decode(value, media)
    return bool(media.WhichOneof("source") == source.proto)


def _write_source(sources: dict[str, Source], media: Any) -> JsonObject:
    proto = media.WhichOneof("source")
    name, source = next((name, source) for name, source in sources.items() if source.proto == proto)
    return {"type": name, **source.mirror.encode(media)}


def _read_input(call: Any, value: Any) -> bool:
    call.arguments = text(value)
    return True


def _write_input(out: JsonObject, arguments: str) -> None:
    out["input"] = input_of(arguments)


def input_of(arguments: str) -> Any:
    """The `input` that a tool call's arguments stand for."""
    try:
        return loads(arguments.encode(), depth_max=_DEPTH_MAX) if arguments else {}
    except JsonInvalid:
        return {"arguments": arguments}


def _read_redacted(thinking: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    thinking.redacted = value.encode()
    return True


def _write_redacted(out: JsonObject, value: bytes) -> None:
    out["data"] = value.decode("utf-8", "replace")


def _read_null_content(holder: Any, _null: Any) -> bool:
    holder.content_form = NULL
    return True


def read_content(holder: Any, value: Any) -> bool:
    """Read a member `content` (or `system`) into a Message or a ToolResultBlock."""
    if type(value) is str:
        if not is_text(value):
            return False
        holder.blocks.add().text = value
        holder.content_form = STRING
    elif type(value) is list:
        for part in value:
            read_block(part, holder.blocks.add())
        holder.content_form = ARRAY
    else:
        return False
    return True


CONTENT: Final = Field("content", read_content, {}, _read_null_content)
_TEXT = Mirror(types_pb2.Block, [_TYPE, string("text"), json_text("citations"), json_text(_CACHE)])
_IMAGE = Mirror(
    types_pb2.ImageBlock, [_TYPE, Field("source", lambda image, value: _read_source(IMAGE_SOURCES, image, value), {})]
)
_CITATIONS = json_text("citations_config")
_DOCUMENT = Mirror(
    types_pb2.DocumentBlock,
    [
        _TYPE,
        Field("source", lambda document, value: _read_source(DOCUMENT_SOURCES, document, value), {}),
        string("title"),
        string("context"),
        _CITATIONS._replace(name="citations"),
    ],
)
_TOOL_USE = Mirror(
    types_pb2.ToolUseBlock,
    [_TYPE, string("id"), string("name"), Field("input", _read_input, {"arguments": _write_input})],
)
_TOOL_RESULT = Mirror(types_pb2.ToolResultBlock, [_TYPE, string("tool_use_id"), CONTENT, boolean("is_error")])
_THINKING = Mirror(types_pb2.ThinkingBlock, [_TYPE, renamed(string("text"), "thinking", "text"), string("signature")])
_REDACTED = Mirror(types_pb2.ThinkingBlock, [_TYPE, Field("data", _read_redacted, {"redacted": _write_redacted})])

_INNER = {  # type of the block -> kind of the block, table of what the kind holds
    "image": ("image", _IMAGE),
    "document": ("document", _DOCUMENT),
    "tool_use": ("tool_use", _TOOL_USE),
    "tool_result": ("tool_result", _TOOL_RESULT),
    "thinking": ("thinking", _THINKING),
    "redacted_thinking": ("thinking", _REDACTED),
}


def read_block(part: Any, block: Any) -> None:
    """Read one element of a content array (any JSON value) into an empty block."""
    type_ = part.get("type") if type(part) is dict else None
    if type_ == "text":
        _TEXT.decode(part, block)
    elif type(type_) is str and type_ in _INNER:
        _read_inner(*_INNER[type_], part, block)
    if not _has_main(type_, block):
        block.Clear()
        block.opaque.dialect = DIALECT
        block.opaque.json = text(part)


def _read_inner(kind: str, mirror: Mirror, part: JsonObject, block: Any) -> None:
    inner = getattr(block, kind)
    inner.SetInParent()
    if kind == "tool_result":
        inner.content_form = ABSENT
    if (marker := part.get(_CACHE)) is not None:
        block.cache_control_json = text(marker)
        part = {name: value for name, value in part.items() if name != _CACHE}
    mirror.decode(part, inner, block)


def _has_main(type_: Any, block: types_pb2.Block) -> bool:
    """Whether the block holds what its type promises."""
    kind = block.WhichOneof("kind")
    if kind in ("image", "document"):
        return getattr(block, kind).WhichOneof("source") is not None
    if kind == "thinking":
        return block.thinking.HasField("redacted" if type_ == "redacted_thinking" else "text")
    return kind is not None


def write_block(block: types_pb2.Block) -> list[Any]:
    """Return the element of a content array a block stands for: one, or none if this format has no such block."""
    kind = block.WhichOneof("kind")
    if kind == "text":
        return [{"type": "text", **_TEXT.encode(block)}]
    if kind == "opaque":
        return [kept_value(block.opaque.json, "opaque block")] if block.opaque.dialect == DIALECT else []
    if (write := _WRITERS.get(kind or "")) is None:
        return []
    out = write(getattr(block, kind or ""))
    if block.HasField("cache_control_json"):
        out[_CACHE] = kept_value(block.cache_control_json, "cache_control_json")
    add_kept(out, block.nulls, block.extra)
    return [out]


def _write_image(image: types_pb2.ImageBlock) -> JsonObject:
    return {"type": "image", "source": _write_source(IMAGE_SOURCES, image)}


def _write_document(document: types_pb2.DocumentBlock) -> JsonObject:
    out: JsonObject = {"type": "document", "source": _write_source(DOCUMENT_SOURCES, document)}
    for name in ("title", "context"):
        if document.HasField(name):
            out[name] = getattr(document, name)
    if document.HasField("citations_config_json"):
        out["citations"] = kept_value(document.citations_config_json, "citations_config_json")
    return out


def _write_thinking(thinking: types_pb2.ThinkingBlock) -> JsonObject:
    if thinking.HasField("redacted"):
        return {"type": "redacted_thinking", **_REDACTED.encode(thinking)}
    return {"type": "thinking", **_THINKING.encode(thinking)}


def _write_result(result: types_pb2.ToolResultBlock) -> JsonObject:
    out: JsonObject = {"type": "tool_result", **_TOOL_RESULT.encode(result)}
    write_content(out, result.blocks, result.content_form)
    return out


def _write_call(call: types_pb2.ToolUseBlock) -> JsonObject:
    return {"type": "tool_use", **_TOOL_USE.encode(call)}


_WRITERS: Final[dict[str, Callable[[Any], JsonObject]]] = {
    "image": _write_image,
    "document": _write_document,
    "tool_use": _write_call,
    "tool_result": _write_result,
    "thinking": _write_thinking,
}


def write_content(out: JsonObject, blocks: Sequence[types_pb2.Block], form: int, name: str = "content") -> None:
    """Write `content` (or `system`) in the given form, or in the one that suits the blocks."""
    if form == UNSPECIFIED:
        form = _suitable_form(blocks)
    if form == STRING:
        out[name] = "".join(block.text for block in blocks)
    elif form == ARRAY:
        out[name] = [part for block in blocks for part in write_block(block)]
    elif form == NULL:
        out[name] = None


def _suitable_form(blocks: Sequence[types_pb2.Block]) -> int:
    if not blocks:
        return ABSENT
    is_plain = len(blocks) == 1 and blocks[0].HasField("text")
    return STRING if is_plain and not blocks[0].HasField("cache_control_json") else ARRAY
