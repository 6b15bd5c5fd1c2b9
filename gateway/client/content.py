"""Messages, blocks and tools from what is pleasant to write.

Rules:
    - Accepted wherever a message is: a `Message`, a `(role, text)` pair, or a mapping in the OpenAI
      format. Parts and tools of a type not known here are kept whole, not refused.
    - Images, audio and files become bytes: a `data:` URI is decoded, an http(s) URL is passed through.
    - A wrong shape is a `TypeError` or `ValueError` that names the place, before anything is sent.
Not here: whole requests (requests.py), reading answers (answers.py).
"""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.client.generated.gateway.v1 import (
    AudioBlock,
    Block,
    ContentForm,
    FileBlock,
    FunctionTool,
    ImageBlock,
    Message,
    OpaqueBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)

Part = Block | str | Mapping[str, Any]
Content = str | Sequence[Part]
MessageLike = Message | tuple[str, Content] | Mapping[str, Any]
ToolLike = Tool | Mapping[str, Any]


def message(role: str, content: Content, *, name: str | None = None) -> Message:
    """One turn: `message("user", "hi")` or `message("user", ["what is this?", image("cat.png")])`."""
    return Message(role=role, name=name, blocks=blocks_from(content))


def image(source: str | Path | bytes, *, media_type: str | None = None, detail: str | None = None) -> Block:
    """An image block from an http(s) URL (passed through), a `data:` URI, a file's path, or the bytes themselves."""
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return Block(image=ImageBlock(url=source, detail=detail))
    if isinstance(source, str) and source.startswith("data:"):
        found_type, data = _data_uri(source)
    elif isinstance(source, bytes):
        found_type, data = None, source
    else:
        found_type, data = mimetypes.guess_type(str(source))[0], Path(source).read_bytes()
    media_type = media_type or found_type
    if not media_type:
        raise ValueError("image: give media_type, e.g. media_type='image/png'; it cannot be told from the source")
    return Block(image=ImageBlock(data=data, media_type=media_type, detail=detail))


def audio(data: bytes, *, format: str) -> Block:
    """A sound block; `format` is wav or mp3."""
    return Block(audio=AudioBlock(data=data, format=format))


def tool_result(tool_use_id: str, content: Content, *, is_error: bool | None = None) -> Message:
    """The turn that gives a tool's answer back; `tool_use_id` is the id of the call it answers."""
    result = ToolResultBlock(tool_use_id=tool_use_id, blocks=blocks_from(content), is_error=is_error)
    return Message(role="tool", blocks=[Block(tool_result=result)])


def function_tool(
    name: str,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    strict: bool | None = None,
) -> Tool:
    """A function the model may call; `parameters` is its JSON Schema."""
    schema = None if parameters is None else json_text(parameters)
    function = FunctionTool(name=name, description=description, parameters_json=schema, strict=strict)
    return Tool(type="function", function=function)


def messages_from(items: str | MessageLike | Iterable[MessageLike]) -> list[Message]:
    """The conversation: a lone string or message is one user turn or one turn."""
    if isinstance(items, str):
        return [message("user", items)]
    if isinstance(items, Message | Mapping) or _is_pair(items):
        return [_message_from(items, "messages")]  # type: ignore[arg-type]  # told apart by shape just above
    return [_message_from(item, f"messages[{index}]") for index, item in enumerate(items)]  # type: ignore[arg-type]  # told apart by shape just above


def blocks_from(content: Content, place: str = "content") -> list[Block]:
    """The blocks of a message: a string is one text block."""
    if isinstance(content, str):
        return [Block(text=content)]
    return [_block_from(part, f"{place}[{index}]") for index, part in enumerate(content)]


def tool_from(tool: ToolLike, place: str = "tools") -> Tool:
    """A tool from its OpenAI form; other types than function are kept as they are."""
    if isinstance(tool, Tool):
        return tool
    if not isinstance(tool, Mapping):
        raise TypeError(f"{place}: expected a Tool or a mapping, not {type(tool).__name__}")
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        return Tool(type=tool.get("type"), extra=json_text({k: v for k, v in tool.items() if k != "type"}))
    made = function_tool(
        function.get("name", ""), function.get("description"), function.get("parameters"), strict=function.get("strict")
    )
    rest = {key: value for key, value in function.items() if key not in _FUNCTION_MEMBERS}
    if rest and made.function:
        made.function.extra = json_text(rest)
    return made


