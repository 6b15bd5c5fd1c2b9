"""Messages of a conversation: content and what stands beside it, as one list of blocks.

Rules:
- Blocks are ordered: reasoning, content, refusal, audio, tool calls, function_call; whatever the order of members.
- `content_form` is set by every decode; unspecified means the message was not made from JSON, and the shape is chosen.
- A message of role tool is one tool_result block. A message made elsewhere that holds several of them becomes several
  messages on JSON (`write_turns`).

Not here: the increments of a streamed answer (deltas.py).
"""

from collections.abc import Sequence
from typing import Any, Final

from gateway.wire.openai.fields import is_text, json_text, string
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, Reader, add_kept, kept_value
from gateway.wire.openai.parts import AUDIO_ANSWER, read_part, write_part
from gateway.wire.openai.tools import CALLS, FUNCTION_CALL
from gateway.wire.pb import types_pb2

REASONING: Final = "reasoning_content"
BLOCK_MEMBERS: Final = (REASONING, "reasoning", "content", "refusal", "audio", "tool_calls", FUNCTION_CALL)

_UNSPECIFIED = types_pb2.CONTENT_FORM_UNSPECIFIED
_NO_CONTENT = types_pb2.CONTENT_FORM_ABSENT
_NULL = types_pb2.CONTENT_FORM_NULL
_STRING = types_pb2.CONTENT_FORM_STRING
_ARRAY = types_pb2.CONTENT_FORM_ARRAY


def _read_content(holder: Any, value: Any) -> bool:
    """Read `content` into a Message or a ToolResultBlock."""
    if type(value) is str:
        if not is_text(value):
            return False
        holder.blocks.add().text = value
        holder.content_form = _STRING
    elif type(value) is list:
        for part in value:
            read_part(part, holder.blocks.add())
        holder.content_form = _ARRAY
    else:
        return False
    return True


def _read_null_content(holder: Any, _null: Any) -> bool:
    holder.content_form = _NULL
    return True


def _reading_thinking(member: str) -> Reader:
    def read(message: Any, value: Any) -> bool:
        if not is_text(value):
            return False
        block = message.blocks.add(is_beside_content=True)
        block.thinking.text = value
        block.thinking.member = member
        return True

    return read


