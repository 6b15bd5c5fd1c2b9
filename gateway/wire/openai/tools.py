"""Tools and their calls: the tool list, tool_choice, and a call whole or in fragments.

Rules:
- A call is two JSON objects (the call; its `function` or `custom`): typed fields of both live in one message, `extra`
  and `nulls` of the outer one in the block around it.
- If the outer `extra` names `function` or `custom`, the inner object is written from there alone.
- type `function_call` is ours: the deprecated member of that name. A JSON call of that type keeps it in `extra`.

Not here: numbering of fragments (numbering.py), which calls belong together.
"""

from typing import Any

from gateway.wire.json import text
from gateway.wire.openai.fields import boolean, integer, is_text, json_text, record, string
from gateway.wire.openai.mirror import (
    ABSENT,
    EMPTY,
    Field,
    JsonObject,
    Mirror,
    add_kept,
    kept_object,
    kept_value,
)
from gateway.wire.pb import chat_pb2, types_pb2

FUNCTION_CALL = "function_call"
_MODES = ("none", "auto", "required")

FUNCTION_TOOL = Mirror(
    types_pb2.FunctionTool, [string("name"), string("description"), json_text("parameters"), boolean("strict")]
)


def _tool_type(tool: types_pb2.Tool) -> Any:
    if tool.HasField("function"):
        return "function"
    return "custom" if tool.HasField("custom_json") else ABSENT


TOOL = Mirror(
    types_pb2.Tool,
    [string("type"), record("function", FUNCTION_TOOL), json_text("custom"), json_text("cache_control")],
    fills={"type": _tool_type},
)


def _read_tool_choice(request: Any, value: Any) -> bool:
    choice = _tool_choice(value)
    if choice is None:
        return False
    request.tool_choice.CopyFrom(choice)
    return bool(_tool_choice_json(choice) == value)


def _tool_choice(value: Any) -> types_pb2.ToolChoice | None:
    if type(value) is str:
        return types_pb2.ToolChoice(mode=value) if value in _MODES else None
    if type(value) is not dict:
        return None
    kind = value.get("type")
    inner = value.get(kind) if kind in ("function", "custom", "allowed_tools") else None
    if type(inner) is not dict:
        return None
    if kind == "allowed_tools":
        return types_pb2.ToolChoice(mode="allowed_tools", allowed_tools_json=text(inner))
    return types_pb2.ToolChoice(mode="tool", type=kind, name=inner["name"]) if is_text(inner.get("name")) else None


def _tool_choice_json(choice: types_pb2.ToolChoice) -> str | JsonObject:
    if choice.mode == "allowed_tools":
        allowed = kept_value(choice.allowed_tools_json or EMPTY, "allowed_tools_json")
        return {"type": "allowed_tools", "allowed_tools": allowed}
    if choice.mode == "tool" or (not choice.mode and choice.name):
        kind = choice.type or "function"
        return {"type": kind, kind: {"name": choice.name}}
    return choice.mode


def _write_tool_choice(out: JsonObject, choice: types_pb2.ToolChoice) -> None:
    out["tool_choice"] = _tool_choice_json(choice)


TOOL_CHOICE = Field("tool_choice", _read_tool_choice, {"tool_choice": _write_tool_choice})


def _read_arguments(call: Any, value: Any) -> bool:
    """Some providers give arguments as an object: callers of the typed field get its text."""
    if type(value) is str:
        if is_text(value):
            call.arguments = value
            return True
        return False
    call.arguments = text(value)
    return False


_INNER = {
    "function": (string("name"), Field("arguments", _read_arguments, string("arguments").writers)),
    "custom": (string("name"), Field("input", _read_arguments, string("input", "arguments").writers)),
}


_TYPE = string("type")


def _read_type(call: Any, value: Any) -> bool:
    if value == FUNCTION_CALL:
        return False
    return _TYPE.read(call, value)


_OUTER = (
    integer("index"),
    string("id"),
    Field("type", _read_type, _TYPE.writers),
)


class Calls:
    """Reads and writes the calls of one message class: ToolUseBlock, or its fragment ToolDelta."""

    def __init__(self, message_class: Any, *, is_fragment: bool) -> None:
        self._is_fragment = is_fragment
        self._outer = Mirror(message_class, _OUTER)
        self._inner = {kind: Mirror(message_class, fields) for kind, fields in _INNER.items()}

    def read(self, obj: JsonObject, outer: Any, call: Any) -> None:
        """Read an element of `tool_calls` into `call`; what it cannot hold of the call object goes to `outer`."""
        call.SetInParent()
        if type(inner := obj.get("function")) is dict and inner and "custom" not in obj and obj.get("type") != "custom":
            self._inner["function"].decode(inner, call)
            self._outer.decode({name: value for name, value in obj.items() if name != "function"}, call, outer)
        else:
            self._read_unusual(obj, outer, call)
        if not outer.extra and self._lacks_fill(obj):
            outer.extra = EMPTY

    def _read_unusual(self, obj: JsonObject, outer: Any, call: Any) -> None:
        kind, other = ("custom", "function") if obj.get("type") == "custom" else ("function", "custom")
        rest = {name: value for name, value in obj.items() if name not in ("function", "custom")}
        inner = obj.get(kind)
        if other not in obj and type(inner) is dict and inner:
            self._inner[kind].decode(inner, call)
        else:  # unusual: keep both as they are, and make them readable as far as they go
            rest |= {name: obj[name] for name in ("function", "custom") if name in obj}
            for name in (kind, other):
                if type(obj.get(name)) is dict:
                    self._inner[name].decode(obj[name], call)
                    call.ClearField("extra")
                    call.ClearField("nulls")
                    break
        self._outer.decode(rest, call, outer)

    def write(self, outer: Any, call: Any) -> JsonObject:
        """Return the element of `tool_calls`; `index` of a fragment that has none is the renderer's to add."""
        out = self._outer_json(call)
        kind = "custom" if call.type == "custom" else "function"
        extra = outer.extra
        kept = kept_object(extra) if extra and extra != EMPTY else {}
        if "function" not in kept and "custom" not in kept and (inner := self._inner[kind].encode(call)):
            out[kind] = inner
        add_kept(out, outer.nulls, None)
        out.update(kept)
        if not extra and "type" not in out and self._needs_type(out):
            out["type"] = kind
        return out

    def read_function_call(self, obj: JsonObject, call: Any) -> None:
        """Read the deprecated member `function_call`."""
        call.type = FUNCTION_CALL
        self._inner["function"].decode(obj, call)

    def write_function_call(self, call: Any) -> JsonObject:
        """Return the deprecated member `function_call`."""
        return self._inner["function"].encode(call)

    def _outer_json(self, call: Any) -> JsonObject:
        return {name: getattr(call, name) for name in ("index", "id", "type") if call.HasField(name)}

    def _needs_type(self, out: JsonObject) -> bool:
        return not self._is_fragment or "id" in out

    def _lacks_fill(self, obj: JsonObject) -> bool:
        if self._is_fragment and "index" not in obj:
            return True
        return "type" not in obj and self._needs_type(obj)


CALLS = Calls(types_pb2.ToolUseBlock, is_fragment=False)
CALL_FRAGMENTS = Calls(chat_pb2.ToolDelta, is_fragment=True)
