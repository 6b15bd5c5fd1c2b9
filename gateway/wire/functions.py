"""OpenAI's deprecated `functions` for formats that have tools only: tools in, their first call back as `function_call`.

Rules:
- Functions become tools behind those that are there, `function_call` their choice. Turns stay as they are: every
  format reads a `function_call` and its answer (role function).
- An answer has one `function_call`: the first call of a function. Further ones are left out; the model makes them in
  its next turn, as it does where functions are native.
- A request and the events of a stream are copied, never changed.

Not here: which formats have functions of their own (config.catalogue), tools (openai/tools.py).
"""

from typing import Any, Final

from gateway.wire.json import JsonInvalid
from gateway.wire.openai.fields import is_text
from gateway.wire.openai.mirror import kept_value
from gateway.wire.openai.tools import FUNCTION_CALL, FUNCTION_TOOL
from gateway.wire.pb import chat_pb2, types_pb2

_ENDS: Final = {"tool_calls": FUNCTION_CALL}


def is_used(request: Any) -> bool:
    """Whether a request has functions, or chooses among them; only chats can."""
    return isinstance(request, chat_pb2.ChatRequest) and (
        request.HasField("functions_json") or request.HasField("function_call_json")
    )


def names_of(request: chat_pb2.ChatRequest) -> frozenset[str]:
    """The names of its functions. Raises JsonInvalid for a JSON text that is none, or not a list of them."""
    listed = kept_value(request.functions_json or "[]", "functions_json")
    if type(listed) is not list or not all(type(each) is dict and is_text(each.get("name")) for each in listed):
        raise JsonInvalid("functions_json is not a list of functions, each with a name")
    return frozenset(each["name"] for each in listed)


def as_tools(request: chat_pb2.ChatRequest) -> chat_pb2.ChatRequest:
    """A copy whose functions are tools. Raises JsonInvalid as `names_of` does."""
    names_of(request)
    made = chat_pb2.ChatRequest()
    made.CopyFrom(request)
    for function in kept_value(request.functions_json or "[]", "functions_json"):
        FUNCTION_TOOL.decode(function, made.tools.add(type="function").function)
    if request.function_call_json and not request.HasField("tool_choice") and made.tools:
        made.tool_choice.CopyFrom(_choice(kept_value(request.function_call_json, "function_call_json")))
    made.ClearField("functions_json")
    made.ClearField("function_call_json")
    return made


def _choice(chosen: Any) -> types_pb2.ToolChoice:
    if type(chosen) is dict and is_text(chosen.get("name")):
        return types_pb2.ToolChoice(mode="tool", type="function", name=chosen["name"])
    if chosen not in ("none", "auto"):
        raise JsonInvalid("function_call_json is neither none, auto nor the name of a function")
    return types_pb2.ToolChoice(mode=chosen)


def answered(response: chat_pb2.ChatResponse, names: frozenset[str]) -> None:
    """Turn the calls in a whole answer back."""
    for choice in response.choices:
        blocks = choice.message.blocks
        calls = [block for block in blocks if block.HasField("tool_use") and block.tool_use.name in names]
        for block in calls[1:]:
            blocks.remove(block)
        for block in calls[:1]:
            call = block.tool_use
            said = types_pb2.ToolUseBlock(type=FUNCTION_CALL, name=call.name, arguments=call.arguments)
            block.tool_use.CopyFrom(said)
            choice.finish_reason = _ENDS.get(choice.finish_reason, choice.finish_reason)


class Calls:
    """One stream: pieces of the first call of a function become those of a `function_call`; nothing waits."""

    __slots__ = ("_first", "_last", "_left_out", "_names")

    is_holding = False

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._first: dict[int, int] = {}  # choice -> block of its function_call
        self._left_out: set[tuple[int, int]] = set()
        self._last: chat_pb2.ChatChunk | None = None  # the last chunk, if it was changed

    def events(self, event: Any) -> list[Any]:
        """What a client gets of an event; a `str` stands for the last chunk's one increment."""
        if not isinstance(event, chat_pb2.ChatChunk):
            return [event] if self._last is None else self._more(self._last, event)
        self._last = None
        if not any(choice.finish_reason in _ENDS or _has_call(choice.delta) for choice in event.choices):
            return [event]
        self._last = made = chat_pb2.ChatChunk()
        made.CopyFrom(event)
        for choice in made.choices:
            self._change(choice)
        is_said = made.HasField("usage") or any(_says(choice) for choice in made.choices)
        return [made] if is_said else []

    def released(self) -> list[Any]:
        """Nothing waits."""
        return []

    def _more(self, last: chat_pb2.ChatChunk, words: str) -> list[Any]:
        """A piece as the last one was: a `function_call` has no short form, what was left out stays so."""
        blocks = [block for choice in last.choices for block in choice.delta.blocks]
        if not blocks or blocks[0].tool.type != FUNCTION_CALL:
            return [words] if blocks else []
        made = chat_pb2.ChatChunk()
        made.CopyFrom(last)
        made.choices[0].delta.ClearField("role")
        made.choices[0].delta.blocks[0].tool.CopyFrom(chat_pb2.ToolDelta(type=FUNCTION_CALL, arguments=words))
        return [made]

    def _change(self, choice: chat_pb2.ChoiceDelta) -> None:
        blocks = [each for block in choice.delta.blocks for each in self._block(choice.index, block)]
        del choice.delta.blocks[:]
        choice.delta.blocks.extend(blocks)
        if choice.finish_reason in _ENDS and choice.index in self._first:
            choice.finish_reason = _ENDS[choice.finish_reason]

    def _block(self, index: int, block: chat_pb2.BlockDelta) -> list[chat_pb2.BlockDelta]:
        if (call := _call_of(block)) is None:
            return [chat_pb2.BlockDelta.FromString(block.SerializeToString())]
        if call.name in self._names and self._first.setdefault(index, block.block) != block.block:
            self._left_out.add((index, block.block))
        if (index, block.block) in self._left_out:
            return []
        if self._first.get(index) != block.block:
            return [chat_pb2.BlockDelta.FromString(block.SerializeToString())]
        piece = chat_pb2.ToolDelta(type=FUNCTION_CALL, arguments=call.arguments)
        if call.name:
            piece.name = call.name
        return [chat_pb2.BlockDelta(block=block.block, tool=piece)]


def _call_of(block: chat_pb2.BlockDelta) -> Any:
    """The piece of a call an increment is; None = of something else."""
    if block.HasField("tool"):
        return block.tool
    return block.start.tool_use if block.HasField("start") and block.start.HasField("tool_use") else None


def _has_call(delta: chat_pb2.Delta) -> bool:
    return any(_call_of(block) is not None for block in delta.blocks)


def _says(choice: chat_pb2.ChoiceDelta) -> bool:
    return bool(choice.finish_reason or choice.delta.blocks or choice.delta.HasField("role"))