def _read_refusal(message: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    message.blocks.add(refusal=value, is_beside_content=True)
    return True


def _read_audio(message: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    block = message.blocks.add(is_beside_content=True)
    block.audio.SetInParent()
    AUDIO_ANSWER.decode(value, block.audio)
    return True


def _read_tool_calls(message: Any, value: Any) -> bool:
    if type(value) is not list or not value or not all(type(call) is dict for call in value):
        return False
    for call in value:
        block = message.blocks.add(is_beside_content=True)
        CALLS.read(call, block, block.tool_use)
    return True


def _read_function_call(message: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    block = message.blocks.add(is_beside_content=True)
    CALLS.read_function_call(value, block.tool_use)
    return True


_COMMON = (
    string("role"),
    string("name"),
    json_text("annotations"),
    Field(REASONING, _reading_thinking(REASONING), {}),
    Field("reasoning", _reading_thinking("reasoning"), {}),
    Field("refusal", _read_refusal, {}),
    Field("audio", _read_audio, {}),
    Field("tool_calls", _read_tool_calls, {}),
    Field(FUNCTION_CALL, _read_function_call, {}),
)


def _read_result(message: Any, value: Any) -> bool:
    return _read_content(message.blocks[0].tool_result, value)


def _read_null_result(message: Any, value: Any) -> bool:
    return _read_null_content(message.blocks[0].tool_result, value)


def _read_call_id(message: Any, value: Any) -> bool:
    return string("tool_use_id").read(message.blocks[0].tool_result, value)


MESSAGE = Mirror(
    types_pb2.Message, [*_COMMON, Field("content", _read_content, {}, _read_null_content)], first=BLOCK_MEMBERS
)
_TOOL_MESSAGE = Mirror(
    types_pb2.Message,
    [*_COMMON, Field("content", _read_result, {}, _read_null_result), Field("tool_call_id", _read_call_id, {})],
    first=BLOCK_MEMBERS,
)


def read_message(obj: JsonObject, message: Any) -> None:
    """Read one element of `messages`, or the `message` of a choice, into an empty Message."""
    if obj.get("role") == "tool":
        message.content_form = _NO_CONTENT
        message.blocks.add().tool_result.content_form = _NO_CONTENT
        _TOOL_MESSAGE.decode(obj, message)
        return
    message.content_form = _NO_CONTENT
    MESSAGE.decode(obj, message)


def write_turns(message: types_pb2.Message) -> list[JsonObject]:
    """Return the JSON messages one Message stands for: one, unless it mixes tool results with other things."""
    blocks = message.blocks[:]
    results = [block for block in blocks if block.HasField("tool_result")]
    if not results or (message.role == "tool" and len(results) == 1):
        return [write_message(message)]
    turns = [write_message(types_pb2.Message(role="tool", blocks=[result])) for result in results]
    rest = types_pb2.Message()
    rest.CopyFrom(message)
    del rest.blocks[:]
    rest.blocks.extend(block for block in message.blocks if not block.HasField("tool_result"))
    rest.role = "user" if message.role == "tool" else message.role
    return [*turns, write_message(rest)] if rest.blocks else turns


def write_message(message: types_pb2.Message) -> JsonObject:
    """Return the JSON object of a Message with at most one tool_result block."""
    return _write_message(message, message.blocks[:])


def _write_message(message: types_pb2.Message, blocks: Sequence[types_pb2.Block]) -> JsonObject:
    out: JsonObject = {}
    if (role := message.role) or message.HasField("role"):
        out["role"] = role
    if message.HasField("name"):
        out["name"] = message.name
    form = message.content_form
    if form == _STRING and len(blocks) == 1:
        out["content"] = blocks[0].text
    else:
        _write_blocks(out, message, form)
    if message.HasField("annotations_json"):
        out["annotations"] = kept_value(message.annotations_json, "annotations_json")
    if (nulls := message.nulls) or message.extra:
        add_kept(out, nulls, message.extra)
    return out


def write_answer(message: types_pb2.Message) -> JsonObject:
    """Like `write_message`, for the `message` of a choice, which must have content and refusal."""
    out = write_message(message)
    if message.content_form == _UNSPECIFIED:
        out.setdefault("role", "assistant")
        out.setdefault("content", None)
        out.setdefault("refusal", None)
    return out


def _write_blocks(out: JsonObject, message: types_pb2.Message, form: int) -> None:
    content: list[types_pb2.Block] = []
    beside: list[types_pb2.Block] = []
    for block in message.blocks:
        if block.HasField("tool_result"):
            _write_result(out, block.tool_result)
            form = _NO_CONTENT
        elif _is_beside(block, message):
            beside.append(block)
        else:
            content.append(block)
    write_content(out, content, form)
    for block in beside:
        _write_beside(out, block)


def _is_beside(block: types_pb2.Block, message: types_pb2.Message) -> bool:
    if block.is_beside_content:
        return True
    kind = block.WhichOneof("kind")
    if kind in ("thinking", "tool_use"):
        return True
    if message.content_form != _UNSPECIFIED:
        return False
    return kind == "refusal" or (kind == "audio" and message.role == "assistant")


def write_content(out: JsonObject, blocks: Sequence[types_pb2.Block], form: int) -> None:
    """Write the member `content` in the given form, or in the one that suits the blocks."""
    if form == _UNSPECIFIED:
        form = _suitable_form(blocks)
    if form == _STRING:
        out["content"] = "".join(block.text for block in blocks)
    elif form == _ARRAY:
        out["content"] = [part for block in blocks for part in write_part(block)]
    elif form == _NULL:
        out["content"] = None


def _suitable_form(blocks: Sequence[types_pb2.Block]) -> int:
    if not blocks:
        return _NULL
    is_plain = len(blocks) == 1 and blocks[0].HasField("text")
    is_bare = is_plain and not (blocks[0].HasField("cache_control_json") or blocks[0].extra)
    return _STRING if is_bare else _ARRAY


def _write_result(out: JsonObject, result: types_pb2.ToolResultBlock) -> None:
    if result.HasField("tool_use_id"):
        out["tool_call_id"] = result.tool_use_id
    if result.content_form == _UNSPECIFIED and not result.blocks:
        out["content"] = ""
    else:
        write_content(out, result.blocks, result.content_form)


def _write_beside(out: JsonObject, block: types_pb2.Block) -> None:
    kind = block.WhichOneof("kind")
    if kind == "thinking":
        if block.thinking.HasField("text"):
            _append(out, block.thinking.member or REASONING, block.thinking.text)
    elif kind in ("refusal", "text"):
        _append(out, "refusal" if kind == "refusal" else "content", block.refusal or block.text)
    elif kind == "audio":
        out["audio"] = AUDIO_ANSWER.encode(block.audio)
    elif kind == "tool_use" and block.tool_use.type == FUNCTION_CALL:
        out[FUNCTION_CALL] = CALLS.write_function_call(block.tool_use)
    elif kind == "tool_use":
        out.setdefault("tool_calls", []).append(CALLS.write(block, block.tool_use))


def _append(out: JsonObject, name: str, more: str) -> None:
    out[name] = (out.get(name) or "") + more


def write_conversation(messages: Sequence[types_pb2.Message]) -> list[JsonObject]:
    """Return the member `messages`."""
    turns: list[JsonObject] = []
    for message in messages[:]:
        blocks = message.blocks[:]
        if len(blocks) == 1 and blocks[0].HasField("text"):  # nearly all of them
            turns.append(_write_message(message, blocks))
        else:
            turns += write_turns(message)
    return turns
