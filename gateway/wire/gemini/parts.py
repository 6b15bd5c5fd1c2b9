"""Parts: the elements of a content's `parts`, one block each.

Rules:
- A part holds one of text, inlineData, fileData, functionCall, functionResponse; any other becomes an opaque block.
- Inline images, audio and the rest become image, audio and file blocks by their media type; bytes stay bytes.
- A text part with `thought: true` is a thinking block; thoughtSignature is its signature. On other parts it stays in
  the block's `extra`, to be given back.
- The answer of a tool is text: `{"output": "..."}` is that text, any other object its JSON.

Not here: ids of calls that have none (contents.py), blocks of other dialects (translate.py).
"""

from typing import Any, Final

from gateway.wire.gemini.groups import Group, Table, is_text, record, string
from gateway.wire.json import JsonInvalid, loads, text
from gateway.wire.openai.base64text import guessed_media_type, lenient_bytes, packed_bytes, packed_text
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import types_pb2

DIALECT: Final = "gemini"
_DATA = {"text", "inlineData", "inline_data", "fileData", "file_data", "functionCall", "function_call",
         "functionResponse", "function_response"}  # fmt: skip
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mp3", "aac": "audio/aac", "flac": "audio/flac", "ogg": "audio/ogg",
          "aiff": "audio/aiff", "pcm16": "audio/pcm", "opus": "audio/opus"}  # fmt: skip
_FORMATS = {media_type: name for name, media_type in _AUDIO.items()} | {
    "audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/L16": "pcm16",
}  # fmt: skip


def audio_media_type(format_: str) -> str:
    """The media type of an OpenAI audio format."""
    return _AUDIO.get(format_, f"audio/{format_}" if format_ else "audio/wav")


# --- inlineData and fileData


def _read_data(media: Any, said: JsonObject) -> bool:
    if type(value := said.get("data")) is not str:
        return False
    data = packed_bytes(value)
    if data is None and (held := lenient_bytes(value.translate({45: 43, 95: 47}))) is not None:
        media.data = held  # protobuf's JSON also takes the URL-safe alphabet, and no padding
        return False
    if data is None:
        return False
    media.data = data
    return True


def _write_data(media: Any, out: JsonObject) -> None:
    out["data"] = packed_text(media.data)


def _read_audio_type(audio: Any, said: JsonObject) -> None:
    if is_text(value := said.get("mimeType")):
        audio.format = _FORMATS.get(value.split(";")[0], value.split(";")[0].removeprefix("audio/"))


def _write_audio_type(audio: Any, out: JsonObject) -> None:
    out["mimeType"] = audio_media_type(audio.format)


_BYTES = Group(("data",), _read_data, _write_data, has_default=True)
_MEDIA_TYPE = string("mimeType", "media_type")
_URI = string("fileUri", "url")
_INLINE = {
    "image": Table([_MEDIA_TYPE, _BYTES]),
    "audio": Table([Group(("mimeType",), _read_audio_type, _write_audio_type, has_default=True), _BYTES]),
    "file": Table([_MEDIA_TYPE, _BYTES, string("displayName", "filename")]),
}
_LINKED = {
    "image": Table([_MEDIA_TYPE, _URI]),
    "file": Table([_MEDIA_TYPE, _URI, string("displayName", "filename")]),
}


def _kind_of(media: JsonObject) -> str:
    media_type = media.get("mimeType", media.get("mime_type"))
    kind = media_type.split("/")[0] if type(media_type) is str else ""
    return kind if kind in ("image", "audio") else "file"


def _read_inline(block: Any, said: JsonObject) -> bool:
    if type(value := said.get("inlineData")) is not dict or type(value.get("data")) is not str:
        return False
    kind = _kind_of(value)
    media = getattr(block, kind)
    media.SetInParent()
    _INLINE[kind].decode(value, media)
    if not media.HasField("data"):
        block.ClearField(kind)
        return False
    if kind == "file" and "mimeType" not in value and not media.extra:
        media.nulls.append("mimeType")  # not to be guessed when it is written back
    return True


def _read_linked(block: Any, said: JsonObject) -> bool:
    if type(value := said.get("fileData")) is not dict:
        return False
    kind = "image" if _kind_of(value) == "image" else "file"
    media = getattr(block, kind)
    media.SetInParent()
    _LINKED[kind].decode(value, media)
    return True


def _is_inline(block: Any, kind: str) -> bool:
    return kind == "audio" or bool(getattr(block, kind).HasField("data"))


def _write_inline(block: Any, out: JsonObject) -> None:
    kind = block.WhichOneof("kind")
    if kind in _INLINE and _is_inline(block, kind):
        media = _INLINE[kind].encode(getattr(block, kind))
        if "mimeType" not in media and not getattr(block, kind).nulls and not getattr(block, kind).extra:
            media["mimeType"] = guessed_media_type(getattr(block, kind).data)
        out["inlineData"] = media


