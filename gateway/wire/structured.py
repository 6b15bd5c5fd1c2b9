"""Structured answers from models that cannot give them: the request without `response_format`, and the answer as if.

Rules:
- `tool`: a function whose parameters are the schema, which must be called; its arguments are the text of the answer,
  streamed as they come. `instruction`: the schema is put into words before the conversation. `none`: the request is
  sent without, and `response_format` is named as unsupported.
- A request is copied, never changed. What asks for no structure passes as it is.
- An answer is changed only where it calls the tool: other text beside that call is left out (what a model says it will
  do), and a call of it alone ends with `stop`. In a stream such text waits, up to HELD_MAX_CHARS.

Not here: which way a deployment takes (config.catalogue), formats with a way of their own (wire.anthropic).
"""

from typing import Any, Final

from gateway.wire.anthropic.mapping import JSON_INSTRUCTION, JSON_TOOL
from gateway.wire.json import dumps
from gateway.wire.openai.mirror import kept_value
from gateway.wire.pb import chat_pb2, types_pb2

SCHEMA_INSTRUCTION: Final = (
    "Answer with one JSON value that conforms to the JSON Schema below and nothing else: "
    "no text around it, no code fence."
)
HELD_MAX_CHARS: Final = 1 << 20
PARAMETER: Final = "response_format"
_STRUCTURED: Final = ("json_schema", "json_object")


def is_wanted(request: Any) -> bool:
    """Whether a request asks for a structured answer; only chats can."""
    return isinstance(request, chat_pb2.ChatRequest) and request.response_format.type in _STRUCTURED


def emulated(request: chat_pb2.ChatRequest, way: str, unsupported: list[str]) -> chat_pb2.ChatRequest:
    """A copy of the request that asks for its structure in another way: tool, instruction or none."""
    made = chat_pb2.ChatRequest()
    made.CopyFrom(request)
    wanted = request.response_format
    made.ClearField("response_format")
    if way == "tool":
        _add_tool(made, wanted)
    elif way == "instruction":
        _add_instruction(made, wanted)
    else:
        unsupported.append(PARAMETER)
    return made


def _add_tool(request: chat_pb2.ChatRequest, wanted: types_pb2.ResponseFormat) -> None:
    schema = wanted.json_schema
    mode = request.tool_choice.mode
    is_free = bool(request.tools) and mode != "none"
    tool = request.tools.add(type="function").function
    tool.name = JSON_TOOL
    tool.description = schema.description or f"Give the answer, {schema.name or 'as JSON'}."
    tool.parameters_json = schema.schema_json or '{"type":"object"}'
    if mode in ("", "auto", "none"):
        request.tool_choice.Clear()
        if is_free:
            request.tool_choice.mode = "required"
        else:
            request.tool_choice.mode, request.tool_choice.type, request.tool_choice.name = "tool", "function", JSON_TOOL


def _add_instruction(request: chat_pb2.ChatRequest, wanted: types_pb2.ResponseFormat) -> None:
    words = JSON_INSTRUCTION
    if wanted.json_schema.schema_json:
        schema = dumps(kept_value(wanted.json_schema.schema_json, "schema_json")).decode()
        words = f"{SCHEMA_INSTRUCTION}\n{schema}"
    first = request.messages[0] if request.messages else None
    if first is not None and first.role in ("system", "developer") and first.blocks and not first.extra:
        last = first.blocks[-1]
        if last.HasField("text") and not last.extra:
            last.text += f"\n\n{words}"
            return
    messages = [types_pb2.Message(role="system", blocks=[types_pb2.Block(text=words)]), *request.messages]
    del request.messages[:]
    request.messages.extend(messages)


def _plain(choice: chat_pb2.ChoiceDelta, called: set[tuple[int, int]]) -> list[chat_pb2.BlockDelta]:
    """The increments of text that are none of the tool's."""
    blocks = choice.delta.blocks
    return [block for block in blocks if block.HasField("text") and (choice.index, block.block) not in called]


def answered(response: chat_pb2.ChatResponse) -> None:
    """Turn calls of the tool in a whole answer into its text."""
    for choice in response.choices:
        blocks = choice.message.blocks
        found = [block for block in blocks if block.tool_use.name == JSON_TOOL]
        for block in found:
            words = block.tool_use.arguments
            block.Clear()
            block.text = words
        if not found:
            continue
        told = [block for block in blocks if not block.HasField("text") or block in found]
        del blocks[:]
        blocks.extend(told)
        choice.message.content_form = types_pb2.CONTENT_FORM_UNSPECIFIED
        if "content" in choice.message.nulls:
            choice.message.nulls.remove("content")
        if choice.finish_reason == "tool_calls" and not any(block.HasField("tool_use") for block in blocks):
            choice.finish_reason = "stop"
            choice.ClearField("native_finish_reason")


class Answering:
    """One stream whose calls of the tool become text; other text waits until it is known to be alone."""

    __slots__ = ("_calling", "_chars", "_held", "_is_text_last", "_json")

    def __init__(self) -> None:
        self._json: set[tuple[int, int]] = set()  # choice and block of the tool's calls
        self._calling: set[int] = set()  # choices that call something else
        self._held: list[Any] = []  # text beside the call, which says nothing once the tool is called
        self._chars = 0
        self._is_text_last = False

    @property
    def is_holding(self) -> bool:
        """Whether text waits."""
        return bool(self._held)

    def events(self, event: Any) -> list[Any]:
        """What a client gets of an event; a `str` stands for the last chunk's one increment."""
        if not isinstance(event, chat_pb2.ChatChunk):
            return self._kept(event, len(event)) if self._is_text_last else [event]
        for choice in event.choices:
            for block in choice.delta.blocks:
                if self._is_json(choice.index, block) and "content" in choice.delta.nulls:
                    choice.delta.nulls.remove("content")
            if choice.finish_reason == "tool_calls" and choice.index not in self._calling and self._has_json(choice):
                choice.finish_reason = "stop"
                choice.ClearField("native_finish_reason")
        words = [block.text for choice in event.choices for block in _plain(choice, self._json)]
        self._is_text_last = bool(words)
        if self._is_text_last and not any(choice.finish_reason for choice in event.choices):
            return self._kept(event, sum(map(len, words)))
        return [*self.released(), event] if event.choices and any(c.finish_reason for c in event.choices) else [event]

    def released(self) -> list[Any]:
        """What waits, if the tool was not called; nothing waits any more."""
        held, self._held = self._held, []
        return [] if self._json else held

    def _kept(self, event: Any, chars: int) -> list[Any]:
        self._chars += chars
        if self._json:
            return []
        self._held.append(event)
        return self.released() if self._chars > HELD_MAX_CHARS else []

    def _has_json(self, choice: chat_pb2.ChoiceDelta) -> bool:
        return any(index == choice.index for index, _ in self._json)

    def _is_json(self, choice: int, block: chat_pb2.BlockDelta) -> bool:
        """Whether an increment is of the tool's call; it is a text then."""
        kind = block.WhichOneof("kind")
        call: Any = block.tool if kind == "tool" else block.start.tool_use if kind == "start" else None
        if call is None or (kind == "start" and not block.start.HasField("tool_use")):
            return False
        place = (choice, block.block)
        if call.name == JSON_TOOL:
            self._json.add(place)
        elif place not in self._json:
            self._calling.add(choice)
            return False
        words = call.arguments
        block.ClearField("extra")
        block.text = words
        return True