def json_text(value: Any) -> str:
    """Compact JSON text, as the `*_json` fields carry it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_pair(item: object) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _message_from(item: MessageLike, place: str) -> Message:
    if isinstance(item, Message):
        return item
    if isinstance(item, Mapping):
        return _message_from_mapping(item, place)
    if _is_pair(item):
        return Message(role=item[0], blocks=blocks_from(item[1], f"{place}.content"))
    raise TypeError(f"{place}: expected a Message, a (role, text) pair or a mapping, not {type(item).__name__}")


_FUNCTION_MEMBERS = ("name", "description", "parameters", "strict")
_MESSAGE_MEMBERS = ("role", "name", "content", "refusal", "reasoning_content", "tool_calls", "tool_call_id")


def _message_from_mapping(item: Mapping[str, Any], place: str) -> Message:
    role, content = item.get("role"), item.get("content")
    if not isinstance(role, str):
        raise ValueError(f"{place}.role: required, one of system, developer, user, assistant, tool")
    blocks = [] if content is None else blocks_from(content, f"{place}.content")
    if role == "tool":
        made = tool_result(item.get("tool_call_id") or "", [])
        result = made.blocks[0].tool_result
        assert result is not None  # noqa: S101 - made just above
        result.blocks = blocks
        if isinstance(content, str):
            result.content_form = ContentForm.STRING
    else:
        made = Message(role=role, name=item.get("name"), blocks=_beside_content(item) + blocks + _tool_uses(item))
    rest = {key: value for key, value in item.items() if key not in _MESSAGE_MEMBERS and value is not None}
    if rest:
        made.extra = json_text(rest)
    return made


def _beside_content(item: Mapping[str, Any]) -> list[Block]:
    found = []
    if item.get("reasoning_content"):
        found.append(Block(thinking=ThinkingBlock(text=item["reasoning_content"]), is_beside_content=True))
    if item.get("refusal"):
        found.append(Block(refusal=item["refusal"], is_beside_content=True))
    return found


def _tool_uses(item: Mapping[str, Any]) -> list[Block]:
    calls = item.get("tool_calls") or ()
    return [
        Block(
            tool_use=ToolUseBlock(
                id=call.get("id"),
                type=call.get("type", "function"),
                name=call["function"]["name"],
                arguments=call["function"].get("arguments", ""),
            ),
            is_beside_content=True,
        )
        for call in calls
    ]


def _block_from(part: Part, place: str) -> Block:
    if isinstance(part, Block):
        return part
    if isinstance(part, str):
        return Block(text=part)
    if not isinstance(part, Mapping):
        raise TypeError(f"{place}: expected a Block, a string or a mapping, not {type(part).__name__}")
    make = _PARTS.get(part.get("type", ""))
    try:
        block = make(part) if make else None
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"{place}: not a valid {part.get('type')} part: {error!r}") from error
    return block or Block(opaque=OpaqueBlock(dialect="openai", json=json_text(part)))


def _image_part(part: Mapping[str, Any]) -> Block:
    return image(part["image_url"]["url"], detail=part["image_url"].get("detail"))


def _audio_part(part: Mapping[str, Any]) -> Block:
    inner = part["input_audio"]
    return audio(base64.b64decode(inner["data"], validate=True), format=inner["format"])


def _file_part(part: Mapping[str, Any]) -> Block | None:
    inner = part["file"]
    media_type, data = _data_uri(inner["file_data"]) if "file_data" in inner else (None, None)
    return Block(
        file=FileBlock(data=data, media_type=media_type, file_id=inner.get("file_id"), filename=inner.get("filename"))
    )


_PARTS = {
    "text": lambda part: Block(text=part["text"]),
    "refusal": lambda part: Block(refusal=part["refusal"]),
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
}


def _data_uri(uri: str) -> tuple[str, bytes]:
    head, comma, data = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise ValueError("a data: URI must be data:MEDIA/TYPE;base64,DATA")
    return head.removeprefix("data:").removesuffix(";base64"), base64.b64decode(data, validate=True)
