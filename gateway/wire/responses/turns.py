"""A conversation of any dialect as items of `input`.

Rules:
- Turns of role user, system and developer are messages; of the assistant, its words, calls and reasoning are an item
  each, in their order; each answer of a tool is an item.
- Reasoning is given back only with OpenAI's own proof (proof.py); any other is left out.
- Nothing is fetched: links stay links.

Not here: the settings of a request (mapping.py), reading items (items.py).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.wire.json import loads
from gateway.wire.openai.base64text import data_uri, guessed_media_type, packed_text
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.openai.tools import FUNCTION_CALL
from gateway.wire.pb import types_pb2
from gateway.wire.proof import unpacked
from gateway.wire.responses import DIALECT

FILENAME: Final = "document"
_DEPTH_MAX = 1000


class Turns:
    """A conversation on its way. Paths of blocks without a place here are appended to `unsupported`.

    `has_ids`: ids of images and documents in it name files at OpenAI.
    """

    def __init__(self, unsupported: list[str], *, has_ids: bool = True) -> None:
        self._has_ids = has_ids
        self._unsupported = unsupported
        self._custom: set[str] = set()  # ids of calls of custom tools
        self._call_id = ""

    def items(self, messages: Iterable[types_pb2.Message], first: int = 0) -> list[JsonObject]:
        """The items for some messages; `first` is the number of the first in the paths."""
        return [
            item for at, message in enumerate(messages, first) for item in self._message(message, f"messages[{at}]")
        ]

    def _message(self, message: types_pb2.Message, path: str) -> list[JsonObject]:
        where = f"{path}.content"
        if message.role == "assistant":
            return self._assistant(message.blocks, where)
        if message.role == "function":
            return [self._result(types_pb2.ToolResultBlock(tool_use_id=self._call_id, blocks=message.blocks), where)]
        role = message.role if message.role in ("system", "developer") else "user"
        items: list[JsonObject] = []
        parts: list[JsonObject] = []
        for at, block in enumerate(message.blocks):
            if block.HasField("tool_result"):
                items.append(self._result(block.tool_result, f"{where}[{at}]"))
            else:
                parts += self._part(block, f"{where}[{at}]")
        if parts:
            items.append({"type": "message", "role": role, "content": parts})
        return items

    def _assistant(self, blocks: Sequence[types_pb2.Block], path: str) -> list[JsonObject]:
        items: list[JsonObject] = []
        for at, block in enumerate(blocks):
            kind = block.WhichOneof("kind")
            if kind in ("text", "refusal"):
                if not items or items[-1]["type"] != "message":
                    items.append({"type": "message", "role": "assistant", "content": []})
                items[-1]["content"].append(_said(block))
            elif kind == "tool_use":
                items.append(self._call(block.tool_use))
            elif kind == "thinking":
                items += _reasoning(block.thinking)
            elif kind == "opaque" and block.opaque.dialect == DIALECT:
                items.append(kept_value(block.opaque.json, "opaque block"))
            else:
                self._unsupported.append(f"{path}[{at}]")
        return items

    def _call(self, call: types_pb2.ToolUseBlock) -> JsonObject:
        self._call_id = call_id = call.id or (f"call_{call.name}" if call.type == FUNCTION_CALL else "")
        if call.type == "custom":
            self._custom.add(call_id)
            return {"type": "custom_tool_call", "call_id": call_id, "name": call.name, "input": call.arguments}
        return {"type": "function_call", "call_id": call_id, "name": call.name, "arguments": call.arguments or "{}"}

    def _result(self, result: types_pb2.ToolResultBlock, path: str) -> JsonObject:
        """The item of a tool's answer: its text, or parts where it has more than text."""
        kind = "custom_tool_call_output" if result.tool_use_id in self._custom else "function_call_output"
        parts = [part for at, block in enumerate(result.blocks) for part in self._part(block, f"{path}.content[{at}]")]
        is_text = all(part["type"] == "input_text" for part in parts)
        output = "\n".join(part["text"] for part in parts) if is_text else parts
        return {"type": kind, "call_id": result.tool_use_id, "output": output}

    def _part(self, block: types_pb2.Block, path: str) -> list[JsonObject]:
        """The parts of a message that is not the assistant's for one block: one, or none."""
        kind = block.WhichOneof("kind")
        if kind in ("text", "refusal"):
            words = block.text or block.refusal
            return [{"type": "input_text", "text": words}] if words else []
        if not self._has_ids and kind in ("image", "document") and getattr(block, kind).HasField("file_id"):
            self._unsupported.append(path)
            return []
        if kind == "image" and block.image.WhichOneof("source"):
            return [_image(block.image)]
        if kind == "file":
            return [_file(block.file)]
        if kind == "document":
            return _document(block.document)
        if kind == "audio" and block.audio.data:
            audio = {"data": packed_text(block.audio.data), "format": block.audio.format or "wav"}
            return [{"type": "input_audio", "input_audio": audio}]
        if kind == "opaque" and block.opaque.dialect == DIALECT:
            return [kept_value(block.opaque.json, "opaque block")]
        if kind != "thinking":
            self._unsupported.append(path)
        return []


def _said(block: types_pb2.Block) -> JsonObject:
    if block.HasField("refusal"):
        return {"type": "refusal", "refusal": block.refusal}
    return {"type": "output_text", "text": block.text, "annotations": []}


def _reasoning(thinking: types_pb2.ThinkingBlock) -> list[JsonObject]:
    proof = unpacked(thinking.signature)
    if proof is None:
        return []
    item_id, encrypted = proof
    summary = [{"type": "summary_text", "text": thinking.text}] if thinking.text else []
    item: JsonObject = {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}
    return [{**item, "id": item_id} if item_id else item]


def _image(image: types_pb2.ImageBlock) -> JsonObject:
    part: JsonObject = {"type": "input_image"}
    if image.HasField("file_id"):
        part["file_id"] = image.file_id
    elif image.HasField("data"):
        part["image_url"] = data_uri(image.media_type or guessed_media_type(image.data), image.data)
    else:
        part["image_url"] = image.url
    return {**part, "detail": image.detail or "auto"}


def _file(file: types_pb2.FileBlock) -> JsonObject:
    if file.HasField("file_id"):
        return {"type": "input_file", "file_id": file.file_id}
    if file.HasField("url"):
        return {"type": "input_file", "file_url": file.url}
    return _data(file.data, file.media_type, file.filename)


def _data(data: bytes, media_type: str, name: str) -> JsonObject:
    uri = data_uri(media_type or guessed_media_type(data), data)
    return {"type": "input_file", "filename": name or FILENAME, "file_data": uri}


def _document(document: types_pb2.DocumentBlock) -> list[JsonObject]:
    source = document.WhichOneof("source")
    if source == "text":
        return [{"type": "input_text", "text": document.text}]
    if source == "data":
        return [_data(document.data, document.media_type, document.title)]
    if source == "url":
        return [{"type": "input_file", "file_url": document.url}]
    if source == "file_id":
        return [{"type": "input_file", "file_id": document.file_id}]
    return [{"type": "input_text", "text": words} for words in _texts(document.content_json)]


def _texts(content_json: str) -> list[str]:
    content: Any = loads(content_json.encode(), depth_max=_DEPTH_MAX) if content_json else []
    if isinstance(content, str):
        return [content]
    texts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return [text for text in texts if isinstance(text, str)]