def _write_linked(block: Any, out: JsonObject) -> None:
    kind = block.WhichOneof("kind")
    if kind in _LINKED and not _is_inline(block, kind):
        out["fileData"] = _LINKED[kind].encode(getattr(block, kind))


# --- text and thoughts


def _read_text(block: Any, said: JsonObject) -> None:
    if not is_text(value := said.get("text")):
        return
    if said.get("thought") is True:
        block.thinking.text = value
    else:
        block.text = value


def _write_text(block: Any, out: JsonObject) -> None:
    kind = block.WhichOneof("kind")
    if kind == "thinking":
        out["text"] = block.thinking.text
        out["thought"] = True
    elif kind in ("text", "refusal"):
        out["text"] = block.text or block.refusal


def _read_signature(block: Any, said: JsonObject) -> None:
    if block.HasField("thinking") and is_text(value := said.get("thoughtSignature")):
        block.thinking.signature = value


def _write_signature(block: Any, out: JsonObject) -> None:
    if block.HasField("thinking") and block.thinking.HasField("signature"):
        out["thoughtSignature"] = block.thinking.signature


# --- calls of tools and their answers


def _read_args(call: Any, said: JsonObject) -> bool:
    is_object = type(args := said.get("args")) is dict
    call.arguments = text(args) if is_object else "{}"
    return is_object


def _write_args(call: Any, out: JsonObject) -> None:
    if call.HasField("arguments"):
        out["args"] = arguments_object(call.arguments)


def arguments_object(arguments: str) -> JsonObject:
    """The arguments of a call as an object; text that is none is kept as the member `arguments`."""
    try:
        value = loads((arguments or "{}").encode(), depth_max=900)
    except JsonInvalid:
        return {"arguments": arguments}
    return value if type(value) is dict else {"arguments": value}


def call_signature(extra: str) -> str | None:
    """The thought signature in the `extra` of an OpenAI call, where Google's own OpenAI endpoint has it."""
    value: Any = loads(extra.encode(), depth_max=900) if "thought_signature" in extra else None
    for name in ("extra_content", "google", "thought_signature"):
        value = value.get(name) if type(value) is dict else None
    return value if is_text(value) else None


CALL = Table([string("id", "id"), string("name", "name"), Group(("args",), _read_args, _write_args, has_default=True)])


def _read_response(result: Any, said: JsonObject) -> None:
    if "response" not in said:
        return
    response = said["response"]
    is_output = type(response) is dict and response.keys() == {"output"} and is_text(response["output"])
    result.blocks.add().text = response["output"] if is_output else text(response)
    if type(response) is dict and "error" in response and len(response) == 1:
        result.is_error = True


def _write_response(result: Any, out: JsonObject) -> None:
    if result.blocks or not result.extra:
        out["response"] = response_object(result)


def response_object(result: types_pb2.ToolResultBlock) -> JsonObject:
    """The answer of a tool as an object: its JSON, or its text as `output` (`error` for a failure)."""
    said = "\n".join(block.text or block.document.text for block in result.blocks if _is_readable(block))
    try:
        value = loads(said.encode(), depth_max=900)
    except JsonInvalid:
        value = None
    if type(value) is dict and (not result.is_error or value.keys() == {"error"}):
        return value
    return {"error" if result.is_error else "output": said}


def _is_readable(block: types_pb2.Block) -> bool:
    return block.HasField("text") or (block.HasField("document") and block.document.HasField("text"))


RESULT = Table([string("id", "tool_use_id"), Group(("response",), _read_response, _write_response, has_default=True)])
"""A functionResponse; its `name` has no typed field and stands in `extra`."""


PART = Table(
    [
        Group(("text", "thought"), _read_text, _write_text),
        Group(("thoughtSignature",), _read_signature, _write_signature),
        Group(("inlineData",), _read_inline, _write_inline),
        Group(("fileData",), _read_linked, _write_linked),
        record("functionCall", "tool_use", CALL),
        record("functionResponse", "tool_result", RESULT),
    ]
)


def read_part(part: Any, block: Any) -> None:
    """Read one element of `parts` (any JSON value) into an empty block."""
    if type(part) is dict:
        if len(part) == 1 and is_text(said := part.get("text")):
            block.text = said
            return
        if len(_DATA & part.keys()) == 1:
            PART.decode(part, block)
            if block.WhichOneof("kind"):
                return
            block.Clear()
    block.opaque.dialect = DIALECT
    block.opaque.json = text(part)


def write_part(block: types_pb2.Block) -> Any:
    """Return the part of a block; an empty object for one Gemini has no part for."""
    kind = block.WhichOneof("kind")
    if kind == "text" and not block.extra and not block.nulls:
        return {"text": block.text}
    if kind == "opaque":
        return kept_value(block.opaque.json, "opaque block")
    return PART.encode(block)
