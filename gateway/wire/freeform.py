"""Custom tools (free text) for formats whose tools take JSON: functions of one text, and their calls read back.

Rules:
- A custom tool becomes a function with the one parameter INPUT; its grammar is put into words. Its calls of earlier
  turns, and a choice of it, become those of the function.
- A call of such a function is a call of the custom tool again: the parameter is its text. In a stream it waits until
  the answer ends, because a piece of JSON is no text yet.
- A request is copied, never changed; arguments that are not of that shape are passed as they are.

Not here: which formats have custom tools of their own (config.catalogue), structured answers (structured.py).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid, dumps, loads, text
from gateway.wire.openai.mirror import JsonObject, kept_value
from gateway.wire.pb import chat_pb2, types_pb2

INPUT: Final = "input"
SCHEMA: Final = text({"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]})
_DEPTH_MAX: Final = 1000


def is_used(request: Any) -> bool:
    """Whether a request offers a custom tool; only chats can."""
    return isinstance(request, chat_pb2.ChatRequest) and any(tool.HasField("custom_json") for tool in request.tools)


def names_of(request: chat_pb2.ChatRequest) -> frozenset[str]:
    """The names of its custom tools."""
    return frozenset(str(_spec(tool).get("name", "")) for tool in request.tools if tool.HasField("custom_json"))


def as_functions(request: chat_pb2.ChatRequest) -> chat_pb2.ChatRequest:
    """A copy whose custom tools are functions. Raises JsonInvalid for a JSON text in the message that is none."""
    made = chat_pb2.ChatRequest()
    made.CopyFrom(request)
    for tool in made.tools:
        if tool.HasField("custom_json"):
            spec = _spec(tool)
            tool.Clear()
            tool.type = "function"
            tool.function.name = str(spec.get("name", ""))
            tool.function.description = _description(spec)
            tool.function.parameters_json = SCHEMA
    for message in made.messages:
        for block in message.blocks:
            if block.HasField("tool_use") and block.tool_use.type == "custom":
                block.tool_use.type = "function"
                block.tool_use.arguments = dumps({INPUT: block.tool_use.arguments}).decode()
    if made.tool_choice.type == "custom":
        made.tool_choice.type = "function"
    if made.tool_choice.allowed_tools_json:
        made.tool_choice.allowed_tools_json = _allowed(made.tool_choice.allowed_tools_json)
    return made


def _spec(tool: types_pb2.Tool) -> JsonObject:
    spec = kept_value(tool.custom_json, "custom_json")
    return spec if type(spec) is dict else {}


def _description(spec: JsonObject) -> str:
    words = [str(spec["description"])] if spec.get("description") else []
    form = spec.get("format")
    grammar = form.get("grammar") if type(form) is dict else None
    if type(grammar) is dict and grammar.get("definition"):
        words.append(f"`{INPUT}` must match this grammar ({grammar.get('syntax')}):\n{grammar['definition']}")
    return "\n\n".join(words)


def _allowed(allowed_tools_json: str) -> str:
    allowed = kept_value(allowed_tools_json, "allowed_tools_json")
    tools = allowed.get("tools") if type(allowed) is dict else None
    if type(tools) is not list:
        return allowed_tools_json
    plain = [
        {"type": "function", "function": tool["custom"]} if type(tool) is dict and "custom" in tool else tool
        for tool in tools
    ]
    return text({**allowed, "tools": plain})


def said(arguments: str) -> str:
    """The text in the arguments of such a function."""
    try:
        given = loads(arguments.encode(), depth_max=_DEPTH_MAX)
    except JsonInvalid:
        return arguments
    return given[INPUT] if type(given) is dict and type(given.get(INPUT)) is str else arguments


def answered(response: chat_pb2.ChatResponse, names: frozenset[str]) -> None:
    """Turn the calls in a whole answer back."""
    for choice in response.choices:
        for block in choice.message.blocks:
            if block.HasField("tool_use") and block.tool_use.name in names:
                call = block.tool_use
                block.tool_use.CopyFrom(
                    types_pb2.ToolUseBlock(id=call.id, type="custom", name=call.name, arguments=said(call.arguments))
                )


class Calls:
    """One stream: calls of such functions are kept back until the answer ends, everything else passes."""

    __slots__ = ("_head", "_held", "_is_held_last", "_last", "_names")

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._held: dict[tuple[int, int], chat_pb2.ToolDelta] = {}  # by choice and block
        self._head = chat_pb2.ChatChunk()
        self._is_held_last = False  # the last chunk had one increment, and it was held
        self._last = (0, 0)

    @property
    def is_holding(self) -> bool:
        """Whether a call waits."""
        return bool(self._held)

    def events(self, event: Any) -> list[Any]:
        """What a client gets of an event; a `str` stands for the last chunk's one increment."""
        if not isinstance(event, chat_pb2.ChatChunk):
            if not self._is_held_last:
                return [event]
            self._held[self._last].arguments += event
            return []
        self._head.CopyFrom(chat_pb2.ChatChunk(id=event.id, object=event.object, model=event.model))
        self._head.created = event.created
        count = sum(len(choice.delta.blocks) for choice in event.choices)
        held = sum([self._hold(choice) for choice in event.choices])
        self._is_held_last = held == count == 1
        out = self.released() if any(choice.finish_reason for choice in event.choices) else []
        return [*out, event] if held < count or not held or _says_more(event) else out

    def released(self) -> list[Any]:
        """The calls that wait, each whole; nothing waits any more."""
        held, self._held = self._held, {}
        self._is_held_last = False
        return [self._whole(*place, call) for place, call in held.items()]

    def _hold(self, choice: chat_pb2.ChoiceDelta) -> int:
        """Take the increments of held calls out of a choice; how many."""
        kept = [block for block in choice.delta.blocks if not self._is_held(choice.index, block)]
        taken = len(choice.delta.blocks) - len(kept)
        if taken:
            copies = [chat_pb2.BlockDelta.FromString(block.SerializeToString()) for block in kept]
            del choice.delta.blocks[:]
            choice.delta.blocks.extend(copies)
        return taken

    def _is_held(self, index: int, block: chat_pb2.BlockDelta) -> bool:
        kind, place = block.WhichOneof("kind"), (index, block.block)
        call: Any = block.tool if kind == "tool" else block.start.tool_use if kind == "start" else None
        if kind == "stop":
            return place in self._held
        if call is None or (kind == "start" and not block.start.HasField("tool_use")):
            return False
        if call.name in self._names and place not in self._held:
            self._held[place] = chat_pb2.ToolDelta(id=call.id, type="custom", name=call.name)
        if place not in self._held:
            return False
        self._held[place].arguments += call.arguments
        self._last = place
        return True

    def _whole(self, index: int, block: int, call: chat_pb2.ToolDelta) -> chat_pb2.ChatChunk:
        call.arguments = said(call.arguments)
        chunk = chat_pb2.ChatChunk()
        chunk.CopyFrom(self._head)
        chunk.choices.add(index=index).delta.blocks.append(chat_pb2.BlockDelta(block=block, tool=call))
        return chunk


def _says_more(event: chat_pb2.ChatChunk) -> bool:
    """Whether a chunk without increments still says something."""
    return event.HasField("usage") or any(
        choice.finish_reason or choice.delta.HasField("role") for choice in event.choices
    )
