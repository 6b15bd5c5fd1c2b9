"""The answer of generateContent.

Rules:
- Each candidate is a choice; its content is a message of role assistant. What OpenAI has no word for (safety ratings,
  grounding, citations) stays in `extra`.
- A call of a tool without an id gets one, made from the answer's id and the place of the call.
- What an answer of another format cites is its candidate's `groundingMetadata`.
- A blocked prompt has no candidates, yet one choice (outcome.py); it is not written back.

Not here: frames of a stream (chunks.py).
"""

import hashlib
from typing import Any

from gateway.wire.foreign import stripped
from gateway.wire.gemini.contents import ANSWER
from gateway.wire.gemini.grounding import of_choice
from gateway.wire.gemini.groups import Group, Table, integer, string
from gateway.wire.gemini.outcome import FINISH_REASON, LOGPROBS, USAGE, block_reason, end_with_calls
from gateway.wire.gemini.parts import DIALECT, call_signature
from gateway.wire.json import text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import chat_pb2, types_pb2


def _read_content(choice: Any, said: JsonObject) -> bool:
    content = said.get("content")
    choice.message.role = "assistant"
    if type(content) is not dict:
        return False
    ANSWER.decode(content, choice.message)
    return True


def _write_content(choice: Any, out: JsonObject) -> None:
    if choice.HasField("message"):
        out["content"] = ANSWER.encode(choice.message)


INDEX = integer("index", "index")
CANDIDATE = Table(
    [Group(("content",), _read_content, _write_content, has_default=True), FINISH_REASON, LOGPROBS, INDEX]
)


def candidates_of(of: Table) -> Group:
    """The list of answers; `of` is what one of them is. Numbers that are not there are those of the order."""

    def read(message: Any, said: JsonObject) -> bool:
        found = said.get("candidates")
        if type(found) is not list or not found or not all(type(item) is dict for item in found):
            return False
        for at, candidate in enumerate(found):
            choice = message.choices.add()
            of.decode(candidate, choice)
            if not choice.HasField("index"):
                choice.index = at
                choice.nulls.append("index")
        return True

    def write(message: Any, out: JsonObject) -> None:
        if message.choices:
            out["candidates"] = [of.encode(choice) for choice in message.choices]

    return Group(("candidates",), read, write)


RESPONSE = Table(
    [
        candidates_of(CANDIDATE),
        USAGE,
        string("modelVersion", "model"),
        string("responseId", "id"),
    ]
)


def decode_response(obj: JsonObject) -> chat_pb2.ChatResponse:
    """Read a whole answer; any JSON object is accepted."""
    response = chat_pb2.ChatResponse(dialect=DIALECT)
    extra, absent = RESPONSE.read(obj, response)
    reason = block_reason(extra)
    if not response.choices and reason is not None:
        response.choices.add(
            index=0,
            message=types_pb2.Message(role="assistant"),
            finish_reason="content_filter",
            native_finish_reason=reason,
        )
        absent.append("candidates")
    for choice in response.choices:
        _name_calls(choice, response.id)
    if extra:
        response.extra = text(extra)
    response.nulls.extend(absent)
    return response


def _name_calls(choice: chat_pb2.Choice, answer_id: str) -> None:
    calls = [block.tool_use for block in choice.message.blocks if block.HasField("tool_use")]
    for at, call in enumerate(calls):
        if not call.HasField("id") and '"id"' not in call.extra:
            call.id = made_up_id(answer_id, choice.index, at, call.name + call.arguments)
            call.nulls.append("id")
    if calls:
        end_with_calls(choice)


def made_up_id(answer_id: str, choice: int, at: int, said: str) -> str:
    """An id for a call that has none, the same whenever the same answer is read."""
    seed = f"{answer_id}\0{choice}\0{at}\0{said}".encode()
    return "call_" + hashlib.blake2b(seed, digest_size=12).hexdigest()


def encode_response(response: chat_pb2.ChatResponse) -> JsonObject:
    """Return the JSON object of an answer. Raises JsonInvalid for a JSON text in it that is none."""
    return RESPONSE.encode(response if response.dialect == DIALECT else _native_response(response))


def _native_response(response: chat_pb2.ChatResponse) -> chat_pb2.ChatResponse:
    native = stripped(response)
    native.dialect = DIALECT
    for choice, was in zip(native.choices, response.choices, strict=True):
        choice.ClearField("native_finish_reason")
        choice.message.role = "assistant"
        for block, signed in zip(choice.message.blocks, was.message.blocks, strict=True):
            if block.HasField("tool_use") and (signature := call_signature(signed.extra)):
                block.extra = text({"thoughtSignature": signature})
        blocks = [made for block in choice.message.blocks if (made := native_block(block)) is not None]
        if grounding := of_choice(choice, blocks):
            choice.extra = text({"groundingMetadata": grounding})
        del choice.message.blocks[:]
        choice.message.blocks.extend(blocks)
    return native


def native_block(block: types_pb2.Block) -> types_pb2.Block | None:
    """A block of another dialect's answer as Gemini's; None when it has none."""
    kind = block.WhichOneof("kind")
    if kind == "thinking" and not block.thinking.HasField("text"):
        return None
    if kind == "audio" and not block.audio.HasField("data"):
        return types_pb2.Block(text=block.audio.transcript) if block.audio.transcript else None
    if kind == "tool_use" and block.tool_use.type == "custom":
        call = types_pb2.ToolUseBlock(id=block.tool_use.id, name=block.tool_use.name)
        call.arguments = text({"input": block.tool_use.arguments})
        return types_pb2.Block(tool_use=call)
    return None if kind in (None, "opaque", "document", "tool_result") else block
