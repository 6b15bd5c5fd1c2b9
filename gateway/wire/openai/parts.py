"""Content parts: the elements of a `content` array, one block each.

Rules:
- A part whose type or main member is not what its type promises becomes an opaque block: kept, not understood.
- A data: URI becomes bytes and media type when that gives the same text back; otherwise it stays a URL.
- A block of another dialect is written as the nearest OpenAI part; a block with no such part is left out.

Not here: what stands beside `content` (messages.py).
"""

from collections.abc import Sequence
from typing import Any, Final

from gateway.wire.json import text
from gateway.wire.openai.base64text import data_uri, guessed_media_type, packed_bytes, packed_text, split_data_uri
from gateway.wire.openai.fields import as_is, base64, integer, is_text, json_text, record, string
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, kept_value
from gateway.wire.pb import types_pb2

DIALECT: Final = "openai"


def _read_url(image: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    if (found := split_data_uri(value)) is None:
        image.url = value
    else:
        image.media_type, image.data = found
    return True


def _read_file_data(file: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    if (found := split_data_uri(value)) is not None:
        file.media_type, file.data = found
    elif (data := packed_bytes(value)) is not None:
        file.data = data
    else:
        file.url = value
    return True


def _read_nothing(_message: Any, _value: Any) -> bool:
    """The OpenAI format has no such member; other dialects fill the field."""
    return False


class _Media(Mirror):
    """An object that holds bytes together with their media type, as one data: URI."""

    def __init__(self, message_class: Any, fields: Sequence[Field], member: str) -> None:
        super().__init__(message_class, fields)
        self._member = member

    def encode(self, message: Any) -> JsonObject:
        out = super().encode(message)
        if type(data := out.get(self._member)) is bytes:
            out[self._member] = self._text(message, data)
        return out

    def _text(self, message: Any, data: bytes) -> str:
        if message.HasField("media_type"):
            return data_uri(message.media_type, data)
        return data_uri(guessed_media_type(data), data) if self._member == "url" else packed_text(data)


IMAGE = _Media(
    types_pb2.ImageBlock,
    [
        Field("url", _read_url, {"url": as_is("url"), "data": as_is("url")}),
        Field("file_id", _read_nothing, {"file_id": as_is("file_id")}),
        string("detail"),
    ],
    "url",
)
FILE = _Media(
    types_pb2.FileBlock,
    [
        Field("file_data", _read_file_data, {"data": as_is("file_data"), "url": as_is("file_data")}),
        string("file_id"),
        string("filename"),
    ],
    "file_data",
)
AUDIO_INPUT = Mirror(types_pb2.AudioBlock, [base64("data"), string("format")])
AUDIO_ANSWER = Mirror(types_pb2.AudioBlock, [string("id"), base64("data"), integer("expires_at"), string("transcript")])


def _read_image(block: Any, value: Any) -> bool:
    if type(value) is str:
        if not is_text(value):
            return False
        block.image.is_bare = True
        return _read_url(block.image, value)
    return record("image", IMAGE).read(block, value)


def _write_image(out: JsonObject, image: types_pb2.ImageBlock) -> None:
    written = IMAGE.encode(image)
    out["image_url"] = written.get("url", "") if image.is_bare else written


def _constant(name: str, expected: str) -> Field:
    return Field(name, lambda _block, value: bool(value == expected), {})


def _renamed(field: Field, name: str) -> Field:
    """The nested object `field` under the member name of its part."""
    (proto,) = field.writers

    def write(out: JsonObject, value: Any) -> None:
        inner: JsonObject = {}
        field.writers[proto](inner, value)
        out[name] = inner[field.name]

    return field._replace(name=name, writers={proto: write})


def _part(kind: str, *fields: Field) -> Mirror:
    return Mirror(types_pb2.Block, [_constant("type", kind), json_text("cache_control"), *fields])


_KINDS = {  # type of the part -> kind of the block
    "text": "text",
    "refusal": "refusal",
    "image_url": "image",
    "input_audio": "audio",
    "file": "file",
}
_TYPES = {kind: type_ for type_, kind in _KINDS.items()}
PARTS: Final = {  # kind of the block -> its table
    "text": _part("text", string("text"), json_text("citations")),
    "refusal": _part("refusal", string("refusal")),
    "image": _part("image_url", Field("image_url", _read_image, {"image": _write_image})),
    "audio": _part("input_audio", _renamed(record("audio", AUDIO_INPUT), "input_audio")),
    "file": _part("file", record("file", FILE)),
}


def read_part(part: Any, block: Any) -> None:
    """Read one element of a content array (any JSON value) into an empty block."""
    if type(part) is dict and type(type_ := part.get("type")) is str and (kind := _KINDS.get(type_)):
        PARTS[kind].decode(part, block)
        if block.WhichOneof("kind") == kind:
            return
        block.Clear()
    block.opaque.dialect = DIALECT
    block.opaque.json = text(part)


def write_part(block: types_pb2.Block) -> list[Any]:
    """Return the element of a content array a block stands for: one, or none if OpenAI has no such part."""
    kind = block.WhichOneof("kind")
    if kind in PARTS:
        return [{"type": _TYPES[kind]} | PARTS[kind].encode(block)]
    if kind == "opaque" and block.opaque.dialect in ("", DIALECT):
        return [kept_value(block.opaque.json, "opaque block")]
    return _document_part(block.document) if kind == "document" else []


def _document_part(document: types_pb2.DocumentBlock) -> list[Any]:
    source = document.WhichOneof("source")
    if source == "text":
        return [{"type": "text", "text": document.text}]
    if source == "data":
        media_type = document.media_type or guessed_media_type(document.data)
        file = {"file_data": data_uri(media_type, document.data)}
    elif source == "url":
        file = {"file_data": document.url}
    elif source == "file_id":
        file = {"file_id": document.file_id}
    else:
        return []
    return [{"type": "file", "file": file | ({"filename": document.title} if document.title else {})}]
