"""A conversation as Cohere's messages, and the documents that stood among them.

Rules:
- Turns of role system and developer become one first message of role system; each result of a tool is a message of
  role tool. Empty texts are left out: the format refuses them.
- Text of the assistant beside calls of tools is their `tool_plan`; thinking is a part of its own, without the proofs
  of other formats (a block that is only proof is left out).
- Texts given as documents or files go to `documents`, in order, with the ids doc_0, doc_1, ...

Not here: parameters (request.py).
"""

from typing import Any

from gateway.wire.json import JsonInvalid, loads, text
from gateway.wire.openai.base64text import data_uri, guessed_media_type
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.openai.tools import FUNCTION_CALL
from gateway.wire.pb import chat_pb2, types_pb2

_DEPTH_MAX = 900


class Turns:
    """A conversation on its way. Paths of blocks without a place here are appended to `unsupported`."""

    def __init__(self, unsupported: list[str]) -> None:
        self._unsupported = unsupported
        self._system: list[str] = []
        self._messages: list[JsonObject] = []
        self._documents: list[JsonObject] = []
        self._call_id = ""

    def of(self, request: chat_pb2.ChatRequest) -> tuple[list[JsonObject], list[JsonObject]]:
        """The messages and the documents of a request."""
        for at, message in enumerate(request.messages):
            self._add(message, f"messages[{at}].content")
        if not self._system:
            return self._messages, self._documents
        role = "system" if self._messages else "user"  # a conversation cannot be instructions alone
        return [{"role": role, "content": "\n\n".join(self._system)}, *self._messages], self._documents

    def _add(self, message: types_pb2.Message, path: str) -> None:
        if message.role in ("system", "developer"):
            self._system += self._texts(message.blocks, path)
        elif message.role == "assistant":
            self._assistant(message, path)
        elif message.role == "function":
            self._result(types_pb2.ToolResultBlock(tool_use_id=self._call_id, blocks=message.blocks), path)
        else:
            self._user(message, path)

    def _texts(self, blocks: Any, path: str) -> list[str]:
        """The texts among blocks; everything else is unsupported."""
        found = []
        for at, block in enumerate(blocks):
            if block.WhichOneof("kind") not in ("text", "refusal", "thinking"):
                self._unsupported.append(f"{path}[{at}]")
            elif words := block.text or block.refusal:
                found.append(words)
        return found

    def _user(self, message: types_pb2.Message, path: str) -> None:
        parts: list[JsonObject] = []
        for at, block in enumerate(message.blocks):
            kind = block.WhichOneof("kind")
            where = f"{path}[{at}]"
            if kind == "tool_result":
                self._result(block.tool_result, where)
            elif kind in ("text", "refusal"):
                parts += [{"type": "text", "text": words}] if (words := block.text or block.refusal) else []
            elif kind == "image" and not block.image.HasField("file_id") and block.image.WhichOneof("source"):
                parts.append(_image(block.image))
            elif (document := _document(block)) is not None:
                self._documents.append({"id": f"doc_{len(self._documents)}", "data": document})
            else:
                self._unsupported.append(where)
        if parts:
            self._messages.append({"role": "user", "content": _content(parts)})

    def _result(self, result: types_pb2.ToolResultBlock, path: str) -> None:
        words = "\n".join(self._texts(result.blocks, path))
        self._messages.append({"role": "tool", "tool_call_id": result.tool_use_id, "content": words})

    def _assistant(self, message: types_pb2.Message, path: str) -> None:
        calls: list[JsonObject] = []
        words: list[str] = []
        thoughts: list[JsonObject] = []
        for at, block in enumerate(message.blocks):
            kind = block.WhichOneof("kind")
            if kind == "tool_use":
                calls.append(self._call(block.tool_use))
            elif kind in ("text", "refusal"):
                words.append(block.text or block.refusal)
            elif kind != "thinking":
                self._unsupported.append(f"{path}[{at}]")
            elif block.thinking.text:
                thoughts.append({"type": "thinking", "thinking": block.thinking.text})
        said = "".join(words)
        out: JsonObject = {"role": "assistant"}
        parts = [*thoughts, *([{"type": "text", "text": said}] if said and not calls else [])]
        if parts:
            out["content"] = _content(parts)
        if calls:
            out |= {"tool_calls": calls, **({"tool_plan": said} if said else {})}
        if parts or calls:
            self._messages.append(out)

    def _call(self, call: types_pb2.ToolUseBlock) -> JsonObject:
        call_id = call.id
        if call.type == FUNCTION_CALL and not call_id:
            call_id = f"function_call_{len(self._messages)}"
        self._call_id = call_id
        function = {"name": call.name, "arguments": _arguments(call)}
        return {"id": call_id, "type": "function", "function": function}


def _arguments(call: types_pb2.ToolUseBlock) -> str:
    """The arguments of a call: the JSON text of an object, whatever they are."""
    if call.type == "custom":
        return text({"input": call.arguments})
    try:
        is_object = type(loads(call.arguments.encode(), depth_max=_DEPTH_MAX)) is dict
    except JsonInvalid:
        is_object = False
    if is_object:
        return call.arguments
    return text({"arguments": call.arguments}) if call.arguments else "{}"


def _content(parts: list[JsonObject]) -> Any:
    """One text as a string, else the parts."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _image(image: types_pb2.ImageBlock) -> JsonObject:
    url = image.url or data_uri(image.media_type or guessed_media_type(image.data), image.data)
    inner = {"url": url, "detail": image.detail} if image.HasField("detail") else {"url": url}
    return {"type": "image_url", "image_url": inner}


def _document(block: types_pb2.Block) -> JsonObject | None:
    """The data of a document that is text; None if it is not."""
    if block.HasField("document"):
        document = block.document
        title, words = document.title, document.text if document.HasField("text") else None
    elif block.HasField("file") and _is_text_type(block.file.media_type):
        title, words = block.file.filename, block.file.data.decode("utf-8", "replace")
    else:
        return None
    if words is None:
        return None
    return {"title": title, "text": words} if title else {"text": words}


def _is_text_type(media_type: str) -> bool:
    base = media_type.partition(";")[0]
    return base.startswith("text/") or base == "application/json"
